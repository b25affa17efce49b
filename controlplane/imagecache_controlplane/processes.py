"""The user's side of the guard: start, signal and stop programs that can never be left over."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from imagecache_controlplane.errors import ControlPlaneError

_GUARD = Path(__file__).with_name("guard.py")
_END_SECONDS = 30


class Processes:
    """A guard process with the folder that it made; all calls may come from any thread."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C in the terminal reaches the user first, who then ends things in order.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self._number = 0
        try:
            self.directory = Path(self._read()["directory"])
        except BaseException:
            self.close()
            raise

    def start(self, name: str, argv: list[str], log: Path) -> int:
        """Start a program and tell its process id."""
        return int(self._call("start", name=name, argv=argv, log=str(log))["pid"])

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a program."""
        self._call("send", name=name, number=int(number))

    def stop(self, name: str, grace: float) -> None:
        """End a program and wait for its end; grace 0 means SIGKILL."""
        self._call("stop", name=name, grace=grace)

    def exit_code(self, name: str) -> int | None:
        """Tell how a program ended; None while it runs."""
        code: int | None = self._call("poll", name=name)["code"]
        return code

    def close(self) -> None:
        """End everything and remove the folder; safe to call again."""
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        try:
            self._guard.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()  # its programs die with it
            self._guard.wait()
        self._guard.stdout.close()
        if hasattr(self, "directory"):
            # The guard has done it already, unless someone has killed the guard.
            shutil.rmtree(self.directory, ignore_errors=True)

    def _call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        with self._lock:
            self._number += 1
            line = json.dumps({"id": self._number, "do": verb, **arguments}).encode() + b"\n"
            assert self._guard.stdin is not None
            try:
                self._guard.stdin.write(line)
                self._guard.stdin.flush()
            except (BrokenPipeError, ValueError):
                raise ControlPlaneError("the control plane is not running; start a new one") from None
            while (answer := self._read()).get("id") != self._number:
                pass  # the answer to a call that Ctrl-C interrupted
        if "error" in answer:
            raise ControlPlaneError(answer["error"])
        return answer

    def _read(self) -> dict[str, Any]:
        assert self._guard.stdout is not None
        line = self._guard.stdout.readline()
        if not line:
            raise ControlPlaneError("the guard of the control plane has ended unexpectedly; start a new control plane")
        answer: dict[str, Any] = json.loads(line)
        return answer
