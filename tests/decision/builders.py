"""Objects, observations and facts for the tests of decisions: the ordinary case, with what a test names changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from imagecache_operator.decide import decide
from imagecache_operator.decision import Crd, Decision, Facts, Policy
from imagecache_operator.identity import Identity, Location
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.names import FINALIZER, RECONCILE_ANNOTATION, RECREATE_ANNOTATION
from imagecache_operator.observation import (
    Absent,
    Awaited,
    Cache,
    CacheStatus,
    Look,
    Observation,
    Present,
    Trouble,
    TroubleKind,
    Unknown,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CREATED = NOW - timedelta(days=1)
DELETED = NOW - timedelta(seconds=20)

ID = "c271e39e-1a6e-4d3d-8fa8-2a36329c68d2"
PROJECT = "0123456789abcdef0123456789abcdef"
HERE = Location("https://cce.eu-west-101.myhuaweicloud.eu", "eu-west-101", PROJECT)
ELSEWHERE = Location("https://cce.cn-north-4.myhuaweicloud.com", "cn-north-4", PROJECT)
US = Identity(HERE, "account-1", "key-aaaa")
ROTATED = Identity(HERE, "account-1", "key-bbbb")
STRANGER = Identity(HERE, "account-2", "key-cccc")
UNTOLD = Identity(HERE, None, "key-aaaa")
UNTOLD_ROTATED = Identity(HERE, None, "key-bbbb")

POLICY = Policy(stalled_after=1800.0, delete_retry_after=60.0)
LATE = DELETED + timedelta(seconds=1800)
"""When a deletion has taken too long."""

NOTHING_YET: dict[str, Any] = {}
"""The status of an object at which nobody has looked."""

READY_TO_WRITE = Facts(identity=US, crd=Crd.ALIVE, slot_granted=True, waiting=20.0)

OR_RETAIN = " Or set spec.deletionPolicy to Retain to let go of this object."
"""What a deletion that waits for a person says at the end."""

PASSING = (TroubleKind.THROTTLED, TroubleKind.CLOUD_UNAVAILABLE, TroubleKind.NAME_LINGERS)
"""Trouble for which nobody need act."""

LIST_AWAITED = Awaited(Look.LIST)
GET_AWAITED = Awaited(Look.GET)


def rfc(moment: datetime) -> str:
    """As the API server writes times."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def seen_by(identity: Identity = US) -> dict[str, Any]:
    """`status.seenBy` of that identity."""
    shown: dict[str, Any] = {
        "endpoint": identity.location.endpoint,
        "region": identity.location.region,
        "projectID": identity.location.project_id,
        "credential": identity.credential,
    }
    if identity.account_id is not None:
        shown["accountID"] = identity.account_id
    return shown


def condition(kind: str, status: str, reason: str, *, since: datetime = CREATED, message: str = "m") -> dict[str, Any]:
    """One condition as the API server holds it."""
    return {
        "type": kind,
        "status": status,
        "observedGeneration": 1,
        "lastTransitionTime": rfc(since),
        "reason": reason,
        "message": message,
    }


def ready_status(reason: str = "Available", *, ready: str = "True", identity: Identity | None = US) -> dict[str, Any]:
    """The status of an object whose cache was seen and shown."""
    status: dict[str, Any] = {"observedGeneration": 1, "conditions": [condition("Ready", ready, reason)]}
    if identity is not None:
        status |= {"imageCacheID": ID, "name": "web", "seenBy": seen_by(identity), "cacheStatus": "Available"}
    return status


def body(
    *,
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    deleted: datetime | None = None,
    finalizers: list[str] | None = None,
    name: str = "web",
    namespace: str = "team-a",
    uid: str = "uid-1",
    created: datetime = CREATED,
    version: str = "7",
    reconcile: str | None = None,
    recreate: str | None = None,
) -> dict[str, Any]:
    """An object as the API server hands it out."""
    meta: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "uid": uid,
        "resourceVersion": version,
        "generation": 2,
        "creationTimestamp": rfc(created),
        "finalizers": [FINALIZER] if finalizers is None else finalizers,
    }
    if deleted is not None:
        meta["deletionTimestamp"] = rfc(deleted)
    asked_for = {RECONCILE_ANNOTATION: reconcile, RECREATE_ANNOTATION: recreate}
    if annotations := {name: value for name, value in asked_for.items() if value is not None}:
        meta["annotations"] = annotations
    return {
        "apiVersion": "cce.huaweicloud.com/v1alpha1",
        "kind": "ImageCache",
        "metadata": meta,
        "spec": {"imageCacheID": ID} if spec is None else spec,
        "status": ready_status() if status is None else status,
    }


