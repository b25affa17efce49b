"""Generated inputs of decisions about objects that create: sensible and odd ones alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from tests.decision.builders import (
    CREATED,
    ELSEWHERE,
    ID,
    NOW,
    ROTATED,
    STRANGER,
    US,
    Case,
    body,
    condition,
    rfc,
    seen_by,
)
from tests.decision.creating import CLUSTER, OTHER_SPEC, SPEC, TOLD_ID, hash_of
from tests.decision.generated import (
    ANSWERS,
    REASONS,
    SECONDS,
    STATUSES,
    TROUBLES,
    WORDS,
    deletions,
)

from imagecache_operator.answers import Created, Lost, NotCreated, NotDone, Refusal
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Crd, Policy, Room
from imagecache_operator.desired import desired
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import Absent, Awaited, Cache, Look, Present, Unknown, Unlisted
from imagecache_operator.placement import Defaults

USUALLY = st.sampled_from([True] * 7 + [False])
KEYS = st.sampled_from([Key("team-a", "old"), Key("team-b", "old")])
SPECS = st.sampled_from([SPEC, SPEC, SPEC, OTHER_SPEC])
WHO = st.sampled_from([US, US, US, US, ROTATED, STRANGER])
CREATE_ANSWERS = st.one_of(
    st.none(),
    st.none(),
    st.sampled_from([Created(TOLD_ID), Created(None), Lost("cut")]),
    st.builds(NotCreated, st.sampled_from(Refusal), WORDS),
    st.builds(NotDone, TROUBLES),
)
MADE = st.sampled_from([NOW - timedelta(seconds=ago) for ago in (0.0, 9.0, 3600.0, 86400.0 * 8)])
CACHES = st.builds(
    Cache,
    id=st.just(ID),
    name=st.just("web"),
    status=STATUSES,
    message=WORDS,
    created_at=st.none() | MADE,
    retention_days=st.sampled_from([0, 0, 0, 7]),
    size_gib=st.sampled_from([20, 20, 20, 40]),
    images=st.sampled_from([tuple(SPEC["images"]), tuple(SPEC["images"]), tuple(OTHER_SPEC["images"]), ()]),
    cluster_id=st.sampled_from([CLUSTER, CLUSTER, CLUSTER, None]),
)


SINCE = st.sampled_from([0.0, 30.0, 119.9, 120.0, 300.0, 900.0, 1e6])
ODD: dict[str, st.SearchStrategy[Any]] = {
    "identity": st.sampled_from([None, replace(US, location=ELSEWHERE)]),
    "obstacle": st.builds(Verdict, st.just(Reason.NOT_ALLOWED), WORDS),
    "other_holder": KEYS,
    "name_holder": KEYS,
    "crd": st.sampled_from(Crd),
    "slot_granted": st.just(False),
    "write_trouble": TROUBLES,
    "in_flight": st.just(True),
    "desired": st.just(Verdict(Reason.REQUEST_REJECTED, "no")),
    "creating": st.just(True),
    "room": st.just(Room(50, 50, free=False)),
}


@st.composite
def intents(draw: st.DrawFn) -> dict[str, Any]:
    """`status.creation`, open or closed."""
    told = {
        "attemptID": draw(st.sampled_from(["abc-0", "abc-1", "abc-2", "abc-3", "", "x-y"])),
        "requestedAt": rfc(draw(MADE)),
        "specHash": hash_of(draw(SPECS)),
    }
    answer = draw(st.sampled_from([None, "Lost", "Refused", "Accepted", "Accepted", "Accepted"]))
    return told if answer is None else told | {"answer": answer}


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Any]:
    """A status: nothing asked for; asked for; a cache known; in the middle of a replacement."""
    status: dict[str, Any] = {}
    if draw(st.booleans()):
        reason, ready = draw(REASONS), draw(st.sampled_from(["True", "False", "False", "Unknown"]))
        status |= {"observedGeneration": 1, "conditions": [condition("Ready", ready, reason)]}
    if draw(USUALLY):
        status |= {"creation": draw(intents()), "name": "web", "seenBy": seen_by(draw(WHO))}
        if status["creation"].get("answer") == "Accepted" and draw(USUALLY):
            status["imageCacheID"] = ID
            if draw(USUALLY):
                status["cacheStatus"] = draw(STATUSES)
            status["deletion"] = draw(st.none() | deletions())
        for name in ("createdAt", "expiresAt"):
            if draw(st.booleans()):
                status[name] = rfc(draw(MADE))
    if draw(st.booleans()):
        status["lastHandledRecreateAt"] = draw(st.sampled_from(["one", "two"]))
    return status


@st.composite
def creating_cases(draw: st.DrawFn, *, deleted: bool | None = None) -> Case:
    """All that goes into a decision about an object that creates; `deleted` None: either."""
    spec = draw(SPECS) | {
        "recreateOn": draw(st.sets(st.sampled_from(["SpecChanged", "Failed", "Expired", "NotFound"])))
    }
    spec["recreateOn"] = sorted(spec["recreateOn"])
    spec |= draw(st.sampled_from([{}, {}, {}, {}, {"deletionPolicy": "Retain"}, {"managementPolicy": "Observe"}]))
    spec |= draw(st.sampled_from([{}, {"adoptionPolicy": "IfIdentical"}]))
    finalizing = draw(st.booleans()) if deleted is None else deleted
    status = draw(statuses())
    resource = ImageCache.parse(
        body(
            spec=spec,
            status=status,
            deleted=draw(MADE) if finalizing else None,
            finalizers=[FINALIZER] if draw(USUALLY) else [],
            created=CREATED,
            recreate=draw(st.sampled_from([None, None, "one", "two"])),
        )
    )
    identity = draw(WHO)
    unanswered = resource.status.creation is not None and resource.status.creation.answer is None
    facts: dict[str, Any] = {
        "identity": identity,
        "crd": Crd.ALIVE,
        "slot_granted": True,
        "desired": desired(resource, Defaults(cluster_id=CLUSTER)),
        "default_cluster_id": CLUSTER,
        "answer": draw(ANSWERS),
        "create_answer": draw(CREATE_ANSWERS) if unanswered else None,
        "in_flight": False,
        "creating": False,
        "since_creation": draw(SINCE),
        "since_request": draw(SECONDS),
        "since_good_look": draw(SECONDS),
        "waiting": draw(SECONDS),
        "reconcile_handled": draw(st.booleans()),
    }
    for odd in draw(st.sampled_from([*[()] * 15, *((name,) for name in ODD), ("creating", "other_holder")])):
        facts[odd] = draw(ODD[odd])
    facts["creating"] = facts["creating"] and unanswered
    if facts["creating"]:
        facts["create_answer"] = None
    there = st.builds(Present, CACHES, st.just(identity), st.just(1.0))
    looks: list[st.SearchStrategy[Any]] = [
        there,
        there,
        there,
        st.builds(Unknown, TROUBLES),
        st.just(Awaited(Look.LIST)),
    ]
    known = resource.status.image_cache_id is not None
    if known:
        looks += [*[st.just(Absent(identity))] * 3, st.just(Awaited(Look.GET))]
    else:
        looks += [st.just(Unlisted(identity))] * 3
    policy = draw(st.sampled_from([Policy(), Policy(), Policy(1e6, 1e6)]))
    # Not one_of, which counts each of them once.
    return Case(resource, draw(draw(st.sampled_from(looks))), facts, NOW, policy)
