"""The life of an object: what to show of a cache that is there, or was; and all there is to one that only binds.

Objects that create have more rows, built on these: `creation.py` and `replacement.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import PATIENCE, Action, AddFinalizer, Confirm, Decision, Note, Nothing
from imagecache_operator.desired import spec_hash
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
from imagecache_operator.spec import RecreateOn
from imagecache_operator.status import ImageCacheStatus
from imagecache_operator.table import Table, sighted, verdict_of

EXPIRY_NOTICE = timedelta(hours=24)
"""How long before its end a cache's expiry is announced."""

_EXPIRING = frozenset({CacheStatus.AVAILABLE, CacheStatus.UNAVAILABLE, CacheStatus.FAILED})
"""What the cloud may still say of a cache whose retention is over."""


@dataclass(frozen=True, slots=True)
class Life(Table):
    """The rows of every object that lives, whether it creates or binds."""

    def without_looking(self) -> Decision | None:
        """The rows for which it does not matter what the cloud says; None where it does."""
        resource, facts = self.resource, self.facts
        if not resource.has_finalizer:
            return Decision(AddFinalizer(), resource.status, in_motion=True)
        if facts.obstacle is not None:
            return self.show(facts.obstacle)
        if (conflict := moved(resource.status.seen_by, facts.identity)) is not None:
            return self.show(conflict)
        if facts.other_holder is not None and not resource.spec.observe_only:
            message = (
                f"The cache is held by {resource.name_of(facts.other_holder)}; delete one of the two objects, or set "
                "spec.managementPolicy to Observe here."
            )
            return self.show(Verdict(Reason.CONFLICT, message))
        return None

    def show_cache(self, cache: Cache, status: ImageCacheStatus) -> Decision:
        """Show a cache that is there as the cloud describes it, and announce its end; unless it is not as specified."""
        if not self.as_specified(status):
            return self._of_another_spec(cache, status)
        verdict = self.cache_verdict(cache)
        again: float | None = None
        notes: tuple[Note, ...] = ()
        expires = cache.expires_at
        if verdict.reason is Reason.DELETING:
            again = self.policy.stalled_after - self.removing_for
            if again <= 0:
                verdict, again = Verdict(Reason.DELETE_OVERDUE, verdict.message), None
        elif expires is not None and expires > self.now:
            again = (expires - EXPIRY_NOTICE - self.now).total_seconds()
            if again <= 0:
                again = (expires - self.now).total_seconds()
                verdict, notes = self._announced(verdict, f"Its retention ends at {format_time(expires)}.")
        moving = verdict.reason in {Reason.CREATING, Reason.DELETING, Reason.DELETE_OVERDUE}
        return self.show(verdict, status=status, requeue_after=again, in_motion=moving, notes=notes)

    def as_specified(self, status: ImageCacheStatus) -> bool:
        """Whether the cache was made of the spec as it is now; what the object binds to was not made of it at all."""
        return status.creation is None or status.creation.spec_hash == spec_hash(self.resource)

    def _of_another_spec(self, cache: Cache, status: ImageCacheStatus) -> Decision:
        spec = self.resource.spec
        if RecreateOn.SPEC_CHANGED in (spec.recreate_on or ()) and not spec.observe_only:
            message = f"Cache {cache.id} was made of the former spec, and is replaced."
            return self.show(Verdict(Reason.RECREATING, message), status=status, requeue_after=0.0, in_motion=True)
        allow = f"add {RecreateOn.SPEC_CHANGED} to spec.recreateOn"
        if spec.observe_only:
            allow = f"set spec.managementPolicy to Manage, with {RecreateOn.SPEC_CHANGED} in spec.recreateOn,"
        message = f"Cache {cache.id} was made of another spec: put spec back, or {allow} to have it replaced."
        return self.show(Verdict(Reason.CONFLICT, message), status=status)

    def _announced(self, verdict: Verdict, end: str) -> tuple[Verdict, tuple[Note, ...]]:
        """The verdict with the end in it, and the Event that tells it once: the status says whether it was told."""
        told = self.ready is not None and end in self.ready.message
        note = Note(Reason.EXPIRED, end.replace("Its", "The cache's"), warning=True)
        return replace(verdict, message=f"{verdict.message} {end}"), () if told else (note,)

    def cache_verdict(self, cache: Cache) -> Verdict:
        """What a status word of the cloud means for the object (cce-api section 2)."""
        because = f": {cache.message}" if cache.message else "."
        if cache.expires_at is not None and cache.expires_at <= self.now and cache.status in _EXPIRING:
            return Verdict(Reason.EXPIRED, f"The cache's retention of {cache.retention_days} days is over.")
        match cache.status:
            case CacheStatus():
                match cache.status:
                    case CacheStatus.AVAILABLE:
                        reason = Reason.OBSERVED if self.resource.spec.observe_only else Reason.AVAILABLE
                        return Verdict(reason, f"Cache {cache.id} can be used by pods.")
                    case CacheStatus.CREATING:
                        return Verdict(Reason.CREATING, "The cloud is building the cache.")
                    case CacheStatus.DELETING:
                        message = "The cloud is deleting the cache; this object did not ask for it."
                        return Verdict(Reason.DELETING, message)
                    case CacheStatus.FAILED:
                        return Verdict(Reason.FAILED, f"The cloud could not build the cache{because}")
                    case CacheStatus.UNAVAILABLE:
                        return Verdict(Reason.UNAVAILABLE, f"The cloud says that the cache cannot be used{because}")
                    case _:
                        assert_never(cache.status)
            case _:
                message = f"The cloud says {cache.status!r}, a word that is not known here."
                return Verdict(Reason.UNKNOWN_STATUS, message)

    def show_absence(self) -> Decision:
        """Show that the cache is not there; one that would have expired later is told of again when it would have."""
        status = self.status.model_copy(update={"cache_status": None, "cache_message": None, "deletion": None})
        expires = status.expires_at
        again = (expires - self.now).total_seconds() if expires is not None and expires > self.now else None
        return self.show(self._absence(), status=status, requeue_after=again)

    def _absence(self) -> Verdict:
        """What to say of a cache that is not there."""
        status, spec, cache_id = self.status, self.resource.spec, self.cache_id
        if status.expires_at is not None and status.expires_at <= self.now:
            return Verdict(Reason.EXPIRED, "The cache's retention is over, and the cloud has deleted it.")
        if cache_id is None:
            message = f"There is no cache named {spec.name}; bind to one that exists."
        elif status.seen_by is None:
            message = f"There is no cache {cache_id}; bind to one that exists."
        elif self.resource.creates:
            anew = f"with NotFound in spec.recreateOn, or with the annotation {RECREATE_ANNOTATION}"
            if spec.observe_only:
                anew = "when spec.managementPolicy is Manage, " + anew
            message = f"Cache {cache_id} is not in the cloud any more; it is created anew {anew}."
        else:
            message = f"Cache {cache_id} is not in the cloud any more; this object stays bound to that id alone."
        return Verdict(Reason.NOT_FOUND, message)

    def unknown(self, trouble: Trouble) -> Decision:
        """Show that the cloud could not be looked at; passing trouble lets a True Ready be for a while."""
        remaining = self.policy.stalled_after - self.facts.since_good_look
        if trouble.passing and self.ready is not None and self.ready.status == "True" and remaining > 0:
            # What was good a moment ago is most likely still good: passing trouble must not flap Ready.
            return Decision(Nothing(), self.status, requeue_after=remaining)
        return self.show(verdict_of(trouble, unknown=trouble.passing))

    def awaited(self, look: Look) -> Decision:
        """Wait for a look; a status that was shown before stays.

        What was just answered then stays in memory, and is written with the look.
        """
        action: Action = Nothing()
        if look is Look.GET and self.cache_id is not None:
            action = Confirm(self.cache_id)
        if self.ready is not None:
            return Decision(action, self.resource.status, in_motion=True)
        if self.facts.waiting < PATIENCE:
            return Decision(action, self.resource.status, requeue_after=PATIENCE - self.facts.waiting, in_motion=True)
        verdict = Verdict(Reason.CLOUD_UNAVAILABLE, "The cloud has not answered yet.", unknown=True)
        return self.show(verdict, action=action, in_motion=True)


@dataclass(frozen=True, slots=True)
class BindingTable(Life):
    """The rows for an object that binds and lives: it shows what the cloud says of its cache."""

    def decide(self, observation: Observation) -> Decision:
        """First row that fits."""
        status = self.status
        if (settled := self.without_looking()) is not None:
            return settled
        match observation:
            case Present():
                return self.show_cache(observation.cache, sighted(status, observation))
            case Absent() | Unlisted():
                unproven = absent_elsewhere(status.image_cache_id, status.seen_by, observation.identity)
                return self.show_absence() if unproven is None else self.show(unproven)
            case Unknown():
                return self.unknown(observation.trouble)
            case Awaited():
                return self.awaited(observation.look)
            case _:
                assert_never(observation)
