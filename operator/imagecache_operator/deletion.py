"""The deletion table: what to do with an object that has a deletionTimestamp. First row that fits.

One rule stands above all rows: the finalizer goes only when the cache is proven `Absent` to the identity that once
saw it, by a person's explicit word, or when there never was anything to delete.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.conditions import READY_REASONS, Reason, Verdict
from imagecache_operator.decision import (
    CRD_TRUST,
    PATIENCE,
    Action,
    Confirm,
    Crd,
    Decision,
    Note,
    Nothing,
    Outcome,
    ReadCrd,
    Release,
)
from imagecache_operator.imagecache import Key
from imagecache_operator.intent import ABSENCE_COUNTS_AFTER, blind, closed, is_ours, is_younger, may_be_ours
from imagecache_operator.observation import (
    Absent,
    Awaited,
    Look,
    Observation,
    Present,
    Trouble,
    Unknown,
    Unlisted,
)
from imagecache_operator.placement import absent_elsewhere, moved
from imagecache_operator.removal import RemovalTable, readable
from imagecache_operator.spec import ManagementPolicy
from imagecache_operator.status import Condition, CreationAnswer
from imagecache_operator.table import sighted, verdict_of

ANSWER_PATIENCE = 10.0
"""Seconds for which an answer to DELETE may wait to be told together with the look that follows it."""


@dataclass(frozen=True, slots=True)
class DeletionTable(RemovalTable):
    """The rows for an object that is being deleted."""

    def decide(self, observation: Observation) -> Decision:
        """First row that fits."""
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
        if self.cache_id is None and not self._may_be_found_by_name():
            return self._nothing_known()
        match observation:
            case Present():
                return self.present(observation)
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
            return self._hold(self._or_let_go(facts.obstacle))
        if (conflict := moved(resource.status.seen_by, facts.identity)) is not None:
            return self._hold(conflict)
        return None

    def _creation_settled(self, observation: Observation) -> Decision | None:
        """The rows of a creation whose cache is not known, or was just told; None where there is none such."""
        creation = self.status.creation
        if self.status.image_cache_id != self.resource.status.image_cache_id:
            # What was seen before says nothing of a cache that the answer to the POST has just told.
            return self.wait(Verdict(Reason.DELETE_REQUESTED, "The cache was just created."), requeue_after=0.0)
        if creation is not None and creation.open and self.cache_id is None:
            return self._open_creation(observation)
        return None

    def _open_creation(self, observation: Observation) -> Decision:
        """A POST whose answer is not known: whatever it made must be found before the object may go."""
        if self.facts.creating:
            return self.wait(Verdict(Reason.DELETE_REQUESTED, "Waiting for the answer to the POST of the cache."))
        match observation:
            case Present() if is_ours(observation.cache, self.status, self.facts):
                if self.facts.other_holder is not None:
                    return self._not_owner(self.facts.other_holder)
                status = closed(sighted(self.status, observation), CreationAnswer.ACCEPTED)
                return replace(self, status=status).present(observation)
            case Present() if may_be_ours(observation.cache, self.status, self.facts):
                message = f"A cache named {observation.cache.name}, maybe of the lost POST, is being deleted."
                return self.wait(Verdict(Reason.DELETING, message))
            case Present() | Unlisted():
                if (verdict := blind(self.status, observation.identity)) is not None:
                    return self._hold(self._or_let_go(verdict))
                remaining = ABSENCE_COUNTS_AFTER - self.facts.since_creation
                if remaining <= 0:
                    return self._came_to_nothing(observation)
                message = "The answer to the POST was lost; the cloud is looked at until it is certain what came of it."
                return self.wait(Verdict(Reason.DELETE_REQUESTED, message), requeue_after=remaining)
            case Unknown():
                return self._trouble(observation.trouble)
            case Awaited() | Absent():
                return self._awaited(Look.LIST)
            case _:
                assert_never(observation)

    def _came_to_nothing(self, observation: Present | Unlisted) -> Decision:
        """The lost POST made nothing that is like what was asked for."""
        if isinstance(observation, Unlisted) or not is_younger(observation.cache, self.status):
            return self._nothing_known()
        cache = observation.cache
        message = (
            f"Cache {cache.name} (id {cache.id}) stays in the cloud: it may have come of the POST whose answer was "
            "lost, but it is not what was asked for. Delete it in the console if it is nobody's."
        )
        return Decision(
            Release(Outcome.RETAINED, Note("Retained", message, warning=True), cache.id), self.resource.status
        )

    # --- rows that let go

    def _not_owner(self, other: Key) -> Decision:
        cache = self.cache_id or self.resource.cloud_name
        message = f"Let go without a call to the cloud: cache {cache} is held by {self.resource.name_of(other)}."
        return self._release(Outcome.NOT_OWNER, Note(Reason.CONFLICT, message, warning=True))

    def _release(self, outcome: Outcome, note: Note) -> Decision:
        return Decision(Release(outcome, note, self.cache_id), self.resource.status)

    def _retained(self, why: str) -> Decision:
        cache = f"Cache {self.cache_id}" if self.cache_id else "Whatever exists in the cloud"
        message = f"{cache} stays in the cloud: {why}."
        if self.asked is not None:
            message += f" The cloud may still carry out the DELETE of {readable(self.asked.requested_at)}."
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
        return not self.tells(Reason.NOT_FOUND)

    def _nothing_known(self) -> Decision:
        name = self.resource.spec.name
        creation, former = self.resource.status.creation, self.resource.status.created_at
        if former is not None or (creation is not None and creation.answer is CreationAnswer.ACCEPTED):
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
                Note("NeverSeen", f"Let go: cache {self.cache_id} was never seen; is the id right?", warning=True),
            )
        if (unproven := absent_elsewhere(self.cache_id, seen_by, absent.identity)) is not None:
            return self._hold(self._or_let_go(unproven))
        if self.facts.in_flight:
            # The cloud may still be about to carry out what it is told now; only a look after its answer counts.
            return self.wait(self.on_its_way(self.cache_id))
        asked = self.status.deletion
        if asked is not None and asked.attempts > 0:
            return self._release(
                Outcome.DELETED, Note("Deleted", f"Cache {self.cache_id} is deleted: the cloud says it is gone.")
            )
        return self._release(
            Outcome.ALREADY_GONE, Note("Deleted", f"Cache {self.cache_id} was already gone from the cloud.")
        )

    def _told_a_moment_ago(self) -> Decision | None:
        """A cache that only the answer to the POST told of may yet appear."""
        remaining = ABSENCE_COUNTS_AFTER - self.facts.since_creation
        if self.status.creation is None or self.status.cache_status is not None or remaining <= 0:
            return None
        message = "The cloud took the POST a moment ago, and does not show the cache yet."
        return self.wait(Verdict(Reason.DELETE_REQUESTED, message), requeue_after=remaining)

    # --- rows that wait

    def _hold(self, verdict: Verdict) -> Decision:
        """Keep the object until a person acts; the cloud need not be looked at often meanwhile."""
        return self._unless_the_crd_goes(self.wait(verdict, in_motion=False))

    def _unless_the_crd_goes(self, decision: Decision) -> Decision:
        """No DELETE is near, before which the CRD would be read; so it is read for the sake of letting go."""
        if self.facts.crd is Crd.UNREAD:
            return replace(decision, action=ReadCrd())
        return replace(decision, requeue_after=min(decision.requeue_after or CRD_TRUST, CRD_TRUST))

    def _trouble(self, trouble: Trouble) -> Decision:
        return self._unless_the_crd_goes(self.wait(self.told(trouble), in_motion=trouble.passing))

    def told(self, trouble: Trouble) -> Verdict:
        """With the ways out where a person must act."""
        verdict = verdict_of(trouble)
        return verdict if trouble.passing else self._or_let_go(verdict)

    def _or_let_go(self, verdict: Verdict) -> Verdict:
        """With the ways out that an object in deletion has."""
        if verdict.reason is Reason.CREDENTIALS_INVALID and self.resource.credentials_ref is not None:
            ways = (
                "In a namespace that is being deleted no Secret can be created: remove spec.credentialsSecretRef there "
                "to use the operator's own credentials, if they are of the same account, or"
            )
        else:
            ways = "Or"
        return replace(
            verdict, message=f"{verdict.message} {ways} set spec.deletionPolicy to Retain to let go of this object."
        )

    def _awaited(self, look: Look) -> Decision:
        action: Action = Nothing()
        if look is Look.GET and self.cache_id is not None:
            action = Confirm(self.cache_id)
        if self.ready is not None and self.ready.status == "False":
            if self.until_overdue <= 0:
                return self.wait(_as_told(self.ready), action=action)
            pause = self.until_overdue
            if (answer := self.facts.answer) is not None:
                # Usually a look comes soon, and is told together with the answer.
                pause = min(pause, ANSWER_PATIENCE - self.facts.since_request)
                if pause <= 0:
                    return self.wait(self._answered(answer), action=action)
            return Decision(action, self.resource.status, requeue_after=pause, in_motion=True)
        if self.facts.waiting < PATIENCE:
            return Decision(action, self.resource.status, requeue_after=PATIENCE - self.facts.waiting, in_motion=True)
        return self.wait(Verdict(Reason.DELETE_REQUESTED, "Looking at the cloud before asking it."), action=action)

    def _answered(self, answer: DeleteAnswer) -> Verdict:
        """What to say of a DELETE that was answered, while no look that began after it has ended."""
        match answer:
            case NotDone(trouble):
                return self.told(trouble)
            case Accepted(at):
                return Verdict(
                    Reason.DELETE_REQUESTED, f"The cloud accepted DELETE at {readable(at)}; it is looked at next."
                )
            case Gone(message) | Refused(message) | Lost(message):
                return Verdict(
                    Reason.DELETE_REQUESTED, f"DELETE was answered ({message}); the cloud is looked at next."
                )
            case _:
                assert_never(answer)


def _as_told(ready: Condition) -> Verdict:
    """The verdict that the object shows already; one of another version counts as merely late."""
    known = ready.reason in frozenset(Reason) - READY_REASONS
    return Verdict(Reason(ready.reason) if known else Reason.DELETE_REQUESTED, ready.message)
