"""A soak's time passes faster by the same factor everywhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imagecache_chaos.soak.world import scenario, settings

SHOW = """
from imagecache_chaos.soak import scaled
found = scaled.scale(12.0)
from imagecache_operator import creation, gathering, intent, limiter, relist, replacement, term
print(intent.ABSENCE_COUNTS_AFTER, creation.ABSENCE_COUNTS_AFTER, gathering.ABSENCE_COUNTS_AFTER, limiter.WINDOW,
      relist.INTERVAL, replacement.FAILED_PAUSES[0], round(term.CREDENTIALS_CHECK, 3))
print(sorted({name.rpartition(".")[2] for name in found} ^ set(scaled.WAITS)))
"""


def test_the_waits_of_the_operator_are_scaled() -> None:
    """Also those that a module took over from another; and each name that is listed exists."""
    said = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["10.0 10.0 10.0 5.0 25.0 5.0 0.167", "[]"]


@pytest.mark.parametrize("factor", [1.0, 12.0])
def test_operator_and_cloud_agree_on_the_time(factor: float) -> None:
    """Settings are divided by what the simulator's time is multiplied by."""
    found = settings(factor, "http://127.0.0.1:1", "team-a")
    assert float(found["IMAGECACHE_ACTIVE_INTERVAL"]) == pytest.approx(5.0 / factor, abs=0.001)
    assert float(found["IMAGECACHE_REQUEST_TIMEOUT"]) == pytest.approx(30.0 / factor, abs=0.001)
    assert scenario(factor)["timing"]["time_scale"] == factor
