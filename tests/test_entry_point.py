"""How `make demo`, `make bench`, `make chaos` and `make soak` begin and end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagecache_controlplane import ControlPlaneError
from imagecache_playground.entry_point import run_in_folder


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """The handler of SIGTERM is the process's, and is put back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("status", [0, 1])
def test_the_status_is_that_of_the_work(status: int) -> None:
    """And the folder goes with it."""
    seen: list[Path] = []

    def work(folder: Path) -> int:
        seen.append(folder)
        (folder / "log").write_text("x", encoding="utf-8")
        return status

    assert run_in_folder("imagecache-test", work) == status
    assert not seen[0].exists()


def test_a_folder_for_logs_is_made_and_stays(tmp_path: Path) -> None:
    """With what the work has put there."""
    logs = tmp_path / "deep" / "logs"

    def work(folder: Path) -> int:
        (folder / "log").write_text("x", encoding="utf-8")
        return 0

    assert run_in_folder("imagecache-test", work, logs=logs) == 0
    assert (logs / "log").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_was_started(number: signal.Signals) -> None:
    """Whatever the work holds is let go, as for any exception; the status is a shell's for Ctrl-C."""
    ended: list[Path] = []

    def work(folder: Path) -> int:
        try:
            signal.raise_signal(number)
        finally:
            ended.append(folder)
        return 0

    assert run_in_folder("imagecache-test", work) == 130
    assert not ended[0].exists()


def test_without_a_control_plane_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """And no trace."""

    def work(_: Path) -> int:
        raise ControlPlaneError("There is no etcd.")

    assert run_in_folder("imagecache-test", work) == 1
    assert capsys.readouterr().err == "There is no etcd.\n"
