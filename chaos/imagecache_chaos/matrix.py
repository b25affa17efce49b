"""Which runs there are: every point in every weather, and then deaths of those who come after the dead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice

from imagecache_chaos.life import Plan

LATER = (
    "cloud.list:after:1",
    "watch.event:before:1",
    "api.patch_status:before:1",
    "api.patch_status:after:1",
    "cloud.list:before:2",
    "cloud.get:after:1",
    "api.patch_status:after:2",
    "cloud.create:after:1",
    "cloud.delete:after:1",
)
"""Where the second process dies, in turn: at what it does first of all, and at its first writes."""


def plans_from(points: Mapping[str, Sequence[str]], runs: int) -> list[Plan]:
    """All points of all weathers; and as many double deaths as it takes for that number of runs."""
    single = [Plan(weather, (point,)) for weather, found in points.items() for point in found]
    return single + list(islice(_double(single), max(runs - len(single), 0)))


def _double(single: Sequence[Plan]) -> Iterator[Plan]:
    """Every single death with a second one, so that neighbours differ in it."""
    for turn in count():
        for number, plan in enumerate(single):
            yield Plan(plan.weather, (*plan.points, LATER[(number + turn) % len(LATER)]))
