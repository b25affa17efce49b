"""What all tables are made of: the inputs of one decision, and how a row shows what it found.

The tables are in `deletion.py` (objects with a deletionTimestamp), `creation.py` and `life.py` (all others);
`decide.py` chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from imagecache_operator.conditions import READY, RECONCILING, Reason, Verdict, conditions_for
from imagecache_operator.decision import Action, Decision, Facts, Note, Nothing, Policy
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import Present, Trouble
from imagecache_operator.status import Condition, ImageCacheStatus

WAITING_FOR_SLOT = "Waiting for a write slot: the cloud allows few writes a minute."

_REMOVING = frozenset(
    {
        Reason.DELETING,
        Reason.DELETE_REQUESTED,
        Reason.DELETE_REFUSED,
        Reason.DELETE_REVERTED,
        Reason.DELETE_OVERDUE,
        Reason.RECREATING,
        Reason.THROTTLED,
        Reason.CLOUD_UNAVAILABLE,
    }
)
"""What an object shows while its cache is being removed."""


@dataclass(frozen=True, slots=True)
class Table:
    """One look down a table; its methods are the rows.

    Attributes:
        resource: the object.
        facts: what is known beside it.
        now: the time.
        policy: settings.
        status: the object's, with what was just answered in it.
    """

    resource: ImageCache
    facts: Facts
    now: datetime
    policy: Policy
    status: ImageCacheStatus

    @property
    def cache_id(self) -> str | None:
        """The cache that the object stands for, None while it is not known."""
        return self.status.image_cache_id or self.resource.spec.image_cache_id

    @property
    def ready(self) -> Condition | None:
        """The condition Ready that the object shows, None before the first."""
        return self.resource.status.condition(READY)

    def tells(self, *reasons: Reason) -> bool:
        """Whether the object shows one of these reasons."""
        return self.ready is not None and self.ready.reason in reasons

    @property
    def removing_for(self) -> float:
        """Seconds for which the object has shown that its cache is being removed.

        It tells when a removal began that this object's deletion did not begin: nothing was asked that would tell.
        """
        if not self.tells(*_REMOVING):
            return 0.0
        going_on = self.resource.status.condition(RECONCILING)
        if going_on is None or going_on.last_transition_time is None:
            return self.policy.stalled_after  # it had taken too long before
        return (self.now - going_on.last_transition_time).total_seconds()

    def show(
        self,
        verdict: Verdict,
        *,
        status: ImageCacheStatus | None = None,
        action: Action | None = None,
        requeue_after: float | None = None,
        in_motion: bool = False,
        notes: tuple[Note, ...] = (),
    ) -> Decision:
        """The decision that shows a verdict, about the object's generation, and does no more unless an action is given.

        `status` may have what a look showed in it, beside what was just answered.
        """
        resource, status = self.resource, self.status if status is None else status
        handled = resource.reconcile_requested if self.facts.reconcile_handled else status.last_handled_reconcile_at
        told = conditions_for(verdict, former=resource.status.conditions, generation=resource.generation, now=self.now)
        update = {
            "observed_generation": resource.generation,
            "conditions": told,
            "last_handled_reconcile_at": handled,
        }
        return Decision(action or Nothing(), status.model_copy(update=update), requeue_after, in_motion, notes)


def verdict_of(trouble: Trouble, *, unknown: bool = False) -> Verdict:
    """What to tell of a call that brought no usable answer; the kinds of trouble are reasons."""
    return Verdict(Reason(trouble.kind.value), trouble.message, unknown=unknown)


def sighted(status: ImageCacheStatus, present: Present) -> ImageCacheStatus:
    """The status with what a look showed of the cache; the id is pinned by it."""
    cache = present.cache
    return status.model_copy(
        update={
            "image_cache_id": cache.id,
            "name": cache.name or None,
            "seen_by": present.identity.to_status(status.seen_by),
            "cache_status": str(cache.status),
            "cache_message": cache.message or None,
            "created_at": cache.created_at,
            "expires_at": cache.expires_at,
        }
    )
