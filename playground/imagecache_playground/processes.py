"""Programs of ours as child processes: started, told to stop, killed; what they say goes to a file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

POLL = 0.02
"""Seconds between two looks while waiting for something."""

T = TypeVar("T")


class TooLateError(AssertionError):
    """Something did not happen in time; says what, and how things stand instead."""


def wait_for(
    look: Callable[[], T | None], *, what: str, seconds: float, stand: Callable[[], object] | None = None
) -> T:
    """Look until there is something to see; returns it.

    Args:
        look: returns None (or False) for as long as it is not so far.
        what: is waited for, for the error.
        seconds: the limit.
        stand: asked how things stand when it is too late.

    Raises:
        TooLateError: it did not happen in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            tail = f"; it stands: {stand()}" if stand is not None else ""
            raise TooLateError(f"not within {seconds:g} s: {what}{tail}")
        time.sleep(POLL)


def output_of(
    command: Sequence[str], environment: Mapping[str, str], failure: type[Exception], *, stdin: str | None = None
) -> str:
    """Run a program to its end, two minutes at most; returns what it printed.

    Raises:
        failure: the program said no; the text is what it said.
    """
    done = subprocess.run(
        command, env=dict(environment), input=stdin, text=True, capture_output=True, timeout=120, check=False
    )
    if done.returncode:
        raise failure(done.stderr.strip() or done.stdout.strip())
    return done.stdout


class Program:
    """One child process in a group of its own, so that Ctrl-C reaches it through us alone.

    Args:
        command: program and arguments.
        environment: the whole of it.
        log: where its output goes; appended to.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM; SIGKILL when it takes too long. Returns the exit status."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL."""
        if self.running:
            self.signal(signal.SIGKILL)
        return self._process.wait()

    def wait(self, seconds: float) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""
        return self._process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid, number)

    def said(self) -> str:
        """All that it has written."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def bare_environment(**variables: str) -> dict[str, str]:
    """An environment without the settings and credentials of whoever runs this."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return kept | {"PYTHONUNBUFFERED": "1"} | variables
