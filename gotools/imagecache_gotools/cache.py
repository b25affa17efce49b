"""The folder in which programs are kept for later runs, and the lock that lets one run at a time fill it."""

import contextlib
import fcntl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from imagecache_gotools.errors import BuildError

_WAIT_NOTE_SECONDS = 15.0
_WAIT_POLL_SECONDS = 0.2


def cache_root(environment: Mapping[str, str]) -> Path:
    """Name the folder for programs, by the rules of XDG (which says to ignore a relative path)."""
    configured = environment.get("XDG_CACHE_HOME", "")
    base = Path(configured) if configured.startswith("/") else Path.home() / ".cache"
    return base / "imagecache-operator"


def create(folder: Path) -> None:
    """Make the folder, and see that it can be written before any work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        raise BuildError(
            f"the cache folder {folder} cannot be written ({fault.strerror}); "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from None


@contextlib.contextmanager
def only_one(lock: Path, what: str, progress: Callable[[str], None]) -> Iterator[None]:
    """Let one run at a time into the block, and tell the others what they wait for."""
    with lock.open("w") as holder:
        began = time.monotonic()
        note = began
        while True:
            try:
                fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= note:
                    waited = time.monotonic() - began
                    progress(f"another run is preparing {what}; waiting ({waited:.0f} s so far)")
                    note += _WAIT_NOTE_SECONDS
                time.sleep(_WAIT_POLL_SECONDS)
        yield
