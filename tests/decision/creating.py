"""Objects that create, their caches and intents, for the tests of decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.decision.builders import (
    DELETED,
    ID,
    NOW,
    US,
    Case,
    condition,
    present,
    resource,
    rfc,
    seen_by,
)

from imagecache_operator.decision import RequestCreation
from imagecache_operator.desired import Desired, desired, spec_hash
from imagecache_operator.identity import Identity
from imagecache_operator.observation import CacheStatus, Observation, Present, Unlisted
from imagecache_operator.placement import Defaults

CLUSTER = "c271e39f-1a6e-4d3d-8fa8-2a36329c68d2"
SPEC: dict[str, Any] = {"images": ["nginx", "busybox:1.36"]}
OTHER_SPEC = SPEC | {"images": ["nginx:2"]}
FREE = Unlisted(US)
TOLD_ID = "aaaaaaaa-1a6e-4d3d-8fa8-2a36329c68d2"


def hash_of(spec: dict[str, Any]) -> str:
    """What `status.creation.specHash` is for that spec."""
    return spec_hash(resource(spec=spec, status={}))


def intent(
    *, ago: float = 10.0, answer: str | None = None, spec: dict[str, Any] | None = None, failures: int = 0
) -> dict[str, Any]:
    """`status.creation` so many seconds after it was written; without an answer it is open."""
    told = {
        "attemptID": f"0123456789abcdef-{failures}",
        "requestedAt": rfc(NOW - timedelta(seconds=ago)),
        "specHash": hash_of(spec or SPEC),
    }
    return told if answer is None else told | {"answer": answer}


def asked_for(creation: dict[str, Any], *, identity: Identity = US) -> dict[str, Any]:
    """The status after an intent was written, with no cache known."""
    return {
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", "False", "CreateRequested"),
            condition("Reconciling", "True", "CreateRequested"),
        ],
        "name": "web",
        "seenBy": seen_by(identity),
        "creation": creation,
    }


def made(
    creation: dict[str, Any] | None = None,
    *,
    word: str | None = "Available",
    reason: str = "Available",
    deletion: dict[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """The status of an object whose cache is known; `word` None: no look has shown it yet."""
    ready = condition("Ready", "True" if reason == "Available" else "False", reason)
    status: dict[str, Any] = {
        "observedGeneration": 1,
        "conditions": [ready],
        "imageCacheID": ID,
        "name": "web",
        "seenBy": seen_by(),
        "creation": creation or intent(ago=3600.0, answer="Accepted"),
    }
    if word is not None:
        status["cacheStatus"] = word
    if deletion is not None:
        status["deletion"] = deletion
    return status | fields


def built(status: CacheStatus | str = CacheStatus.AVAILABLE, *, identity: Identity = US, **fields: Any) -> Present:
    """The cache that SPEC asks for is there, but for the fields."""
    shown: dict[str, Any] = {
        "images": tuple(SPEC["images"]),
        "size_gib": 20,
        "cluster_id": CLUSTER,
        "created_at": NOW - timedelta(seconds=9),
    }
    return present(status, identity=identity, **(shown | fields))


def creates(
    observation: Observation = FREE,
    *,
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
    now: datetime = NOW,
    **changes: Any,
) -> Case:
    """A live object that creates and may write at once; `spec` is added to SPEC. Nothing was asked for yet."""
    made_of = resource(spec=SPEC | (spec or {}), status=status or {}, **changes)
    creation = made_of.status.creation
    asked = creation.requested_at if creation is not None else None
    told: dict[str, Any] = {
        "desired": desired(made_of, Defaults(cluster_id=CLUSTER)),
        "default_cluster_id": CLUSTER,
        "since_creation": (now - asked).total_seconds() if asked is not None else 0.0,
    }
    deletion = made_of.status.deletion
    if deletion is not None and deletion.requested_at is not None:
        told["since_request"] = (now - deletion.requested_at).total_seconds()
    return Case(made_of, observation, told | (facts or {}), now)


def deleted(observation: Observation = FREE, **changes: Any) -> Case:
    """The same, deleted 20 seconds ago."""
    return creates(observation, **({"deleted": DELETED} | changes))


def then(case: Case, observation: Observation | None = None, **facts: Any) -> Case:
    """The next pass, once the status that was decided on is written."""
    kept = replace(case.resource, status=case.decide().status)
    return replace(case, resource=kept, observation=observation or case.observation, facts=case.facts | facts)


def posted(case: Case) -> Desired:
    """What is asked for; fails where nothing is."""
    action = case.decide().action
    assert isinstance(action, RequestCreation)
    return action.desired
