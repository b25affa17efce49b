"""What must not have happened in a soak, told name by name from the clouds' own log, by the judge of the matrix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from imagecache_chaos.judge import Call, Verdict, judge
from imagecache_chaos.weather import DELETE, GET, LIST, POST

DECIDING = 1.0
"""Seconds from a look to the DELETE that follows from it, on a machine that is busy with restarts."""

TRUE_ANSWERS = frozenset({200, 404})


@dataclass(frozen=True)
class Known:
    """A cache that was seen in the cloud."""

    name: str
    project: str


def verdict(
    calls: Sequence[Call], known: Mapping[str, Known], wanted: Mapping[str, int], orphans: Collection[str]
) -> Verdict:
    """Judge a soak.

    Args:
        calls: all that came to the cloud.
        known: the caches that ever were, by id.
        wanted: how many caches an operator was to make at most, by name.
        orphans: ids of caches that are left, and nobody wants.
    """
    whole = Verdict(orphans=len(orphans), faults=[f"{known[each].name}: cache {each} is an orphan" for each in orphans])
    if taken := sum(_refused_as_taken(call) for call in calls):
        whole.twins = taken
        whole.faults.append(f"{taken} POSTs for a name that was taken")
    reads: dict[str | None, list[Call]] = defaultdict(list)
    of_cache: dict[str | None, list[Call]] = defaultdict(list)
    for call in calls:
        if call["operation"] == LIST and _told_the_truth(call):
            reads[call["project"]].append(call)
        elif call["operation"] in {POST, DELETE} or (call["operation"] == GET and _told_the_truth(call)):
            of_cache[call["cache_id"]].append(call)
    ids: dict[Known, list[str]] = defaultdict(list)
    for cache_id, cache in known.items():
        ids[cache].append(cache_id)
    for cache, own in ids.items():
        about = [*reads[cache.project], *(call for cache_id in own for call in of_cache[cache_id])]
        about.sort(key=lambda call: float(call["monotonic"]))
        found = judge(about, {}, 0.0, wanted=wanted.get(cache.name, 0), deciding=DECIDING)
        whole.twins += found.twins
        whole.doubles += found.doubles
        whole.races += found.races
        whole.faults += [f"{cache.name}: {fault}" for fault in found.faults]
    return whole


def _told_the_truth(call: Call) -> bool:
    """Whether the answer shows how things stood when the call came, and was given to the end."""
    if call["operation"] == GET and call["cache_status"] == "absent" and call["fault"] == "stale_reads":
        # What was gone a while ago is gone.
        return bool(call["status"] == 404)
    return call["status"] in TRUE_ANSWERS and call["fault"] in {None, "slow"}


def _refused_as_taken(call: Call) -> bool:
    """Whether a POST was refused because a cache of that name is there: no object's name is used twice."""
    return call["operation"] == POST and not call["work_done"] and call["status"] == 409
