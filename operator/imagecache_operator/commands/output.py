"""What a person or a pipe reads: results on stdout, everything else as a sentence on stderr."""

from __future__ import annotations

import contextlib
import os
import sys


class OutputError(Exception):
    """Nobody reads on, or nothing can be written; `told` is empty where nobody wants to know."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        # Whoever reads has enough, such as `head`.
        self.told = "" if isinstance(error, BrokenPipeError) else f"The output cannot be written: {error.strerror}."


def say(text: str) -> None:
    """Print it at once.

    Raises:
        OutputError: it cannot be.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(error) from None


def complain(*sentences: str) -> None:
    """Tell what is wrong, or odd."""
    # What cannot be said, because the disk is full, must keep nothing from its work.
    with contextlib.suppress(OSError):
        for sentence in sentences:
            sys.stderr.write(f"imagecache-operator: {sentence}\n")
