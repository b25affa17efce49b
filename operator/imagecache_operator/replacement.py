"""The life of an object whose cache is there, or was: follow it, and replace it where that is allowed.

A replacement is a deletion up to its proof, by the rows of `removal.py`; then a creation like any other. A change of
mind in between is decided anew from what is true then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Crd, Decision, Nothing, RequestDeletion
from imagecache_operator.intent import ABSENCE_COUNTS_AFTER, closed, failures_of, with_failure
from imagecache_operator.life import Life
from imagecache_operator.observation import (
    Absent,
    Awaited,
    Cache,
    CacheStatus,
    Observation,
    Present,
    Unknown,
    Unlisted,
)
from imagecache_operator.placement import absent_elsewhere
from imagecache_operator.removal import RemovalTable, retry_pause
from imagecache_operator.spec import RecreateOn
from imagecache_operator.status import CreationAnswer, ImageCacheStatus
from imagecache_operator.table import sighted, verdict_of

FAILED_PAUSES = (60.0, 300.0, 900.0)
"""Seconds after which a cache that the cloud failed to build is replaced, counted from when it was asked for; after
that many it is left as it is."""


@dataclass(frozen=True, slots=True)
class ReplacementTable(Life):
    """The rows for an object that creates and lives, and has a cache."""

    def decide(self, observation: Observation) -> Decision:
        """First row that fits."""
        match observation:
            case Present():
                return self._present(observation)
            case Absent():
                return self._absent(observation)
            case Unknown():
                return self.unknown(observation.trouble)
            case Awaited():
                return self.awaited(observation.look)
            case Unlisted():
                return Decision(Nothing(), self.resource.status)
            case _:
                assert_never(observation)

    def _present(self, present: Present) -> Decision:
        cache, status = present.cache, sighted(self.status, present)
        if status.creation is not None and status.creation.open:
            status = closed(status, CreationAnswer.ACCEPTED)
        why = self._why_replace(cache)
        if why is not None:
            if not self._asked_to_go and (obstacle := self._obstacle()) is not None:
                # A cache that could not be built anew is not given up.
                return self.show(obstacle, status=status)
            return self._replace(present, status, why)
        if status.deletion is not None:
            return self._changed_mind(cache, status)
        decision = self.show_cache(cache, status)
        if (again := self._until_replaced(cache)) is not None:
            return replace(decision, requeue_after=min(again, decision.requeue_after or again))
        return decision

    def _replace(self, present: Present, status: ImageCacheStatus, why: str) -> Decision:
        # The CRD says nothing here: while it is being deleted, every object has a deletionTimestamp.
        facts = replace(self.facts, crd=Crd.ALIVE)
        decision = RemovalTable(self.resource, facts, self.now, self.policy, status, why).present(present)
        begins = isinstance(decision.action, RequestDeletion) and self.status.deletion is None
        if begins and present.cache.status == CacheStatus.FAILED and status.creation is not None:
            counted = decision.status.model_copy(update={"creation": with_failure(status.creation)})
            return replace(decision, status=counted)
        return decision

    @property
    def _asked_to_go(self) -> bool:
        """Whether a DELETE of the old cache may have been carried out."""
        return self.status.deletion is not None and self.status.deletion.attempts > 0

    def _obstacle(self) -> Verdict | None:
        """Why the new cache could not be asked for, once the old one were gone."""
        if isinstance(self.facts.desired, Verdict):
            return self.facts.desired
        trouble = self.facts.create_trouble
        return verdict_of(trouble) if trouble is not None else None

    def _why_replace(self, cache: Cache | None) -> str | None:
        """Why the cache is to be replaced, None when it is not, or may not be."""
        resource, on = self.resource, self.resource.spec.recreate_on or ()
        if resource.spec.observe_only:
            return None
        if resource.recreate_pending:
            return "it was asked for by annotation"
        if RecreateOn.SPEC_CHANGED in on and not self.as_specified(self.status):
            return "the spec has changed"
        if cache is None:
            expired = self.status.expires_at is not None and self.status.expires_at <= self.now
            if expired:
                return "its retention was over" if RecreateOn.EXPIRED in on else None
            return "it has vanished from the cloud" if RecreateOn.NOT_FOUND in on else None
        if RecreateOn.EXPIRED in on and self.cache_verdict(cache).reason is Reason.EXPIRED:
            return "its retention is over"
        if cache.status == CacheStatus.DELETING and self.status.deletion is not None and on:
            return "that has begun already"
        remaining = self._until_replaced(cache)
        return "the cloud could not build it" if remaining is not None and remaining <= 0 else None

    def _until_replaced(self, cache: Cache) -> float | None:
        """Seconds until a cache that failed is replaced; None when it is not."""
        allowed = RecreateOn.FAILED in (self.resource.spec.recreate_on or ()) and not self.resource.spec.observe_only
        if not allowed or self.cache_verdict(cache).reason is not Reason.FAILED:
            return None
        if self._asked_to_go:
            return 0.0
        failures = failures_of(self.status.creation)
        return FAILED_PAUSES[failures] - self.facts.since_creation if failures < len(FAILED_PAUSES) else None

    def _changed_mind(self, cache: Cache, status: ImageCacheStatus) -> Decision:
        """A DELETE was asked for to replace the cache, and it is not to be replaced any more."""
        asked = status.deletion
        assert asked is not None
        if cache.status != CacheStatus.DELETING and not self.facts.in_flight:
            remaining = retry_pause(asked.attempts, self.policy) - self.facts.since_request
            if asked.requested_at is None or remaining <= 0:
                # Whatever became of the DELETE, it has had its time.
                return self.show_cache(cache, status.model_copy(update={"deletion": None}))
            return replace(self.show_cache(cache, status), requeue_after=remaining, in_motion=True)
        message = "The cloud is deleting the cache, which was to be replaced; it is looked at until it is gone."
        if cache.status != CacheStatus.DELETING:
            message = "DELETE of the cache, which was to be replaced, is on its way; its answer is awaited."
        return self.show(Verdict(Reason.DELETING, message), status=status, in_motion=True)

    def _absent(self, proof: Absent) -> Decision:
        resource, facts, status = self.resource, self.facts, self.status
        if (unproven := absent_elsewhere(status.image_cache_id, status.seen_by, proof.identity)) is not None:
            return self.show(unproven)
        if (remaining := ABSENCE_COUNTS_AFTER - facts.since_creation) > 0 and not self._was_seen():
            verdict = Verdict(Reason.CREATING, "The cloud took the POST, and does not show the cache yet.")
            return self.show(verdict, in_motion=True, requeue_after=remaining)
        if facts.in_flight:
            return self.show(Verdict(Reason.RECREATING, "DELETE of the old cache is on its way."), in_motion=True)
        asked = status.deletion is not None and status.deletion.attempts > 0
        replaced = asked and bool(resource.spec.recreate_on) and not resource.spec.observe_only
        if replaced or self._why_replace(None) is not None:
            verdict = Verdict(Reason.RECREATING, f"Cache {status.image_cache_id} is gone; a new one is created.")
            return self.show(verdict, status=_cleared(status), in_motion=True, requeue_after=0.0)
        return self.show_absence()

    def _was_seen(self) -> bool:
        """Whether a look has shown the cache since it was asked for; else it may yet appear."""
        return self.status.cache_status is not None or self.tells(Reason.NOT_FOUND, Reason.EXPIRED)


def _cleared(status: ImageCacheStatus) -> ImageCacheStatus:
    """Without the old cache, in one patch. What is kept: its name, who saw it, and when and of what it was made."""
    gone = ("image_cache_id", "deletion", "expires_at", "cache_status", "cache_message")
    return status.model_copy(update=dict.fromkeys(gone))
