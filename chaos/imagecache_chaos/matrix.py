"""Which runs there are: the points in every weather, and deaths of those who come after the dead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice

from imagecache_chaos.life import Plan

DOUBLE = 6
"""Of so many runs one has two deaths."""

COMMON = ("cloud.list:", "watch.event:", "api.create_event:")
"""What is passed again and again in the same state; where runs must be few, these points are thinned out first."""

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
    """So many runs, spread evenly over what there is; never fewer than there are points that are not common."""
    every = [Plan(weather, (point,)) for weather, found in points.items() for point in found]
    rare = [plan for plan in every if not plan.points[0].startswith(COMMON)]
    common = [plan for plan in every if plan.points[0].startswith(COMMON)]
    single = rare + _spread(common, runs - runs // DOUBLE - len(rare))
    number = max(runs - len(single), 0)
    first = _spread(rare, number) if number <= len(rare) else list(islice(cycle(rare), number))
    # The second points go round in another rhythm, so that each death meets others each time.
    return single + [Plan(plan.weather, (*plan.points, LATER[turn % len(LATER)])) for turn, plan in enumerate(first)]


def _spread(plans: Sequence[Plan], wanted: int) -> list[Plan]:
    """So many of them, at even distances; all of them where more are wanted."""
    if wanted >= len(plans):
        return list(plans)
    return [plans[number * len(plans) // wanted] for number in range(max(wanted, 0))]
