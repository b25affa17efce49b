"""What the cloud is like during a run: fair, or one of the ways in which it may be hard on a client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STALE_SECONDS = 0.5
LATE_SECONDS = 0.5
"""Less than `IMAGECACHE_DELETE_RETRY_AFTER` is in a run: what comes later than that may be asked for again."""

POST, DELETE, LIST, GET = "CreateImageCache", "DeleteImageCache", "ListImageCaches", "ShowImageCache"


@dataclass(frozen=True)
class Weather:
    """Faults and switches of the simulator.

    Attributes:
        tells: in a few words, for the table.
        faults: ordered before the run.
        switches: set before the run; the others are as they are by default.
        stale: seconds by which reads may be behind.
    """

    tells: str
    faults: list[dict[str, Any]] = field(default_factory=list)
    switches: dict[str, Any] = field(default_factory=dict)
    stale: float = 0.0


def _lost(operation: str, **more: Any) -> dict[str, Any]:
    return {"kind": "lost_answer", "operation": operation, **more}


_STALE = [{"kind": "stale_reads", "operation": operation, "seconds": STALE_SECONDS} for operation in (LIST, GET)]

WEATHERS = {
    "fair": Weather("the cloud answers, and answers truly"),
    "lost-posts": Weather("the answer to every POST is lost after the work", [_lost(POST)]),
    "lost-deletes": Weather("the answer to every DELETE is lost after the work", [_lost(DELETE)]),
    "lost-reads": Weather(
        "reads are lost now and then",
        [_lost(LIST, skip=1, times=1), _lost(GET, times=1), _lost(LIST, skip=5, times=2), _lost(LIST, skip=9, times=1)],
    ),
    "stale": Weather("reads are behind by half a second", _STALE, stale=STALE_SECONDS),
    "stale-lost": Weather(
        "the same, and all answers to writes are lost", [*_STALE, _lost(POST), _lost(DELETE)], stale=STALE_SECONDS
    ),
    "late": Weather(
        "writes are carried out half a second after they came, also when their sender is dead by then",
        [{"kind": "slow", "operation": operation, "seconds": LATE_SECONDS} for operation in (POST, DELETE)],
    ),
    "murky": Weather(
        "POST has no body, DELETE says 204 and means later, lists hide what is Deleting, its name is free",
        switches={
            "create_body": "empty",
            "delete_answer": "204_still_there",
            "list_deleting": "no",
            "name_reuse": "allowed",
            "images_echo": "canonical",
            "empty_list": "absent",
            "not_found_shape": "empty",
        },
    ),
}
