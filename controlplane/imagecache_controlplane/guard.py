"""Owns the processes and the folder of one control plane, and outlives its user just long enough to clean up.

Run as a program of its own (standard library only, so that it starts quickly and anywhere). It makes the folder, says
its name, and then takes one JSON command per line on stdin. When stdin closes, or when the process that started it is
gone, it kills the programs and removes the folder: a SIGKILL of the user leaves nothing behind.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_SECONDS = 0.5


class Children:
    """The programs by name, in the order in which they were first started."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: list[str], log: str) -> dict[str, Any]:
        """Start a program, its output appended to the log."""
        if name in self._running and self._running[name].poll() is None:
            return {"error": f"{name} runs already"}
        with Path(log).open("ab") as output:
            self._running[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_the_guard if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread
                process_group=0,
            )
        return {"pid": self._running[name].pid}

    def send(self, name: str, number: int) -> dict[str, Any]:
        """Send a signal; a program that has ended is left alone."""
        self._running[name].send_signal(number)
        return {}

    def stop(self, name: str, grace: float) -> dict[str, Any]:
        """End a program: politely, and by force when the grace is over."""
        child = self._running[name]
        if child.poll() is None and grace > 0:
            child.send_signal(signal.SIGCONT)
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(grace)
        if child.poll() is None:
            child.kill()
        return {"code": child.wait()}

    def poll(self, name: str) -> dict[str, Any]:
        """Tell the exit code, or None while the program runs."""
        return {"code": self._running[name].poll()}

    def end(self) -> None:
        """Kill all, the last started first. Their data is thrown away, so nothing has to be saved."""
        for name in reversed(list(self._running)):
            self.stop(name, grace=0)


def _die_with_the_guard() -> None:
    # The last net: covers a SIGKILL of the guard itself.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def commands(parent: int) -> Iterator[dict[str, Any]]:
    """Yield commands until stdin closes or the parent is another one (a fork may keep the pipe open)."""
    pending = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], _PARENT_CHECK_SECONDS)[0]:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)


def reply(answer: dict[str, Any]) -> None:
    """Write one line to the user, who may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(answer).encode() + b"\n")


def serve(children: Children, parent: int) -> None:
    """Carry out commands; a command that fails is answered, never fatal."""
    work: dict[str, Callable[..., dict[str, Any]]]
    work = {"start": children.start, "send": children.send, "stop": children.stop, "poll": children.poll}
    for command in commands(parent):
        number, verb = command.pop("id"), command.pop("do")
        try:
            answer = work[verb](**command)
        except (OSError, KeyError, TypeError) as fault:
            answer = {"error": f"{verb}: {fault}"}
        reply({"id": number, **answer})


def main(parent: int) -> None:
    """Make the folder, serve, clean up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    children = Children()
    directory = tempfile.mkdtemp(prefix="imagecache-controlplane-")
    try:
        reply({"directory": directory})
        serve(children, parent)
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        children.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
