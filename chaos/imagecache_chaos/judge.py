"""What must not have happened in a run, told from the cloud's own log of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from imagecache_chaos.weather import DELETE, GET, LIST, POST

Call = dict[str, Any]

WANTED = 2
"""Caches that one circle makes: one, and what replaces it."""

DECIDING = 0.1
"""Seconds from a look, over the writing of the request into the status, to the DELETE: what is seen then is late."""

SOON = 0.5
"""Seconds within which no DELETE may be repeated, whatever is seen: half of what the operator is set to."""


@dataclass
class Verdict:
    """Counts of what must be 0.

    Attributes:
        orphans: caches that are left.
        twins: POSTs that made a cache too many, were sent while one of that name was there, or came before the proof
            that the former one is gone.
        doubles: DELETEs for a cache that the operator could have seen Deleting, or gone, and those that were repeated
            before their time.
        races: DELETEs that came to such a cache when it could not have been seen yet; no fault.
    """

    orphans: int = 0
    twins: int = 0
    doubles: int = 0
    races: int = 0
    faults: list[str] = field(default_factory=list)


def judge(
    calls: Sequence[Call], caches: dict[str, Any], stale: float, *, wanted: int = WANTED, deciding: float = DECIDING
) -> Verdict:
    """Judge a run by the calls that came and the caches that are left.

    Args:
        calls: in the order in which they came.
        caches: that are left.
        stale: by how many seconds reads may be behind.
        wanted: how many caches were to be made at most.
        deciding: seconds from a look to the DELETE that follows from it.
    """
    verdict = Verdict(orphans=len(caches))
    posts = [call for call in calls if call["operation"] == POST]
    made = [call for call in posts if call["work_done"]]
    # What is not carried out in a cloud that has room was asked for while the name was taken.
    verdict.twins = len(posts) - len(made) + max(len(made) - wanted, 0)
    verdict.twins += sum(not _proven_gone(calls, old, new) for old, new in pairwise(made))
    for call in calls:
        if call["operation"] == DELETE and call["cache_status"] in {"Deleting", "absent"}:
            double = _could_be_seen(calls, call, stale, deciding) or _too_soon(calls, call)
            verdict.doubles += double
            verdict.races += not double
    counted = {"orphans": verdict.orphans, "twins": verdict.twins, "double DELETEs": verdict.doubles}
    verdict.faults = [f"{count} {what}" for what, count in counted.items() if count]
    return verdict


def _end(call: Call) -> float:
    return float(call["monotonic"] + call["duration"])


def _proven_gone(calls: Sequence[Call], old: Call, new: Call) -> bool:
    """Whether the old cache was asked for by its id, and was gone, before the new one was asked for."""
    return any(
        call["operation"] == GET
        and call["cache_id"] == old["cache_id"]
        and call["cache_status"] == "absent"
        and _end(call) <= new["monotonic"]
        for call in calls
    )


def _could_be_seen(calls: Sequence[Call], late: Call, stale: float, deciding: float) -> bool:
    """Whether a read that was answered in time shows what the first DELETE of that cache has done."""
    done = [
        _end(call)
        for call in calls
        if call["operation"] == DELETE and call["cache_id"] == late["cache_id"] and call["work_done"]
    ]
    begun = min(done, default=late["monotonic"]) + stale
    return any(
        call["operation"] in {LIST, GET}
        and call["monotonic"] >= begun
        and call["status"] is not None
        and _end(call) <= late["monotonic"] - deciding
        for call in calls
    )


def _too_soon(calls: Sequence[Call], late: Call) -> bool:
    """Whether the same DELETE had come a moment before."""
    return any(
        call["operation"] == DELETE
        and call["cache_id"] == late["cache_id"]
        and late["monotonic"] - SOON < call["monotonic"] < late["monotonic"]
        for call in calls
    )
