"""The life of an object that creates, and has no cache yet: have it made, once. First row that fits.

What becomes of a cache that is there stands in `replacement.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import (
    AwaitRoom,
    Decision,
    Note,
    Nothing,
    QueueWrite,
    RequestCreation,
    Room,
)
from imagecache_operator.desired import Desired, spec_hash
from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import Key
from imagecache_operator.intent import (
    ABSENCE_COUNTS_AFTER,
    blind,
    closed,
    failures_of,
    is_former,
    is_ours,
    may_be_ours,
    new_intent,
)
from imagecache_operator.life import Life
from imagecache_operator.observation import (
    Absent,
    Awaited,
    CacheStatus,
    Observation,
    Present,
    Unknown,
    Unlisted,
)
from imagecache_operator.replacement import ReplacementTable
from imagecache_operator.spec import AdoptionPolicy
from imagecache_operator.status import CreationAnswer
from imagecache_operator.table import WAITING_FOR_SLOT, sighted, verdict_of


@dataclass(frozen=True, slots=True)
class CreationTable(Life):
    """The rows for an object that creates and lives, but has no cache; and the way to those that have one."""

    def decide(self, observation: Observation) -> Decision:
        """First row that fits."""
        if (settled := self.without_looking()) is not None:
            return settled
        if self.status.image_cache_id is None:
            return self._without_cache(observation)
        if self.resource.status.image_cache_id is None:
            # Just told by the answer to the POST: what was seen before says nothing of it.
            return self.show(
                Verdict(Reason.CREATING, "The cloud is building the cache."), in_motion=True, requeue_after=0.0
            )
        return ReplacementTable(self.resource, self.facts, self.now, self.policy, self.status).decide(observation)

    def _without_cache(self, observation: Observation) -> Decision:
        creation, holder = self.status.creation, self.facts.name_holder
        if self.facts.creating:
            return self.show(self._on_its_way(), in_motion=True)
        if creation is not None and creation.open:
            if isinstance(observation, Present | Unlisted):
                return self._open_creation(observation)
        elif holder is not None:
            return self.show(self._held_by(holder))
        match observation:
            case Present():
                return self._taken(observation)
            case Unlisted():
                return self._create(observation.identity)
            case Unknown():
                return self.unknown(observation.trouble)
            case Awaited():
                return self.awaited(observation.look)
            case Absent():
                return Decision(Nothing(), self.resource.status, in_motion=True)
            case _:
                assert_never(observation)

    def _held_by(self, holder: Key) -> Verdict:
        """Another object holds the name."""
        then = "this object takes over when that is gone"
        if self.resource.spec.observe_only:
            then = "with managementPolicy Observe this object takes nothing over"
        return Verdict(
            Reason.CONFLICT,
            f"The name {self.resource.cloud_name} is held by {self.resource.name_of(holder)}; {then}. Choose another "
            "spec.name, or delete one of the two.",
        )

    def _open_creation(self, observation: Present | Unlisted) -> Decision:
        """A POST whose answer is not known: what it made is found by its name."""
        if isinstance(observation, Present) and is_ours(observation.cache, self.status, self.facts):
            status = closed(sighted(self.status, observation), CreationAnswer.ACCEPTED)
            return self.show_cache(observation.cache, status)
        if (verdict := blind(self.status, observation.identity)) is not None:
            return self.show(verdict)
        return self._taken(observation) if isinstance(observation, Present) else self._lost()

    def _on_its_way(self) -> Verdict:
        return Verdict(Reason.CREATE_REQUESTED, f"POST of cache {self.resource.cloud_name} is on its way.")

    def _lost(self) -> Decision:
        """No answer, and no cache of that name so far."""
        remaining = ABSENCE_COUNTS_AFTER - self.facts.since_creation
        if remaining > 0:
            message = "The answer to the POST told no id; the name is looked up until it is certain what came of it."
            return self.show(Verdict(Reason.CREATE_REQUESTED, message), in_motion=True, requeue_after=remaining)
        message = "The POST came to nothing; it is sent again."
        status = closed(self.status, CreationAnswer.REFUSED)
        return self.show(Verdict(Reason.CREATE_REQUESTED, message), status=status, in_motion=True, requeue_after=0.0)

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
            return self.show(
                Verdict(Reason.CREATE_REQUESTED, message), status=status, in_motion=True, requeue_after=again
            )
        if resource.spec.adoption_policy is not AdoptionPolicy.IF_IDENTICAL:
            message = (
                f"There is a cache named {cache.name} (id {cache.id}) that this object did not create: choose another "
                "spec.name, bind to it by spec.imageCacheID in another object, or set spec.adoptionPolicy to "
                "IfIdentical."
            )
            return self.show(Verdict(Reason.CONFLICT, message), status=status, requeue_after=again)
        if isinstance(self.facts.desired, Verdict):
            return self.show(self.facts.desired, status=status, requeue_after=again)
        assert self.facts.desired is not None
        if fields := ", ".join(self.facts.desired.differences(cache)):
            message = (
                f"The cache named {cache.name} (id {cache.id}) that this object did not create is not identical: it "
                f"differs in {fields}. Change spec to match, or choose another spec.name."
            )
            return self.show(Verdict(Reason.CONFLICT, message), status=status, requeue_after=again)
        hashed = spec_hash(resource)
        adopted = new_intent(resource, hashed, self.now, failures=0).model_copy(
            update={"answer": CreationAnswer.ACCEPTED}
        )
        # Who takes over what is there does not want it built anew because of an annotation that is as old.
        handled = {"creation": adopted, "last_handled_recreate_at": resource.recreate_requested}
        status = sighted(status, present).model_copy(update=handled)
        decision = self.show_cache(cache, status)
        adopted_note = Note("Adopted", f"Cache {cache.id} was there and is identical: taken over.")
        return replace(decision, notes=(adopted_note, *decision.notes))

    def _create(self, identity: Identity) -> Decision:
        """The name is free."""
        resource, facts = self.resource, self.facts
        if resource.spec.observe_only:
            message = f"There is no cache named {resource.cloud_name}, and managementPolicy Observe creates none."
            return self.show(Verdict(Reason.NOT_FOUND, message))
        desired = facts.desired
        if isinstance(desired, Verdict):
            return self.show(desired)
        assert isinstance(desired, Desired)
        if not facts.room.free:
            return self.show(Verdict(Reason.QUOTA_EXCEEDED, _no_room(facts.room)), action=AwaitRoom())
        if facts.write_trouble is not None:
            return self.show(verdict_of(facts.write_trouble), in_motion=facts.write_trouble.passing)
        if not facts.slot_granted:
            return self.show(Verdict(Reason.CREATE_REQUESTED, WAITING_FOR_SLOT), action=QueueWrite(), in_motion=True)
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
        return self.show(verdict, status=status, action=RequestCreation(desired), in_motion=True)

    def _failures(self) -> int:
        """How many builds of this very spec have failed and were replaced, since a person last asked for one."""
        former = self.status.creation
        if former is None or self.resource.recreate_pending or former.spec_hash != spec_hash(self.resource):
            return 0
        return failures_of(former)


def _no_room(room: Room) -> str:
    """Why the object waits. Where the tenant is not known to be full, it names no numbers: they change all the time."""
    if room.limit is None or room.used < room.limit:
        return "The tenant was full, and may have room again: older objects that wait for it go first."
    caches = "1 cache" if room.used == 1 else f"{room.used} caches"
    return (
        f"The tenant is full: it has {caches}, and the cloud took no more than {room.limit} ({room.words}). Delete "
        "some; this one is created as soon as there is room."
    )
