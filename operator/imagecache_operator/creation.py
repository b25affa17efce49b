"""The life of an object that creates: have its cache made once, follow it, replace it where that is allowed.

First row that fits. A replacement is a deletion up to its proof, by the rows of `deletion.py`, and then a creation like
any other; a change of mind in between is decided anew from what is true then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from imagecache_operator.conditions import READY, Reason, Verdict
from imagecache_operator.decision import (
    Action,
    AddFinalizer,
    AwaitRoom,
    Decision,
    Facts,
    Note,
    Nothing,
    Policy,
    QueueWrite,
    RequestCreation,
    RequestDeletion,
    sighted,
)
from imagecache_operator.desired import Desired, spec_hash
from imagecache_operator.identity import Identity, identity_of
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.intent import (
    ABSENCE_COUNTS_AFTER,
    blind,
    closed,
    failures_of,
    is_former,
    is_ours,
    may_be_ours,
    new_intent,
    recorded,
    with_failure,
)
from imagecache_operator.life import absent, awaited, cache_verdict, refusal, show, show_cache, unknown, until_expiry
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
from imagecache_operator.removal import recorded_deletion, replace_present, retry_pause
from imagecache_operator.spec import AdoptionPolicy, RecreateOn
from imagecache_operator.status import CreationAnswer, ImageCacheStatus

FAILED_PAUSES = (60.0, 300.0, 900.0)
"""Seconds after which a cache that the cloud failed to build is replaced, counted from when it was asked for; after
that many it is left as it is."""


def keep(resource: ImageCache, observation: Observation, facts: Facts, now: datetime, policy: Policy) -> Decision:
    """Decide for an object that creates and lives."""
    status = recorded_deletion(recorded(resource.status, facts), facts.answer)
    return _Pass(resource, facts, now, policy, status).decide(observation)


@dataclass(frozen=True, slots=True)
class _Pass:
    """One look down the table; the methods are its rows."""

    resource: ImageCache
    facts: Facts
    now: datetime
    policy: Policy
    status: ImageCacheStatus

    def decide(self, observation: Observation) -> Decision:
        if not self.resource.has_finalizer:
            return Decision(AddFinalizer(), self.resource.status, in_motion=True)
        if (refused := refusal(self.resource, self.facts)) is not None:
            return self._show(refused)
        if self.status.image_cache_id is None:
            return self._without_cache(observation)
        if self.resource.status.image_cache_id is None:
            # Just told by the answer to the POST: what was seen before says nothing of it.
            return self._show(Verdict(Reason.CREATING, "The cloud is building the cache."), in_motion=True, again=0.0)
        return self._with_cache(observation)

    def _show(
        self,
        verdict: Verdict,
        *,
        status: ImageCacheStatus | None = None,
        action: Action | None = None,
        in_motion: bool = False,
        again: float | None = None,
    ) -> Decision:
        status = self.status if status is None else status
        return show(
            self.resource,
            self.facts,
            self.now,
            verdict,
            status=status,
            action=action,
            in_motion=in_motion,
            requeue_after=again,
        )

    def _unknown(self, trouble: Trouble) -> Decision:
        # With the answers in it: they are forgotten when the status is written.
        resource = replace(self.resource, status=self.status)
        return unknown(resource, self.facts, self.now, self.policy, trouble)

    def _awaited(self, look: Look) -> Decision:
        # Where nothing is written while a look is awaited, the answers stay in memory, and are written with the look.
        shown_before = self.resource.status.condition(READY) is not None
        resource = self.resource if shown_before else replace(self.resource, status=self.status)
        return awaited(resource, self.facts, self.now, look)

    def _show_cache(self, cache: Cache, status: ImageCacheStatus) -> Decision:
        """Show a cache that is there, unless it was made of another spec."""
        if self._as_specified(status):
            return show_cache(self.resource, cache, self.facts, self.now, status)
        if RecreateOn.SPEC_CHANGED in (self.resource.spec.recreate_on or ()) and not self.resource.spec.observe_only:
            message = f"Cache {cache.id} was made of the former spec, and is replaced."
            return self._show(Verdict(Reason.RECREATING, message), status=status, in_motion=True, again=0.0)
        message = (
            f"Cache {cache.id} was made of another spec: put spec back, or add {RecreateOn.SPEC_CHANGED} to "
            "spec.recreateOn to have it replaced."
        )
        return self._show(Verdict(Reason.CONFLICT, message), status=status)

    # --- there is no cache that is known to be ours

    def _without_cache(self, observation: Observation) -> Decision:
        creation, holder = self.status.creation, self.facts.name_holder
        if self.facts.creating:
            return self._show(self._on_its_way(), in_motion=True)
        if creation is not None and creation.open:
            if isinstance(observation, Present | Unlisted):
                return self._open_creation(observation)
        elif holder is not None:
            message = (
                f"The name {self.resource.cloud_name} is held by {self.resource.name_of(holder)}; this object takes "
                "over when that is gone. Choose another spec.name, or delete one of the two."
            )
            return self._show(Verdict(Reason.CONFLICT, message))
        match observation:
            case Present():
                return self._taken(observation)
            case Unlisted():
                return self._create(observation.identity)
            case Unknown():
                return self._unknown(observation.trouble)
            case Awaited():
                return replace(self._awaited(observation.look), in_motion=True)
            case Absent():
                return Decision(Nothing(), self.resource.status, in_motion=True)
            case _:
                assert_never(observation)

    def _open_creation(self, observation: Present | Unlisted) -> Decision:
        """A POST whose answer is not known: what it made is found by its name."""
        if isinstance(observation, Present) and is_ours(observation.cache, self.status, self.facts):
            status = closed(sighted(self.status, observation), CreationAnswer.ACCEPTED)
            return self._show_cache(observation.cache, status)
        if (verdict := blind(self.status, observation.identity)) is not None:
            return self._show(verdict)
        return self._taken(observation) if isinstance(observation, Present) else self._lost()

    def _on_its_way(self) -> Verdict:
        return Verdict(Reason.CREATE_REQUESTED, f"POST of cache {self.resource.cloud_name} is on its way.")

    def _lost(self) -> Decision:
        """No answer, and no cache of that name so far."""
        remaining = ABSENCE_COUNTS_AFTER - self.facts.since_creation
        if remaining > 0:
            message = (
                "The answer to the POST was lost; the cloud is looked at until it is certain whether it was taken."
            )
            return self._show(Verdict(Reason.CREATE_REQUESTED, message), in_motion=True, again=remaining)
        message = "The POST came to nothing; it is sent again."
        status = closed(self.status, CreationAnswer.REFUSED)
        return self._show(Verdict(Reason.CREATE_REQUESTED, message), status=status, in_motion=True, again=0.0)

    def _taken(self, present: Present) -> Decision:
        """A cache of that name that this object did not create, as far as can be told."""
        resource, cache, status = self.resource, present.cache, self.status
        creation, again = status.creation, None
        # Our own may be deleted by somebody else, and may come back.
        if creation is not None and creation.open and not may_be_ours(cache, status, self.facts):
            again = ABSENCE_COUNTS_AFTER - self.facts.since_creation
            if again <= 0:
                status, again = closed(status, CreationAnswer.REFUSED), None
        if cache.status == CacheStatus.DELETING or is_former(cache, status):
            message = f"A former cache named {cache.name} is being deleted; this one is created when that is gone."
            return self._show(Verdict(Reason.CREATE_REQUESTED, message), status=status, in_motion=True, again=again)
        if resource.spec.adoption_policy is not AdoptionPolicy.IF_IDENTICAL:
            message = (
                f"There is a cache named {cache.name} (id {cache.id}) that this object did not create: choose another "
                "spec.name, bind to it by spec.imageCacheID in another object, or set spec.adoptionPolicy to "
                "IfIdentical."
            )
            return self._show(Verdict(Reason.CONFLICT, message), status=status, again=again)
        if isinstance(self.facts.desired, Verdict):
            return self._show(self.facts.desired, status=status, again=again)
        assert self.facts.desired is not None
        if fields := ", ".join(self.facts.desired.differences(cache)):
            message = (
                f"The cache named {cache.name} (id {cache.id}) that this object did not create is not identical: it "
                f"differs in {fields}. Change spec to match, or choose another spec.name."
            )
            return self._show(Verdict(Reason.CONFLICT, message), status=status, again=again)
        hashed = spec_hash(resource)
        adopted = new_intent(resource, hashed, self.now, failures=0).model_copy(
            update={"answer": CreationAnswer.ACCEPTED}
        )
        status = sighted(status, present).model_copy(update={"creation": adopted})
        decision = show_cache(resource, cache, self.facts, self.now, status)
        return replace(decision, note=Note("Adopted", f"Cache {cache.id} was there and is identical: taken over."))

    def _create(self, identity: Identity) -> Decision:
        """The name is free."""
        resource, facts = self.resource, self.facts
        if resource.spec.observe_only:
            message = f"There is no cache named {resource.cloud_name}, and managementPolicy Observe creates none."
            return self._show(Verdict(Reason.NOT_FOUND, message))
        desired = facts.desired
        if isinstance(desired, Verdict):
            return self._show(desired)
        assert isinstance(desired, Desired)
        if not facts.room.free:
            message = (
                f"The tenant is full: it has {facts.room.used} caches, and the cloud took no more than "
                f"{facts.room.limit}. Delete some; this one is created as soon as there is room."
            )
            return self._show(Verdict(Reason.QUOTA_EXCEEDED, message), action=AwaitRoom())
        if facts.write_trouble is not None:
            trouble = facts.write_trouble
            return self._show(Verdict(Reason(trouble.kind.value), trouble.message), in_motion=trouble.passing)
        if not facts.slot_granted:
            message = "Waiting for a write slot: the cloud allows few writes a minute."
            return self._show(Verdict(Reason.CREATE_REQUESTED, message), action=QueueWrite(), in_motion=True)
        former = self.status.creation
        intent = new_intent(resource, spec_hash(resource), self.now, failures=self._failures())
        status = self.status.model_copy(
            update={
                "name": desired.name,
                "seen_by": (facts.identity or identity).to_status(self.status.seen_by),
                "creation": intent,
                "deletion": None,
                "cache_status": None,
                "last_handled_recreate_at": resource.recreate_requested,
            }
        )
        verdict = self._on_its_way()
        if former is not None and former.answer is CreationAnswer.ACCEPTED:
            verdict = Verdict(Reason.RECREATING, "The old cache is gone; the new one is asked for.")
        return self._show(verdict, status=status, action=RequestCreation(desired), in_motion=True)

    def _failures(self) -> int:
        """How many builds of this very spec have failed and were replaced, since a person last asked for one."""
        former = self.status.creation
        if former is None or self.resource.recreate_pending or former.spec_hash != spec_hash(self.resource):
            return 0
        return failures_of(former)

    # --- there is one

    def _with_cache(self, observation: Observation) -> Decision:
        match observation:
            case Present():
                return self._present(observation)
            case Absent():
                return self._absent(observation)
            case Unknown():
                return self._unknown(observation.trouble)
            case Awaited():
                return self._awaited(observation.look)
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
            return self._replace(present, status, why)
        if status.deletion is not None:
            return self._changed_mind(cache, status)
        decision = self._show_cache(cache, status)
        if (again := self._until_replaced(cache)) is not None:
            return replace(decision, requeue_after=min(again, decision.requeue_after or again))
        return decision

    def _replace(self, present: Present, status: ImageCacheStatus, why: str) -> Decision:
        decision = replace_present(self.resource, present, self.facts, self.now, self.policy, status, why=why)
        begins = isinstance(decision.action, RequestDeletion) and self.status.deletion is None
        if begins and present.cache.status == CacheStatus.FAILED and status.creation is not None:
            counted = decision.status.model_copy(update={"creation": with_failure(status.creation)})
            return replace(decision, status=counted)
        return decision

    def _as_specified(self, status: ImageCacheStatus) -> bool:
        return status.creation is None or status.creation.spec_hash == spec_hash(self.resource)

    def _why_replace(self, cache: Cache | None) -> str | None:
        """Why the cache is to be replaced, None when it is not, or may not be."""
        resource, on = self.resource, self.resource.spec.recreate_on or ()
        if resource.spec.observe_only:
            return None
        if resource.recreate_pending:
            return "it was asked for by annotation"
        if RecreateOn.SPEC_CHANGED in on and not self._as_specified(self.status):
            return "the spec has changed"
        if cache is None:
            expired = self.status.expires_at is not None and self.status.expires_at <= self.now
            if RecreateOn.EXPIRED in on and expired:
                return "its retention was over"
            return "it has vanished from the cloud" if RecreateOn.NOT_FOUND in on else None
        if RecreateOn.EXPIRED in on and self._verdict(cache).reason is Reason.EXPIRED:
            return "its retention is over"
        if cache.status == CacheStatus.DELETING and self.status.deletion is not None and on:
            return "that has begun already"
        remaining = self._until_replaced(cache)
        return "the cloud could not build it" if remaining is not None and remaining <= 0 else None

    def _verdict(self, cache: Cache) -> Verdict:
        return cache_verdict(cache, now=self.now, observe_only=self.resource.spec.observe_only)

    def _until_replaced(self, cache: Cache) -> float | None:
        """Seconds until a cache that failed is replaced; None when it is not."""
        allowed = RecreateOn.FAILED in (self.resource.spec.recreate_on or ()) and not self.resource.spec.observe_only
        if not allowed or self._verdict(cache).reason is not Reason.FAILED:
            return None
        if self.status.deletion is not None:
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
                return self._show_cache(cache, status.model_copy(update={"deletion": None}))
            return replace(self._show_cache(cache, status), requeue_after=remaining, in_motion=True)
        message = "The cloud is deleting the cache, which was to be replaced; it is looked at until it is gone."
        return self._show(Verdict(Reason.DELETING, message), status=status, in_motion=True)

    def _absent(self, proof: Absent) -> Decision:
        resource, facts, status = self.resource, self.facts, self.status
        seen_by = status.seen_by
        if seen_by is not None and not proof.identity.same_as(identity_of(seen_by)):
            return self._show(
                Verdict(
                    Reason.NOT_FOUND,
                    f"Cache {status.image_cache_id} is absent for {proof.identity}, but was seen by "
                    f"{identity_of(seen_by)}; an absence seen by another identity proves nothing. Restore those "
                    "credentials.",
                )
            )
        if (remaining := ABSENCE_COUNTS_AFTER - facts.since_creation) > 0 and not self._was_seen():
            verdict = Verdict(Reason.CREATING, "The cloud took the POST, and does not show the cache yet.")
            return self._show(verdict, in_motion=True, again=remaining)
        if facts.in_flight:
            return self._show(Verdict(Reason.RECREATING, "DELETE of the old cache is on its way."), in_motion=True)
        asked = status.deletion is not None and status.deletion.attempts > 0
        replaced = asked and bool(resource.spec.recreate_on) and not resource.spec.observe_only
        if replaced or self._why_replace(None) is not None:
            verdict = Verdict(Reason.RECREATING, f"Cache {status.image_cache_id} is gone; a new one is created.")
            return self._show(verdict, status=_cleared(status), in_motion=True, again=0.0)
        status = status.model_copy(update={"cache_status": None, "cache_message": None, "deletion": None})
        return self._show(absent(resource, self.now), status=status, again=until_expiry(status, self.now))

    def _was_seen(self) -> bool:
        """Whether a look has shown the cache since it was asked for; else it may yet appear."""
        ready = self.status.condition(READY)
        told_gone = ready is not None and ready.reason in {Reason.NOT_FOUND, Reason.EXPIRED}
        return self.status.cache_status is not None or told_gone


def _cleared(status: ImageCacheStatus) -> ImageCacheStatus:
    """Without the old cache, in one patch. What is kept: its name, who saw it, and when and of what it was made."""
    gone = ("image_cache_id", "deletion", "expires_at", "cache_status", "cache_message")
    return status.model_copy(update=dict.fromkeys(gone))
