"""The life table: what to do with an object that is not being deleted. First row that fits.

Objects bind to caches that exist; the rows for objects that create belong here, too.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from imagecache_operator.conditions import READY, Reason, Verdict
from imagecache_operator.decision import (
    PATIENCE,
    Action,
    AddFinalizer,
    Confirm,
    Decision,
    Facts,
    Nothing,
    Policy,
    shown,
    sighted,
)
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import (
    Absent,
    Awaited,
    Cache,
    CacheStatus,
    Look,
    Observation,
    Present,
    Trouble,
    Unknown,
    Unlisted,
)
from imagecache_operator.placement import moved
from imagecache_operator.status import ImageCacheStatus

_EXPIRING = frozenset({CacheStatus.AVAILABLE, CacheStatus.UNAVAILABLE, CacheStatus.FAILED})
"""What the cloud may still say of a cache whose retention is over."""


def follow(resource: ImageCache, observation: Observation, facts: Facts, now: datetime, policy: Policy) -> Decision:
    """Decide for an object that lives: show what the cloud says of its cache."""
    if not resource.has_finalizer:
        return Decision(AddFinalizer(), resource.status, in_motion=True)
    if (refusal := _refusal(resource, facts)) is not None:
        return _show(resource, facts, now, refusal)
    match observation:
        case Present():
            status = sighted(resource.status, observation)
            verdict = cache_verdict(observation.cache, now=now, observe_only=resource.spec.observe_only)
            moving = verdict.reason in {Reason.CREATING, Reason.DELETING}
            expires = observation.cache.expires_at
            requeue = (expires - now).total_seconds() if expires is not None and expires > now else None
            return _show(resource, facts, now, verdict, status=status, in_motion=moving, requeue_after=requeue)
        case Absent() | Unlisted():
            status = resource.status.model_copy(update={"cache_status": None, "cache_message": None})
            return _show(resource, facts, now, _absent(resource, now), status=status)
        case Unknown():
            return _unknown(resource, facts, now, policy, observation.trouble)
        case Awaited():
            return _awaited(resource, facts, now, observation.look)
        case _:
            assert_never(observation)


def cache_verdict(cache: Cache, *, now: datetime, observe_only: bool) -> Verdict:
    """What a status word of the cloud means for the object (cce-api section 2)."""
    because = f": {cache.message}" if cache.message else "."
    if cache.expires_at is not None and cache.expires_at <= now and cache.status in _EXPIRING:
        return Verdict(Reason.EXPIRED, f"The cache's retention of {cache.retention_days} days is over.")
    match cache.status:
        case CacheStatus():
            match cache.status:
                case CacheStatus.AVAILABLE:
                    reason = Reason.OBSERVED if observe_only else Reason.AVAILABLE
                    return Verdict(reason, f"Cache {cache.id} can be used by pods.")
                case CacheStatus.CREATING:
                    return Verdict(Reason.CREATING, "The cloud is building the cache.")
                case CacheStatus.DELETING:
                    return Verdict(Reason.DELETING, "The cloud is deleting the cache; this object did not ask for it.")
                case CacheStatus.FAILED:
                    return Verdict(Reason.FAILED, f"The cloud could not build the cache{because}")
                case CacheStatus.UNAVAILABLE:
                    return Verdict(Reason.UNAVAILABLE, f"The cloud says that the cache cannot be used{because}")
                case _:
                    assert_never(cache.status)
        case _:
            return Verdict(Reason.UNKNOWN_STATUS, f"The cloud says {cache.status!r}, a word that is not known here.")


def _refusal(resource: ImageCache, facts: Facts) -> Verdict | None:
    """Why the cloud is not even looked at for this object."""
    if resource.spec.images is not None:
        return Verdict(
            Reason.REQUEST_REJECTED,
            "Creating caches is not in this version; bind to an existing cache with spec.imageCacheID or spec.name.",
        )
    if facts.obstacle is not None:
        return facts.obstacle
    if (conflict := moved(resource.status.seen_by, facts.identity)) is not None:
        return conflict
    if facts.other_holder is not None and not resource.spec.observe_only:
        return Verdict(
            Reason.CONFLICT,
            f"The cache is held by {resource.name_of(facts.other_holder)}; delete one of the two objects, or set "
            "spec.managementPolicy to Observe here.",
        )
    return None


def _absent(resource: ImageCache, now: datetime) -> Verdict:
    status, spec = resource.status, resource.spec
    if status.expires_at is not None and status.expires_at <= now:
        return Verdict(Reason.EXPIRED, "The cache's retention is over, and the cloud has deleted it.")
    cache_id = status.image_cache_id or spec.image_cache_id
    if cache_id is None:
        return Verdict(Reason.NOT_FOUND, f"There is no cache named {spec.name}; bind to one that exists.")
    if status.seen_by is None:
        return Verdict(Reason.NOT_FOUND, f"There is no cache {cache_id}; bind to one that exists.")
    return Verdict(
        Reason.NOT_FOUND, f"Cache {cache_id} has vanished from the cloud; this object stays bound to that id alone."
    )


def _unknown(resource: ImageCache, facts: Facts, now: datetime, policy: Policy, trouble: Trouble) -> Decision:
    verdict = Verdict(Reason(trouble.kind.value), trouble.message, unknown=trouble.passing)
    ready = resource.status.condition(READY)
    remaining = policy.stalled_after - facts.since_good_look
    if trouble.passing and ready is not None and ready.status == "True" and remaining > 0:
        # What was good a moment ago is most likely still good: passing trouble must not flap Ready.
        return Decision(Nothing(), resource.status, requeue_after=remaining)
    return _show(resource, facts, now, verdict)


def _awaited(resource: ImageCache, facts: Facts, now: datetime, look: Look) -> Decision:
    cache_id = resource.status.image_cache_id or resource.spec.image_cache_id
    action: Action = Confirm(cache_id) if look is Look.GET and cache_id is not None else Nothing()
    if resource.status.condition(READY) is not None:
        return Decision(action, resource.status, in_motion=True)
    if facts.waiting < PATIENCE:
        return Decision(action, resource.status, requeue_after=PATIENCE - facts.waiting, in_motion=True)
    verdict = Verdict(Reason.CLOUD_UNAVAILABLE, "The cloud has not answered yet.", unknown=True)
    return _show(resource, facts, now, verdict, action=action, in_motion=True)


def _show(
    resource: ImageCache,
    facts: Facts,
    now: datetime,
    verdict: Verdict,
    *,
    status: ImageCacheStatus | None = None,
    action: Action | None = None,
    in_motion: bool = False,
    requeue_after: float | None = None,
) -> Decision:
    status = resource.status if status is None else status
    return Decision(
        action or Nothing(),
        shown(resource, status, verdict, now, reconcile_handled=facts.reconcile_handled),
        requeue_after=requeue_after,
        in_motion=in_motion,
    )
