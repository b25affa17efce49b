"""The machine's clocks."""

from __future__ import annotations

import time

import pytest

from imagecache_operator.clock import SystemClock


def test_the_time_in_which_the_machine_sleeps_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a leader that was suspended for an hour would take its Lease for good when it wakes up."""
    slept = {time.CLOCK_MONOTONIC: 10.0, time.CLOCK_BOOTTIME: 3610.0}
    monkeypatch.setattr(time, "clock_gettime", slept.__getitem__)
    monkeypatch.setattr(time, "monotonic", lambda: slept[time.CLOCK_MONOTONIC])
    assert SystemClock().monotonic() == 3610.0
