"""What is counted in a soak is found among many objects, and memory that is flat is told from memory that is not."""

from __future__ import annotations

import os
from typing import Any

import pytest

from imagecache_chaos.soak.memory import Sample, memory_of, sample
from imagecache_chaos.soak.verdict import Known, verdict

POST, DELETE, LIST, GET = "CreateImageCache", "DeleteImageCache", "ListImageCaches", "ShowImageCache"
KNOWN = {"one": Known("web", "p"), "two": Known("web", "p"), "other": Known("db", "p")}
WANTED = {"web": 2, "db": 1}


def call(operation: str, at: float, cache_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A call as the simulator logs it."""
    usual = {"work_done": operation in {POST, DELETE}, "status": 200, "duration": 0.01, "cache_status": None}
    return (
        {"operation": operation, "monotonic": at, "cache_id": cache_id, "fault": None, "project": "p"} | usual | fields
    )


def proof(at: float, cache_id: str, **fields: Any) -> dict[str, Any]:
    """A GET of what is gone."""
    return call(GET, at, cache_id, **({"cache_status": "absent", "status": 404} | fields))


def replaced(proven: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Two objects, of which one has its cache replaced."""
    return [
        call(POST, 1.0, "one"),
        call(POST, 1.5, "other"),
        call(DELETE, 2.0, "one", cache_status="Available"),
        call(LIST, 4.0),
        proven or proof(5.0, "one"),
        call(POST, 6.0, "two"),
    ]


def test_a_soak_as_it_should_be() -> None:
    """Nothing is found, neither by name nor in all."""
    found = verdict(replaced(), KNOWN, WANTED, [])
    assert (found.orphans, found.twins, found.doubles, found.faults) == (0, 0, 0, [])


def test_an_orphan_is_named() -> None:
    """So that it can be looked for in the logs."""
    found = verdict(replaced(), KNOWN, WANTED, ["other"])
    assert (found.orphans, found.faults) == (1, ["db: cache other is an orphan"])


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(call(POST, 7.0, None, work_done=False, status=409), id="asked for while the name is taken"),
        pytest.param(call(POST, 7.0, "three"), id="one too many of that name"),
    ],
)
def test_a_twin(more: dict[str, Any]) -> None:
    """A POST that should not have been sent."""
    found = verdict([*replaced(), proof(6.5, "two"), more], KNOWN | {"three": Known("web", "p")}, WANTED, [])
    assert (found.twins, len(found.faults)) == (1, 1)


@pytest.mark.parametrize(
    ("proven", "twins"),
    [
        pytest.param(proof(5.0, "one", fault="stale_reads"), 0, id="what was gone a while ago is gone"),
        pytest.param(proof(5.0, "one", fault="slow"), 0, id="the true answer, late"),
        pytest.param(proof(5.0, "one", fault="gateway_404"), 1, id="not the cloud's own 404"),
        pytest.param(proof(5.0, "one", fault="status", status=503), 1, id="an error"),
        pytest.param(proof(5.0, "one", status=None, fault="lost_answer"), 1, id="nobody heard it"),
        pytest.param(proof(5.0, "other"), 1, id="another cache"),
    ],
)
def test_what_proves_that_the_former_cache_is_gone(proven: dict[str, Any], twins: int) -> None:
    """Only an answer of the cloud's own that was heard."""
    assert verdict(replaced(proven), KNOWN, WANTED, []).twins == twins


@pytest.mark.parametrize(
    ("read", "doubles"),
    [
        pytest.param(call(LIST, 3.0), 1, id="a list has shown it"),
        pytest.param(call(LIST, 3.0, fault="status", status=500), 0, id="the list failed"),
        pytest.param(call(LIST, 3.0, fault="stale_reads"), 0, id="the list was behind"),
        pytest.param(call(LIST, 3.0, project="q"), 0, id="the list was another account's"),
    ],
)
def test_a_double_delete(read: dict[str, Any], doubles: int) -> None:
    """It counts where the first one's effect could be seen."""
    first = call(DELETE, 2.0, "other", cache_status="Available")
    again = call(DELETE, 4.5, "other", cache_status="Deleting", work_done=False)
    assert verdict([call(POST, 1.0, "other"), first, read, again], KNOWN, WANTED, []).doubles == doubles


def samples(*levels: float) -> list[Sample]:
    """A sample each second, ten on each level."""
    return [Sample(float(number), levels[number // 10], 10) for number in range(10 * len(levels))]


@pytest.mark.parametrize(
    ("levels", "spread"),
    [
        pytest.param([80.0, 100.0, 100.0, 100.0], 0.0, id="it settles in the first quarter"),
        pytest.param([80.0, 100.0, 100.0, 106.0], 6.0, id="it grows at the end"),
        pytest.param([80.0, 100.0, 103.0, 106.0], 6.0, id="it grows all the time"),
        pytest.param([80.0, 108.0, 100.0, 100.0], 8.0, id="it goes up and down"),
        pytest.param([80.0, 99.0, 95.0, 90.0], 10.0, id="it shrinks"),
    ],
)
def test_memory_is_flat_or_not(levels: list[float], spread: float) -> None:
    """All windows after the first quarter count, and none of it."""
    assert memory_of(samples(*levels)).spread == pytest.approx(spread)


def test_a_moment_does_not_decide() -> None:
    """A window is worth its median."""
    seen = [Sample(number / 10, 100.0, 10) for number in range(400)]
    seen[350] = Sample(35.0, 500.0, 10)
    assert memory_of(seen).spread == 0.0


def test_a_process_is_sampled() -> None:
    """This one has some memory, and some files."""
    seen = sample(os.getpid())
    assert seen.resident_mib > 5.0
    assert seen.files >= 3
