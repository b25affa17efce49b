"""The deletion table: what to do with an object that has a deletionTimestamp. First row that fits.

One rule stands above all rows: the finalizer goes only when the cache is proven `Absent` to the identity that once
saw it, by a person's explicit word, or when there never was anything to delete.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.conditions import READY, Reason, Verdict
from imagecache_operator.decision import (
    PATIENCE,
    Action,
    Confirm,
    Crd,
    Decision,
    Facts,
    Note,
    Nothing,
    Outcome,
    Policy,
    QueueWrite,
    ReadCrd,
    Release,
    RequestDeletion,
    shown,
    sighted,
)
from imagecache_operator.identity import identity_of
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.intent import ABSENCE_COUNTS_AFTER, blind, closed, is_ours, may_be_ours, recorded
from imagecache_operator.model import format_time
from imagecache_operator.observation import (
    Absent,
    Awaited,
    CacheStatus,
    Look,
    Observation,
    Present,
    Trouble,
    Unknown,
    Unlisted,
)
from imagecache_operator.placement import moved
from imagecache_operator.spec import ManagementPolicy
from imagecache_operator.status import Condition, CreationAnswer, Deletion, ImageCacheStatus

RETRY_FACTOR_MAX = 10
"""The pause between two DELETEs doubles up to this many times the setting."""

_TOLD_DELETING = frozenset({Reason.DELETING, Reason.RECREATING})

ANSWER_PATIENCE = 10.0
"""Seconds for which an answer to DELETE may wait to be told together with the look that follows it."""

_REFUSED = "refused: "
_GONE = "already gone: "
_LOST = "no usable answer: "


def finalize(resource: ImageCache, observation: Observation, facts: Facts, now: datetime, policy: Policy) -> Decision:
    """Decide for an object that is being deleted."""
    status = recorded_deletion(recorded(resource.status, facts), facts.answer)
    return _Pass(resource, facts, now, policy, status).decide(observation)


def delete_for(
    resource: ImageCache,
    present: Present,
    facts: Facts,
    now: datetime,
    policy: Policy,
    status: ImageCacheStatus,
    *,
    why: str,
) -> Decision:
    """Decide for a cache that is there and is to be replaced, `why`: the same rows, told as a replacement."""
    # The CRD says nothing here: while it is being deleted, every object has a deletionTimestamp.
    facts = replace(facts, crd=Crd.ALIVE)
    return _Pass(resource, facts, now, policy, status, why).decide_present(present)


def retry_pause(attempts: int, policy: Policy) -> float:
    """Seconds between the DELETE with that number and the next: one rule for all that may have been carried out."""
    doublings = min(max(attempts - 1, 0), RETRY_FACTOR_MAX)
    return policy.delete_retry_after * min(2.0**doublings, RETRY_FACTOR_MAX)


def recorded_deletion(status: ImageCacheStatus, answer: DeleteAnswer | None) -> ImageCacheStatus:
    """The status with the answer to the newest DELETE in it; recording twice changes nothing."""
    asked = status.deletion
    if answer is None or asked is None or asked.requested_at is None:
        return status
    match answer:
        case Accepted():
            update: dict[str, object] = {"accepted_at": answer.at, "last_error": None}
        case Gone():
            update = {"last_error": _GONE + answer.message}
        case Refused():
            update = {"last_error": _REFUSED + answer.message}
        case Lost():
            update = {"last_error": _LOST + answer.message}
        case NotDone():
            # No attempt: requestedAt goes too, so that nothing waits for an answer that cannot come.
            attempts = max(asked.attempts - 1, 0)
            update = {"last_error": answer.trouble.message, "requested_at": None, "attempts": attempts}
        case _:
            assert_never(answer)
    update["request_id"] = answer.request_id
    return status.model_copy(update={"deletion": asked.model_copy(update=update)})


@dataclass(frozen=True, slots=True)
class _Pass:
    """One look down the table; the methods are its rows."""

    resource: ImageCache
    facts: Facts
    now: datetime
    policy: Policy
    status: ImageCacheStatus
    replacing: str | None = None

    @property
    def _began(self) -> datetime:
        """When the deletion began; of a replacement, at the latest: by the number of DELETEs and their pauses."""
        if self.resource.deleted_at is not None:
            return self.resource.deleted_at
        if self._asked is None or self._asked.requested_at is None:
            return self.now
        pauses = sum(retry_pause(attempt, self.policy) for attempt in range(1, self._asked.attempts))
        return self._asked.requested_at - timedelta(seconds=pauses)

    @property
    def _asked(self) -> Deletion | None:
        """The newest DELETE that may have been carried out."""
        deletion = self.status.deletion
        return deletion if deletion is not None and deletion.requested_at is not None else None

    @property
    def _until_overdue(self) -> float:
        """Seconds until the deletion takes too long; negative when it does."""
        return self.policy.stalled_after - (self.now - self._began).total_seconds()

    @property
    def _until_effect_is_due(self) -> float:
        """Seconds until a DELETE that was accepted should have shown an effect; negative when it should have."""
        return self.policy.delete_retry_after - self.facts.since_request

    @property
    def _cache_id(self) -> str | None:
        return self.status.image_cache_id or self.resource.spec.image_cache_id

    def decide(self, observation: Observation) -> Decision:
        if not self.resource.has_finalizer:
            return Decision(Nothing(), self.resource.status)
        if (settled := self._without_looking()) is not None:
            return settled
        if (created := self._creation_settled(observation)) is not None:
            return created
        if self.facts.other_holder is not None:
            return self._not_owner(self.facts.other_holder)
        return self._by_looking(observation)

    def _by_looking(self, observation: Observation) -> Decision:
        """The rows that depend on what the cloud says."""
        if self._cache_id is None and not self._may_be_found_by_name():
            return self._nothing_known()
        match observation:
            case Present():
                return self.decide_present(observation)
            case Absent():
                return self._absent(observation)
            case Unlisted():
                return self._nothing_known()
            case Unknown():
                return self._trouble(observation.trouble)
            case Awaited():
                return self._awaited(observation.look)
            case _:
                assert_never(observation)

    def _without_looking(self) -> Decision | None:
        """The rows for which it does not matter what the cloud says."""
        resource, facts = self.resource, self.facts
        if resource.spec.retain:
            return self._retained(self._word_of_retain())
        if facts.crd is Crd.DELETING:
            return self._retained("the CustomResourceDefinition is being deleted, which never deletes caches")
        if facts.obstacle is not None:
            return self._hold(facts.obstacle)
        if (conflict := moved(resource.status.seen_by, facts.identity)) is not None:
            return self._hold(conflict)
        return None

    def _creation_settled(self, observation: Observation) -> Decision | None:
        """The rows of a creation whose cache is not known, or was just told; None where there is none such."""
        creation = self.status.creation
        if self.status.image_cache_id != self.resource.status.image_cache_id:
            # What was seen before says nothing of a cache that the answer to the POST has just told.
            return self._wait(Verdict(Reason.DELETE_REQUESTED, "The cache was just created."), requeue_after=0.0)
        if creation is not None and creation.open and self._cache_id is None:
            return self._open_creation(observation)
        return None

    def _open_creation(self, observation: Observation) -> Decision:
        """A POST whose answer is not known: whatever it made must be found before the object may go."""
        if self.facts.creating:
            return self._wait(Verdict(Reason.DELETE_REQUESTED, "Waiting for the answer to the POST of the cache."))
        match observation:
            case Present() if is_ours(observation.cache, self.status, self.facts):
                if self.facts.other_holder is not None:
                    return self._not_owner(self.facts.other_holder)
                status = closed(sighted(self.status, observation), CreationAnswer.ACCEPTED)
                return replace(self, status=status).decide_present(observation)
            case Present() if may_be_ours(observation.cache, self.status, self.facts):
                message = f"A cache named {observation.cache.name}, maybe of the lost POST, is being deleted."
                return self._wait(Verdict(Reason.DELETING, message))
            case Present() | Unlisted():
                if (verdict := blind(self.status, observation.identity)) is not None:
                    way_out = "Or set spec.deletionPolicy to Retain to let go of this object."
                    return self._hold(replace(verdict, message=f"{verdict.message} {way_out}"))
                remaining = ABSENCE_COUNTS_AFTER - self.facts.since_creation
                if remaining <= 0:
                    return self._nothing_known()
                message = "The answer to the POST was lost; the cloud is looked at until it is certain what came of it."
                return self._wait(Verdict(Reason.DELETE_REQUESTED, message), requeue_after=remaining)
            case Unknown():
                return self._trouble(observation.trouble)
            case Awaited() | Absent():
                return self._awaited(Look.LIST)
            case _:
                assert_never(observation)

    # --- rows that let go

    def _not_owner(self, other: Key) -> Decision:
        cache = self._cache_id or self.resource.cloud_name
        message = f"Let go without a call to the cloud: cache {cache} is held by {self.resource.name_of(other)}."
        return self._release(Outcome.NOT_OWNER, Note(Reason.CONFLICT, message, warning=True))

    def _release(self, outcome: Outcome, note: Note) -> Decision:
        return Decision(Release(outcome, note), self.resource.status)

    def _retained(self, why: str) -> Decision:
        cache = f"Cache {self._cache_id}" if self._cache_id else "Whatever exists in the cloud"
        message = f"{cache} stays in the cloud: {why}."
        if self._asked is not None:
            message += f" The cloud may still carry out the DELETE of {_time(self._asked.requested_at)}."
        return self._release(Outcome.RETAINED, Note("Retained", message))

    def _word_of_retain(self) -> str:
        if self.resource.spec.management_policy is ManagementPolicy.OBSERVE:
            return "managementPolicy is Observe"
        return "deletionPolicy is Retain"

    def _may_be_found_by_name(self) -> bool:
        """Whether a binding by name has not been looked up yet; one that showed NotFound never held anything."""
        spec = self.resource.spec
        if spec.name is None or spec.images is not None:
            return False
        ready = self.resource.status.condition(READY)
        return ready is None or ready.reason != Reason.NOT_FOUND

    def _nothing_known(self) -> Decision:
        name = self.resource.spec.name
        creation = self.resource.status.creation
        if creation is not None and creation.answer is CreationAnswer.ACCEPTED:
            # Deleted in the middle of a replacement, after the proof.
            return self._release(Outcome.DELETED, Note("Deleted", "The cache is deleted, and no other was created."))
        if name is None or self.resource.spec.images is not None:
            return self._release(
                Outcome.NEVER_CREATED, Note("Deleted", "Nothing was ever created in the cloud for this object.")
            )
        return self._release(
            Outcome.NEVER_SEEN,
            Note("NeverSeen", f"Let go: no cache named {name} was ever seen; is the name right?", warning=True),
        )

    def _absent(self, absent: Absent) -> Decision:
        seen_by = self.resource.status.seen_by
        if (early := self._told_a_moment_ago()) is not None:
            return early
        if seen_by is None:
            return self._release(
                Outcome.NEVER_SEEN,
                Note("NeverSeen", f"Let go: cache {self._cache_id} was never seen; is the id right?", warning=True),
            )
        if not absent.identity.same_as(identity_of(seen_by)):
            return self._hold(
                Verdict(
                    Reason.NOT_FOUND,
                    f"Cache {self._cache_id} is absent for {absent.identity}, but was seen by "
                    f"{identity_of(seen_by)}; an absence seen by another identity proves nothing. Restore those "
                    "credentials, or set spec.deletionPolicy to Retain to let go of this object.",
                )
            )
        if self.facts.in_flight:
            # The cloud may still be about to carry out what it is told now; only a look after its answer counts.
            return self._wait(self._on_its_way(self._cache_id))
        asked = self.status.deletion
        if asked is not None and asked.attempts > 0:
            return self._release(
                Outcome.DELETED, Note("Deleted", f"Cache {self._cache_id} is deleted: the cloud says it is gone.")
            )
        return self._release(
            Outcome.ALREADY_GONE, Note("Deleted", f"Cache {self._cache_id} was already gone from the cloud.")
        )

    def _told_a_moment_ago(self) -> Decision | None:
        """A cache that only the answer to the POST told of may yet appear."""
        remaining = ABSENCE_COUNTS_AFTER - self.facts.since_creation
        if self.status.creation is None or self.status.cache_status is not None or remaining <= 0:
            return None
        message = "The cloud took the POST a moment ago, and does not show the cache yet."
        return self._wait(Verdict(Reason.DELETE_REQUESTED, message), requeue_after=remaining)

    # --- rows that wait

    def _wait(
        self,
        verdict: Verdict,
        *,
        status: ImageCacheStatus | None = None,
        action: Action | None = None,
        requeue_after: float | None = None,
        in_motion: bool = True,
    ) -> Decision:
        """Show the verdict, Stalled as well once the deletion takes too long."""
        remaining = self._until_overdue
        if remaining <= 0:
            late = verdict.reason in {Reason.DELETING, Reason.DELETE_REQUESTED}
            reason = Reason.DELETE_OVERDUE if late else verdict.reason
            verdict = Verdict(reason, verdict.message, overdue=True)
        elif self.replacing is not None and verdict.reason in {Reason.DELETING, Reason.DELETE_REQUESTED}:
            verdict = Verdict(Reason.RECREATING, f"The cache is replaced, because {self.replacing}. {verdict.message}")
        if remaining > 0 and (requeue_after is None or remaining < requeue_after):
            requeue_after = remaining
        return Decision(
            action or Nothing(),
            shown(
                self.resource,
                self.status if status is None else status,
                verdict,
                self.now,
                reconcile_handled=self.facts.reconcile_handled,
            ),
            requeue_after=requeue_after,
            in_motion=in_motion,
        )

    def _hold(self, verdict: Verdict) -> Decision:
        """Keep the object until a person acts; the cloud need not be looked at often meanwhile."""
        return self._wait(verdict, in_motion=False)

    def _trouble(self, trouble: Trouble) -> Decision:
        return self._wait(Verdict(Reason(trouble.kind.value), trouble.message), in_motion=trouble.passing)

    def _awaited(self, look: Look) -> Decision:
        action: Action = Nothing()
        if look is Look.GET and self._cache_id is not None:
            action = Confirm(self._cache_id)
        ready = self.resource.status.condition(READY)
        if ready is not None and ready.status == "False":
            if self._until_overdue <= 0:
                return self._wait(_as_told(ready), action=action)
            pause = self._until_overdue
            if (answer := self.facts.answer) is not None:
                # Usually a look comes soon, and is told together with the answer.
                pause = min(pause, ANSWER_PATIENCE - self.facts.since_request)
                if pause <= 0:
                    return self._wait(self._answered(answer), action=action)
            return Decision(action, self.resource.status, requeue_after=pause, in_motion=True)
        if self.facts.waiting < PATIENCE:
            return Decision(action, self.resource.status, requeue_after=PATIENCE - self.facts.waiting, in_motion=True)
        return self._wait(Verdict(Reason.DELETE_REQUESTED, "Looking at the cloud before asking it."), action=action)

    def _answered(self, answer: DeleteAnswer) -> Verdict:
        """What to say of a DELETE that was answered, while no look that began after it has ended."""
        match answer:
            case NotDone(trouble):
                return Verdict(Reason(trouble.kind.value), trouble.message)
            case Accepted(at):
                return Verdict(
                    Reason.DELETE_REQUESTED, f"The cloud accepted DELETE at {_time(at)}; it is looked at next."
                )
            case Gone(message) | Refused(message) | Lost(message):
                return Verdict(
                    Reason.DELETE_REQUESTED, f"DELETE was answered ({message}); the cloud is looked at next."
                )
            case _:
                assert_never(answer)

    # --- rows for a cache that is there

    def decide_present(self, present: Present) -> Decision:
        status = sighted(self.status, present)
        if present.cache.status == CacheStatus.DELETING:
            asked = self._asked
            if asked is not None and asked.seen_deleting_at is None and not self.facts.in_flight:
                status = status.model_copy(update={"deletion": asked.model_copy(update={"seen_deleting_at": self.now})})
            return self._wait(
                Verdict(Reason.DELETING, f"The cloud is deleting cache {present.cache.id}."), status=status
            )
        if self.facts.in_flight:
            return self._wait(self._on_its_way(present.cache.id), status=status)
        if self._asked is None:
            return self._request(present, status, Verdict(Reason.DELETE_REQUESTED, "DELETE was not sent yet."))
        verdict = self._after_request(present, self._asked)
        remaining = retry_pause(self._asked.attempts, self.policy) - self.facts.since_request
        if remaining > 0:
            if self._asked.accepted_at is not None and self._until_effect_is_due > 0:
                remaining = min(remaining, self._until_effect_is_due)
            return self._wait(verdict, status=status, requeue_after=remaining)
        ready = self.resource.status.condition(READY)
        if verdict.reason is Reason.DELETE_REVERTED and ready is not None and ready.reason in _TOLD_DELETING:
            # Told before it is asked for again: else nobody would learn that, and why, the cloud gave up.
            return self._wait(verdict, status=status, requeue_after=0.0)
        return self._request(present, status, verdict)

    def _after_request(self, present: Present, asked: Deletion) -> Verdict:
        """What to say of a cache that is still there, and not Deleting, after a DELETE."""
        cache = present.cache
        assert asked.requested_at is not None
        again = asked.requested_at + timedelta(seconds=retry_pause(asked.attempts, self.policy))
        then = f"DELETE is sent again at {_time(again)}."
        said = f"{cache.status}: {cache.message}" if cache.message else str(cache.status)
        error = asked.last_error or ""
        in_vain = asked.accepted_at is not None and self._until_effect_is_due <= 0
        if asked.seen_deleting_at is not None or in_vain:
            return Verdict(
                Reason.DELETE_REVERTED, f"The cloud gave up the deletion; it says {said.rstrip('.')}. {then}"
            )
        if error.startswith(_REFUSED):
            return Verdict(
                Reason.DELETE_REFUSED, f"The cloud refused DELETE ({error.removeprefix(_REFUSED).rstrip('.')}). {then}"
            )
        if asked.accepted_at is not None:
            return Verdict(Reason.DELETE_REQUESTED, f"The cloud accepted DELETE at {_time(asked.accepted_at)}.")
        what = error.rstrip(".") or "no answer yet"
        return Verdict(Reason.DELETE_REQUESTED, f"DELETE of {_time(asked.requested_at)}: {what}. {then}")

    def _on_its_way(self, cache_id: str | None) -> Verdict:
        return Verdict(Reason.DELETE_REQUESTED, f"DELETE of cache {cache_id} is on its way.")

    def _request(self, present: Present, status: ImageCacheStatus, verdict: Verdict) -> Decision:
        """Everything that must be true before a DELETE goes out, then the DELETE."""
        facts = self.facts
        if facts.write_trouble is not None:
            trouble = facts.write_trouble
            return self._wait(
                Verdict(Reason(trouble.kind.value), trouble.message), status=status, in_motion=trouble.passing
            )
        if self._asked is None and facts.crd is Crd.UNREAD:
            return self._wait(verdict, status=status, action=ReadCrd())
        if self._asked is None and facts.crd is Crd.UNREADABLE:
            message = "Waiting to read the CustomResourceDefinition: if it is being deleted, caches stay."
            return self._wait(Verdict(Reason.DELETE_REQUESTED, message), status=status, action=ReadCrd())
        if not facts.slot_granted:
            message = "Waiting for a write slot: the cloud allows few writes a minute."
            if verdict.reason is not Reason.DELETE_REQUESTED:
                message = f"{message} {verdict.message}"
            return self._wait(Verdict(Reason.DELETE_REQUESTED, message), status=status, action=QueueWrite())
        attempt = (status.deletion.attempts if status.deletion is not None else 0) + 1
        deletion = Deletion(requested_at=self.now, attempts=attempt)
        return self._wait(
            self._on_its_way(present.cache.id),
            status=status.model_copy(update={"deletion": deletion}),
            action=RequestDeletion(present.cache.id, attempt),
        )


def _as_told(ready: Condition) -> Verdict:
    """The verdict that the object shows already; one of another version counts as merely late."""
    known = ready.reason in frozenset(Reason)
    return Verdict(Reason(ready.reason) if known else Reason.DELETE_REQUESTED, ready.message)


def _time(moment: datetime | None) -> str:
    return format_time(moment.replace(microsecond=0)) if moment is not None else "an unknown time"
