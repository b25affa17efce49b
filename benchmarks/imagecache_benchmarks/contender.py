"""A program that deletes caches, as a process: the operator as it ships, in a wrapper, or what it is compared with."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from imagecache_playground.processes import Program, bare_environment, wait_for

OPERATOR = ("imagecache_operator", "run")
FLOOR = ("imagecache_benchmarks.floor",)
NAIVE = "imagecache_benchmarks.naive"
SCALED = "imagecache_benchmarks.scaled"
SAMPLED = "imagecache_benchmarks.sampled"

SAYS_READY = "Serving "
"""What each of them writes once it has begun to work."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A program to be measured.

    Attributes:
        label: for people.
        command: module and arguments.
        finalizer: what objects must carry from the start; empty when the program puts its own on.
        as_admin: whether it needs more than the operator's role.
        ready: whether it makes objects Ready.
    """

    label: str
    command: Sequence[str]
    finalizer: str = ""
    as_admin: bool = False
    ready: bool = False


THE_OPERATOR = Contender("operator", OPERATOR, ready=True)
THE_FLOOR = Contender("floor", FLOOR, finalizer="benchmarks.example.com/floor")
NAIVE_LOOKS = Contender("naive kopf that looks", (NAIVE, "looks"), as_admin=True)
NAIVE_REMEMBERS = Contender("naive kopf that remembers", (NAIVE, "remembers"), as_admin=True)


class Running:
    """A contender that runs.

    Args:
        contender: which one.
        kubeconfig: its access to the API server.
        settings: its environment.
        log: where its output goes.
        wait: until it says that it works.
    """

    def __init__(
        self, contender: Contender, kubeconfig: Path, settings: Mapping[str, str], log: Path, *, wait: bool = True
    ) -> None:
        environment = bare_environment(KUBECONFIG=str(kubeconfig), **settings)
        self.log = log
        log.unlink(missing_ok=True)
        self.begun = time.monotonic()
        self.program = Program([sys.executable, "-m", *contender.command], environment, log)
        self._process = psutil.Process(self.program.pid)
        if wait:
            self.wait_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.stop()

    def wait_ready(self) -> None:
        """Wait until it says that it works."""
        wait_for(
            lambda: SAYS_READY in self.program.said() or not self.program.running,
            what="the program works",
            seconds=30,
            stand=self.program.said,
        )
        if not self.program.running:
            raise RuntimeError(f"it ended: {self.program.said()[-2000:]}")

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def starved_seconds(self) -> float:
        """Time in which it could have run, had a processor been free: tells a busy machine from a slow program."""
        return int(Path(f"/proc/{self.program.pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9

    def resident_mib(self) -> float:
        """Memory that is resident now, pages of shared libraries included."""
        return float(self._process.memory_info().rss) / 2**20

    def peak_mib(self) -> float:
        """The most memory that was ever resident, as the kernel counted it."""
        for line in Path(f"/proc/{self.program.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the kernel does not tell VmHWM")

    def settle(self, seconds: float = 20.0) -> None:
        """Wait until it is idle, so that what is measured next is only what is asked for next."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(1.0)
            if self.cpu_seconds() - before <= 0.03:
                return
