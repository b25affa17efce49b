"""Generated inputs of decisions: objects, observations and facts, sensible and odd ones alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.decision.builders import (
    CREATED,
    ELSEWHERE,
    ID,
    NOW,
    ROTATED,
    STRANGER,
    UNTOLD,
    UNTOLD_ROTATED,
    US,
    Case,
    body,
    condition,
    rfc,
    seen_by,
)

from imagecache_operator.answers import Accepted, Gone, Lost, NotDone, Refused
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Crd, Policy
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import (
    Absent,
    Awaited,
    Cache,
    CacheStatus,
    Look,
    Present,
    Trouble,
    TroubleKind,
    Unknown,
    Unlisted,
)
from imagecache_operator.status import DeletionAnswer


class _AllReachedError(Exception):
    """There is nothing more to look for."""


def reached(
    generated: st.SearchStrategy[Case], told_by: Callable[[Case], set[object]], wanted: set[object]
) -> set[object]:
    """What is told by generated cases, of which there are no more than it takes to have all that is wanted."""
    found: set[object] = set()

    @settings(
        max_examples=4000,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(generated)
    def collect(case: Case) -> None:
        found.update(told_by(case))
        if found >= wanted:
            raise _AllReachedError

    with suppress(_AllReachedError):
        collect()
    return found


def mostly(usual: st.SearchStrategy[Any], odd: Any) -> st.SearchStrategy[Any]:
    """The usual, and once in a while the odd one."""
    return st.integers(0, 7).flatmap(lambda n: usual if n else st.just(odd))


def seldom(odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """None, and once in a while something."""
    return st.integers(0, 7).flatmap(lambda n: st.none() if n else odd)


IDENTITIES = st.sampled_from(
    [US, US, US, US, ROTATED, STRANGER, UNTOLD, UNTOLD_ROTATED, replace(US, location=ELSEWHERE)]
)
MOMENTS = st.builds(
    lambda seconds: NOW + timedelta(seconds=seconds),
    st.sampled_from([-86400.0, -3600.0, -1800.0, -600.0, -60.0, -1.5, 0.0, 30.0, 3600.0]) | st.floats(-9999, 9999),
)
SECONDS = st.sampled_from([0.0, 0.5, 2.0, 59.9, 60.0, 600.0, 1800.0, 1e6]) | st.floats(0, 5000)
# What the reader of the cloud's answers lets through: one line, at most 1 KiB, of which sentences are made.
WORDS = st.sampled_from(["", "in use.", "refused: twice", "x" * 1024, "gone"]) | st.text(max_size=20)
STATUSES: st.SearchStrategy[CacheStatus | str] = st.sampled_from([*CacheStatus, "Frozen", "deleting", "?", "x" * 64])
TROUBLES = st.builds(Trouble, st.sampled_from(TroubleKind), WORDS, st.none() | st.sampled_from([0.0, 1.5, 3600.0]))
CACHES = st.builds(
    Cache,
    id=st.just(ID),
    name=st.sampled_from(["", "web", "w" * 128]),
    status=STATUSES,
    message=WORDS,
    created_at=st.none() | MOMENTS,
    retention_days=st.sampled_from([0, 1, 7, 10000]),
)
REQUEST_IDS = st.sampled_from([None, "req-1", "r" * 128])
ANSWERS = st.one_of(
    st.none(),
    st.builds(Accepted, MOMENTS, REQUEST_IDS),
    st.builds(Gone, WORDS, REQUEST_IDS),
    st.builds(Refused, WORDS, REQUEST_IDS),
    st.builds(Lost, WORDS, REQUEST_IDS),
    st.builds(NotDone, TROUBLES, REQUEST_IDS),
)
BINDINGS = [{"imageCacheID": ID}, {"imageCacheID": ID}, {"imageCacheID": ID}, {"name": "web"}, {"images": ["nginx"]}]
REASONS = st.sampled_from([reason.value for reason in Reason])


@st.composite
def deletions(draw: st.DrawFn) -> dict[str, Any]:
    """`status.deletion`, also with parts missing, but with a count where a request was written."""
    told: dict[str, Any] = {"attempts": draw(st.integers(0, 7))}
    if draw(st.booleans()):
        told["requestedAt"] = rfc(draw(MOMENTS))
        told["attempts"] += 1
    for name in ("acceptedAt", "seenDeletingAt"):
        if draw(st.booleans()):
            told[name] = rfc(draw(MOMENTS))
    if draw(st.booleans()):
        told["answer"] = draw(st.sampled_from(DeletionAnswer)).value
    if draw(st.booleans()):
        told["lastError"] = draw(st.sampled_from(["locked", "already gone: x", "no usable answer: y", "z"]))
    return told


@st.composite
def statuses(draw: st.DrawFn, *, bound: bool) -> dict[str, Any]:
    """A status: empty, shown without a sighting, or pinned by one."""
    status: dict[str, Any] = {}
    if draw(st.booleans()):
        reason, ready = draw(REASONS), draw(st.sampled_from(["True", "False", "Unknown"]))
        status |= {"observedGeneration": 1, "conditions": [condition("Ready", ready, reason)]}
        if kind := draw(st.sampled_from([None, "Reconciling", "Stalled"])):
            status["conditions"].append(condition(kind, "True", reason))
    if bound and draw(st.booleans()):
        status |= {"imageCacheID": ID, "seenBy": seen_by(draw(IDENTITIES)), "cacheStatus": draw(STATUSES)}
        if draw(st.booleans()):
            status["expiresAt"] = rfc(draw(MOMENTS))
    if draw(st.booleans()):
        status["deletion"] = draw(deletions())
    return status


@st.composite
def bodies(draw: st.DrawFn, *, finalizing: bool) -> dict[str, Any]:
    """An object: bound by id or by name, or one that creates; live or deleted; held by us or not."""
    spec: dict[str, Any] = dict(draw(st.sampled_from(BINDINGS)))
    spec |= draw(seldom(st.sampled_from([{"deletionPolicy": "Retain"}, {"managementPolicy": "Observe"}]))) or {}
    return body(
        spec=spec,
        status=draw(statuses(bound="images" not in spec)),
        deleted=draw(MOMENTS if finalizing else st.none() | MOMENTS),
        finalizers=draw(st.sampled_from([[FINALIZER], ["a/x", FINALIZER], *([] if finalizing else [["a/x"], []])])),
        created=CREATED,
        reconcile=draw(st.sampled_from([None, "now", "n" * 256])),
    )


FACTS = st.fixed_dictionaries(
    {
        "slot_granted": st.sampled_from([True, True, False]),
        "write_trouble": seldom(TROUBLES),
        "answer": ANSWERS,
        "in_flight": mostly(st.just(False), True),
        "since_request": SECONDS,
        "since_good_look": SECONDS,
        "waiting": SECONDS,
        "reconcile_handled": st.booleans(),
    }
)
CALM = st.fixed_dictionaries({"identity": st.just(US), "crd": st.just(Crd.ALIVE)})
DISTURBED = st.fixed_dictionaries(
    {
        "identity": mostly(IDENTITIES, None),
        "obstacle": seldom(st.builds(Verdict, st.just(Reason.NOT_ALLOWED), WORDS)),
        "other_holder": seldom(st.sampled_from([Key("team-a", "old"), Key("team-b", "old")])),
        "crd": st.sampled_from(Crd),
    }
)


US_ELSEWHERE = replace(US, location=ELSEWHERE)
ONE_FAULT = st.fixed_dictionaries(
    {
        "identity": mostly(st.just(US), US_ELSEWHERE),
        "obstacle": seldom(st.builds(Verdict, st.just(Reason.NOT_ALLOWED), WORDS)),
        "other_holder": seldom(st.just(Key("team-a", "old"))),
        "crd": mostly(st.just(Crd.ALIVE), Crd.UNREAD),
        "slot_granted": mostly(st.just(True), False),
    }
)


@st.composite
def cases(draw: st.DrawFn, *, finalizing: bool = False) -> Case:
    """All that goes into a decision. Who observes is who looks now; there is no proof about an unknown id."""
    facts: dict[str, Any] = draw(FACTS) | draw(CALM | DISTURBED)
    made = draw(bodies(finalizing=finalizing))
    known = "imageCacheID" in made["spec"] or "imageCacheID" in made["status"]
    looks: list[st.SearchStrategy[Any]] = [
        st.builds(Unknown, TROUBLES),
        st.builds(Awaited, st.sampled_from(Look) if known else st.just(Look.LIST)),
    ]
    identity: Any = facts["identity"]
    if identity is not None and "images" not in made["spec"]:
        there = st.builds(Present, CACHES, st.just(identity), st.just(1.0))
        looks += [there, there, st.just(Absent(identity) if known else Unlisted(identity))]
    policy = draw(st.sampled_from([Policy(), Policy(), Policy(0.1, 0.1), Policy(1e6, 1e6)]))
    # Not one_of, which counts each of them once.
    return Case(ImageCache.parse(made), draw(draw(st.sampled_from(looks))), facts, draw(MOMENTS), policy)


@st.composite
def near_misses(draw: st.DrawFn) -> Case:
    """A deletion whose cache is there or proven absent, and that is rarely held up by anything."""
    facts: dict[str, Any] = draw(FACTS) | draw(ONE_FAULT)
    status = {"imageCacheID": ID, "seenBy": seen_by(draw(IDENTITIES)), "cacheStatus": "Available"}
    if draw(st.booleans()):
        status["deletion"] = draw(deletions())
    spec = {"imageCacheID": ID} | (draw(seldom(st.just({"deletionPolicy": "Retain"}))) or {})
    made = body(spec=spec, status=status, deleted=NOW, created=CREATED)
    there = st.builds(Present, CACHES, st.just(facts["identity"]), st.just(1.0))
    return Case(ImageCache.parse(made), draw(there | st.just(Absent(facts["identity"]))), facts)
