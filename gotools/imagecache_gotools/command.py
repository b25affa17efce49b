"""A Go command, and a run of it that tells how far it is."""

import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imagecache_gotools.errors import BuildError

_NOTE_SECONDS = 15.0

# What is called now and then with the lines that were written so far, and the seconds.
Tick = Callable[[int, float], None]


@dataclass(frozen=True)
class Go:
    """A Go command, and the environment in which it works."""

    command: str
    environment: Mapping[str, str]

    def run(self, module: Path, arguments: Sequence[str], tick: Tick) -> list[str]:
        """Run Go in the folder of a module with a tick every 15 s, and give the lines that it wrote to stdout."""
        errors: deque[str] = deque(maxlen=20)
        lines: list[str] = []
        counts = [0]

        def read(stream: IO[str], keep: list[str] | deque[str]) -> None:
            for line in stream:
                keep.append(line.rstrip())
                counts[0] += 1

        began = time.monotonic()
        with subprocess.Popen(
            [self.command, *arguments],
            cwd=module,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            readers = [
                threading.Thread(target=read, args=(process.stdout, lines)),
                threading.Thread(target=read, args=(process.stderr, errors)),
            ]
            for reader in readers:
                reader.start()
            try:
                while process.poll() is None:
                    try:
                        process.wait(_NOTE_SECONDS)
                    except subprocess.TimeoutExpired:
                        tick(counts[0], time.monotonic() - began)
            except BaseException:
                process.send_signal(signal.SIGINT)  # Go cleans up on this one
                raise
            finally:
                for reader in readers:
                    reader.join()
        if process.returncode:
            raise BuildError(f"`go {arguments[0]}` failed ({last_line(chr(10).join(errors))})")
        return lines


def last_line(text: str) -> str:
    """The last line with something in it, which is where programs tell why they failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "without a word"
