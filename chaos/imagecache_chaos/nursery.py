"""Processes of the operator, one at a time, from a nursery that has everything imported."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from imagecache_playground.processes import bare_environment

ABSENCE_SECONDS = 3.0
"""What stands for the 120 s after a POST before a cache that is not there was never made."""


class Nursery:
    """Starts and ends the operator.

    Args:
        kubeconfig: for the operator.
        settings: of the operator.
        log: where it writes.
    """

    def __init__(self, kubeconfig: Path, settings: Mapping[str, str], log: Path) -> None:
        self._environment = bare_environment(KUBECONFIG=str(kubeconfig), **settings)
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "imagecache_chaos.mortal"],
            env=bare_environment(PYTHONPATH=os.environ.get("PYTHONPATH", "")),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        self._child: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def start(self, point: str | None = None, record: Path | None = None) -> None:
        """Start the operator, which dies at that point, or writes down which points it passes."""
        assert self._process.stdin is not None
        order = {
            "environment": self._environment,
            "log": str(self._log),
            "point": point,
            "record": None if record is None else str(record),
            "absence": ABSENCE_SECONDS,
        }
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        self._child = int(self._line())

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        # Unbuffered reads, so that `select` sees what is left.
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._process.stdout.fileno(), 1)
            if not byte:
                raise RuntimeError("the nursery has ended")
            line += byte
        return line

    def has_died(self) -> bool:
        """Whether the operator that was started has come to its end, however."""
        if self._child is None:
            return True
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], 0)[0]:
            return False
        self._line()
        self._child = None
        return True

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if not self.has_died():
            assert self._child is not None
            os.kill(self._child, signal.SIGKILL)
            self._line()
            self._child = None
