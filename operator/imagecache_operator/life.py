"""The life of an object that binds: what to show of a cache that exists. First row that fits.

What it shares with objects that create (`creation.py`) is public.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from imagecache_operator.conditions import READY, Reason, Verdict
from imagecache_operator.decision import (
    PATIENCE,
    Action,
    AddFinalizer,
    Confirm,
    Decision,
    Facts,
    Note,
    Nothing,
    Policy,
    shown,
    sighted,
    until_overdue,
    verdict_of,
)
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.model import format_time
from imagecache_operator.names import RECREATE_ANNOTATION
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
from imagecache_operator.placement import absent_elsewhere, moved
from imagecache_operator.status import ImageCacheStatus

EXPIRY_NOTICE = timedelta(hours=24)
"""How long before its end a cache's expiry is announced."""

_EXPIRING = frozenset({CacheStatus.AVAILABLE, CacheStatus.UNAVAILABLE, CacheStatus.FAILED})
"""What the cloud may still say of a cache whose retention is over."""


def follow(resource: ImageCache, observation: Observation, facts: Facts, now: datetime, policy: Policy) -> Decision:
    """Decide for an object that binds and lives: show what the cloud says of its cache."""
    if not resource.has_finalizer:
        return Decision(AddFinalizer(), resource.status, in_motion=True)
    if (refused := refusal(resource, facts)) is not None:
        return show(resource, facts, now, refused)
    match observation:
        case Present():
            return show_cache(resource, observation.cache, facts, now, policy, sighted(resource.status, observation))
        case Absent() | Unlisted():
            seen_by, identity = resource.status.seen_by, observation.identity
            if (unproven := absent_elsewhere(resource.status.image_cache_id, seen_by, identity)) is not None:
                return show(resource, facts, now, unproven)
            status = resource.status.model_copy(update={"cache_status": None, "cache_message": None})
            return show(
                resource, facts, now, absent(resource, now), status=status, requeue_after=until_expiry(status, now)
            )
        case Unknown():
            return unknown(resource, facts, now, policy, observation.trouble)
        case Awaited():
            return awaited(resource, facts, now, observation.look)
        case _:
            assert_never(observation)


def show_cache(
    resource: ImageCache, cache: Cache, facts: Facts, now: datetime, policy: Policy, status: ImageCacheStatus
) -> Decision:
    """Show a cache that is there as the cloud describes it, and announce its end."""
    verdict = cache_verdict(cache, now=now, observe_only=resource.spec.observe_only)
    again: float | None = None
    notes: tuple[Note, ...] = ()
    expires = cache.expires_at
    if verdict.reason is Reason.DELETING:
        again = until_overdue(resource, now, policy)
        if again <= 0:
            verdict, again = Verdict(Reason.DELETE_OVERDUE, verdict.message), None
    elif expires is not None and expires > now:
        again = (expires - EXPIRY_NOTICE - now).total_seconds()
        if again <= 0:
            again = (expires - now).total_seconds()
            verdict, notes = _announced(resource, verdict, f"Its retention ends at {format_time(expires)}.")
    moving = verdict.reason in {Reason.CREATING, Reason.DELETING, Reason.DELETE_OVERDUE}
    decision = show(resource, facts, now, verdict, status=status, in_motion=moving, requeue_after=again)
    return replace(decision, notes=notes)


def _announced(resource: ImageCache, verdict: Verdict, end: str) -> tuple[Verdict, tuple[Note, ...]]:
    """The verdict with the end in it, and the Event that tells it once: the status says whether it was told."""
    ready = resource.status.condition(READY)
    told = ready is not None and end in ready.message
    note = Note(Reason.EXPIRED, end.replace("Its", "The cache's"), warning=True)
    return replace(verdict, message=f"{verdict.message} {end}"), () if told else (note,)


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


def refusal(resource: ImageCache, facts: Facts) -> Verdict | None:
    """Why the cloud is not even looked at for this object."""
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


def until_expiry(status: ImageCacheStatus, now: datetime) -> float | None:
    """Seconds until a cache that is not there would have expired, which is told then; None when it has, or never."""
    expires = status.expires_at
    return (expires - now).total_seconds() if expires is not None and expires > now else None


def absent(resource: ImageCache, now: datetime) -> Verdict:
    """What to say of a cache that is not there."""
    status, spec = resource.status, resource.spec
    if status.expires_at is not None and status.expires_at <= now:
        return Verdict(Reason.EXPIRED, "The cache's retention is over, and the cloud has deleted it.")
    cache_id = resource.cache_id
    if cache_id is None:
        return Verdict(Reason.NOT_FOUND, f"There is no cache named {spec.name}; bind to one that exists.")
    if status.seen_by is None:
        return Verdict(Reason.NOT_FOUND, f"There is no cache {cache_id}; bind to one that exists.")
    if resource.creates:
        anew = f"with NotFound in spec.recreateOn, or with the annotation {RECREATE_ANNOTATION}"
        if spec.observe_only:
            anew = "when spec.managementPolicy is Manage, " + anew
        message = f"Cache {cache_id} is not in the cloud any more; it is created anew {anew}."
        return Verdict(Reason.NOT_FOUND, message)
    return Verdict(
        Reason.NOT_FOUND, f"Cache {cache_id} is not in the cloud any more; this object stays bound to that id alone."
    )


def unknown(resource: ImageCache, facts: Facts, now: datetime, policy: Policy, trouble: Trouble) -> Decision:
    """Show that the cloud could not be looked at; passing trouble lets a True Ready be for a while."""
    verdict = verdict_of(trouble, unknown=trouble.passing)
    ready = resource.status.condition(READY)
    remaining = policy.stalled_after - facts.since_good_look
    if trouble.passing and ready is not None and ready.status == "True" and remaining > 0:
        # What was good a moment ago is most likely still good: passing trouble must not flap Ready.
        return Decision(Nothing(), resource.status, requeue_after=remaining)
    return show(resource, facts, now, verdict)


def awaited(resource: ImageCache, facts: Facts, now: datetime, look: Look) -> Decision:
    """Wait for a look; a status that was shown before stays."""
    cache_id = resource.cache_id
    action: Action = Confirm(cache_id) if look is Look.GET and cache_id is not None else Nothing()
    if resource.status.condition(READY) is not None:
        return Decision(action, resource.status, in_motion=True)
    if facts.waiting < PATIENCE:
        return Decision(action, resource.status, requeue_after=PATIENCE - facts.waiting, in_motion=True)
    verdict = Verdict(Reason.CLOUD_UNAVAILABLE, "The cloud has not answered yet.", unknown=True)
    return show(resource, facts, now, verdict, action=action, in_motion=True)


def show(
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
    """The decision that shows a verdict, and does no more unless an action is given."""
    status = resource.status if status is None else status
    return Decision(
        action or Nothing(),
        shown(resource, status, verdict, now, reconcile_handled=facts.reconcile_handled),
        requeue_after=requeue_after,
        in_motion=in_motion,
    )
