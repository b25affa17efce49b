"""What the tests of the control plane share."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is so, and fail when it does not come to pass."""

    def wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not so within {seconds} s"
            time.sleep(0.02)

    return wait


@pytest.fixture
def running() -> Callable[[str | Path], list[psutil.Process]]:
    """List the processes with a text in their command line."""

    def find(text: str | Path) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline", "status"])
            if process.info["status"] != psutil.STATUS_ZOMBIE
            and any(str(text) in word for word in process.info["cmdline"] or ())
        ]

    return find