def resource(**changes: Any) -> ImageCache:
    """A live object that is bound by id and was seen Available, unless told otherwise."""
    return ImageCache.parse(body(**changes))


def deleting(**changes: Any) -> ImageCache:
    """The same, deleted 20 seconds ago."""
    return resource(**({"deleted": DELETED} | changes))


def asked(
    *,
    ago: float = 10.0,
    attempts: int = 1,
    accepted: bool = False,
    seen: bool = False,
    answer: str | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """`status.deletion` after a DELETE so many seconds ago."""
    moment = NOW - timedelta(seconds=ago)
    deletion: dict[str, Any] = {"requestedAt": rfc(moment), "attempts": attempts}
    if accepted:
        deletion |= {"answer": "Accepted", "acceptedAt": rfc(moment + timedelta(seconds=1))}
    if seen:
        deletion["seenDeletingAt"] = rfc(moment + timedelta(seconds=2))
    if answer is not None:
        deletion["answer"] = answer
    if error is not None:
        deletion["lastError"] = error
    return deletion


def requested(
    deletion: dict[str, Any],
    *,
    reason: str = "DeleteRequested",
    identity: Identity | None = US,
    **changes: Any,
) -> ImageCache:
    """An object in deletion whose DELETE was sent."""
    status = ready_status(reason, ready="False", identity=identity)
    status["conditions"].append(condition("Reconciling", "True", reason))
    return deleting(status=status | {"deletion": deletion}, **changes)


def present(status: CacheStatus | str = CacheStatus.AVAILABLE, *, identity: Identity = US, **cache: Any) -> Present:
    """The cache is there, in that status."""
    return Present(Cache(**({"id": ID, "name": "web", "status": status} | cache)), identity, begun=100.0)


DELETING = present(CacheStatus.DELETING)
NOT_DELETING: list[CacheStatus | str] = [
    CacheStatus.AVAILABLE,
    CacheStatus.CREATING,
    CacheStatus.UNAVAILABLE,
    CacheStatus.FAILED,
    "Frozen",
    "deleting",
    "Deleted",
    "NotFound",
    "?",
]


def absent(identity: Identity = US) -> Absent:
    """Proven absent to that identity."""
    return Absent(identity)


def trouble(kind: TroubleKind, message: str = "what the cloud said") -> Unknown:
    """The newest look failed."""
    return Unknown(Trouble(kind, message))


@dataclass(frozen=True)
class Case:
    """What goes into a decision; `facts` are changes to those of an object that may write at once."""

    resource: ImageCache = field(default_factory=deleting)
    observation: Observation = field(default_factory=present)
    facts: dict[str, Any] = field(default_factory=dict)
    now: datetime = NOW
    policy: Policy = POLICY

    def decide(self) -> Decision:
        """Ask the table."""
        return decide(self.resource, self.observation, replace(READY_TO_WRITE, **self.facts), self.now, self.policy)


def conditions(decision: Decision) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition that the decision shows."""
    return {shown.type: (shown.status, shown.reason) for shown in decision.status.conditions}


def message(decision: Decision) -> str:
    """The sentence of the Ready condition."""
    ready = decision.status.condition("Ready")
    assert ready is not None
    return ready.message


def says(reason: str, *, stalled: bool = False, ready: str = "False") -> dict[str, tuple[str, str]]:
    """The conditions that tell a reason that is not a good end."""
    return {"Ready": (ready, reason), "Stalled" if stalled else "Reconciling": ("True", reason)}


def after(resource: ImageCache, decision: Decision) -> ImageCache:
    """The object as it is once the decision's status is written."""
    return replace(resource, status=decision.status)
