"""What is counted in the crash matrix is found where it happens."""

from __future__ import annotations

from typing import Any

import pytest

from imagecache_chaos.judge import judge
from imagecache_chaos.matrix import COMMON, plans_from

POST, DELETE, LIST, GET = "CreateImageCache", "DeleteImageCache", "ListImageCaches", "ShowImageCache"


def call(operation: str, at: float, cache_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A call as the simulator logs it."""
    usual = {"work_done": operation in {POST, DELETE}, "status": 200, "duration": 0.01, "cache_status": None}
    return {"operation": operation, "monotonic": at, "cache_id": cache_id, **usual, **fields}


def circle() -> list[dict[str, Any]]:
    """The calls of a circle as it should be."""
    return [
        call(LIST, 0.0),
        call(POST, 1.0, "one"),
        call(DELETE, 2.0, "one", cache_status="Available"),
        call(LIST, 2.5),
        call(GET, 3.0, "one", cache_status="absent", status=404),
        call(POST, 4.0, "two"),
        call(DELETE, 5.0, "two", cache_status="Available"),
        call(GET, 6.0, "two", cache_status="absent", status=404),
    ]


def test_a_circle_as_it_should_be() -> None:
    """Nothing is found."""
    assert judge(circle(), {}, 0.0).faults == []


def test_an_orphan() -> None:
    """A cache is left."""
    assert judge(circle(), {"two": {}}, 0.0).faults == ["1 orphans"]


@pytest.mark.parametrize(
    "more",
    [
        call(POST, 1.5, None, work_done=False, status=409),
        call(POST, 1.5, None, work_done=False, status=None),
        call(POST, 7.0, "three"),
    ],
    ids=["refused, because the name is taken", "the same, and the answer was lost", "one too many"],
)
def test_a_twin(more: dict[str, Any]) -> None:
    """A POST that should not have been sent."""
    assert judge([*circle(), more], {}, 0.0).twins == 1


def test_a_post_without_proof() -> None:
    """A LIST that lacks the old cache is none."""
    calls = [one for one in circle() if one["cache_id"] != "one" or one["operation"] != GET]
    assert judge(calls, {}, 0.0).twins == 1


@pytest.mark.parametrize("status", ["Deleting", "absent"])
def test_a_double_delete(status: str) -> None:
    """A read between the two has shown what the first has done."""
    verdict = judge([*circle(), call(DELETE, 2.8, "one", cache_status=status, work_done=False)], {}, 0.0)
    assert (verdict.doubles, verdict.races) == (1, 0)
    assert verdict.faults == ["1 double DELETEs"]


def test_an_impatient_delete() -> None:
    """Nothing could be seen yet, and it is repeated all the same."""
    verdict = judge([*circle(), call(DELETE, 2.2, "one", cache_status="Deleting", work_done=False)], {}, 5.0)
    assert (verdict.doubles, verdict.races) == (1, 0)


@pytest.mark.parametrize(("at", "stale"), [(2.55, 0.0), (2.8, 0.6), (8.0, 7.0)])
def test_a_delete_that_could_not_know(at: float, stale: float) -> None:
    """A read since that came too late to be thought over, or those that were behind: no fault."""
    verdict = judge([*circle(), call(DELETE, at, "one", cache_status="Deleting", work_done=False)], {}, stale)
    assert (verdict.doubles, verdict.races) == (0, 1)
    assert verdict.faults == []


def test_rare_points_come_first() -> None:
    """Where runs are few, it is the common points that are thinned out; one run in six has two deaths."""
    found = {
        weather: [f"cloud.list:after:{number}" for number in range(1, 101)] + ["cloud.create:after:1"]
        for weather in ("fair", "late")
    }
    plans = plans_from(found, 60)
    single = [plan for plan in plans if len(plan.points) == 1]
    assert len(plans) == 60
    assert len(single) == 50
    assert sum(not plan.points[0].startswith(COMMON) for plan in single) == 2
    assert {plan.weather for plan in plans} == {"fair", "late"}
