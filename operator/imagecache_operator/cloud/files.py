"""Reading small files that others replace: keys of a mounted Secret, tokens of a service account."""

from __future__ import annotations

import os
import stat
from pathlib import Path

FILE_BYTES_MAX = 64 * 1024
"""Bytes of one file; security tokens have several KiB."""


def read_small_file(path: Path) -> str:
    """The text in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, too long, or no UTF-8.
    """
    # O_NONBLOCK: a pipe in this place must not hold up the program.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > FILE_BYTES_MAX:
        raise ValueError
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError from None  # its own text would show what was read


def why_unreadable(error: OSError | ValueError) -> str:
    """The reason, for a sentence."""
    return error.strerror or "error" if isinstance(error, OSError) else "it is no text in UTF-8 of at most 64 KiB"


def stamp_of(path: Path) -> object:
    """What differs after any change of the file."""
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
