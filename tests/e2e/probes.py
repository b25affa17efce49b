"""The operator's probes, asked as a kubelet does, and programs of the operator with one thing changed."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path

from imagecache_playground.processes import wait_for

PATIENCE = 1.0
"""Seconds that a probe waits: the kubelet's default."""


class Probes:
    """The probes of an operator that is started with these `settings`."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.address = f"127.0.0.1:{server.getsockname()[1]}"
        self.settings = {"IMAGECACHE_HEALTH_ADDR": self.address}

    def ask(self, path: str) -> tuple[int | None, str]:
        """Status and text; None and nothing when no answer came in time."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()
        except OSError:
            return None, ""

    def wait(self, path: str, status: int, text: str = "", *, seconds: float = 15) -> str:
        """Until a probe is answered so; returns the whole text."""

        def look() -> str | None:
            found = self.ask(path)
            return found[1] or "-" if found[0] == status and text in found[1] else None

        return wait_for(look, what=f"/{path} answers {status} {text}", seconds=seconds, stand=lambda: self.ask(path))


def changed_program(directory: Path, code: str) -> dict[str, str]:
    """Settings that have the operator's process run this code before everything else.

    For what no setting changes, on purpose: how long silence is allowed, which time it is, a part that hangs.
    """
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": str(directory)}


class ShiftedClock:
    """An operator's wall clock: by so many minutes ahead of the machine's, which can be changed while it runs."""

    def __init__(self, directory: Path, minutes: float) -> None:
        directory.mkdir()
        self._file = directory / "minutes"
        self.set(minutes)
        self.settings = changed_program(directory, _SHIFTED.format(file=str(self._file)))

    def set(self, minutes: float) -> None:
        """Set it."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(minutes), encoding="utf-8")
        fresh.rename(self._file)


_SHIFTED = """
from datetime import timedelta
from pathlib import Path
from imagecache_operator.clock import SystemClock

def now(clock, true=SystemClock.now):
    return true(clock) + timedelta(minutes=float(Path({file!r}).read_text()))

SystemClock.now = now
"""

QUICK = """
from imagecache_operator import vitals
vitals.LOOP_MAX = vitals.ECHO_MAX = 2.0
from imagecache_operator import kubernetes_config, relist
relist.INTERVAL = kubernetes_config.REREAD = 1.0
"""
"""Silence is allowed for 2 s instead of 60 s and 180 s, and every second what is listed or read again in minutes."""
