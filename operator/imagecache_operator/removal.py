"""Removing a cache that is there: DELETE, wait, ask again. For objects that are deleted, and for replacements.

One rule for every repetition: a DELETE that may have been carried out is repeated after the retry time, doubling, from
`deletion.requestedAt` and `attempts`; one that certainly was not is no attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Action, Crd, Decision, Policy, QueueWrite, ReadCrd, RequestDeletion
from imagecache_operator.model import format_time
from imagecache_operator.observation import CacheStatus, Present, Trouble
from imagecache_operator.status import Deletion, DeletionAnswer, ImageCacheStatus
from imagecache_operator.table import WAITING_FOR_SLOT, Table, sighted, verdict_of

RETRY_FACTOR_MAX = 10
"""The pause between two DELETEs doubles up to this many times the setting."""


def retry_pause(attempts: int, policy: Policy) -> float:
    """Seconds between the DELETE with that number and the next: one rule for all that may have been carried out."""
    doublings = min(max(attempts - 1, 0), RETRY_FACTOR_MAX)
    return policy.delete_retry_after * min(2.0**doublings, RETRY_FACTOR_MAX)


def recorded_deletion(status: ImageCacheStatus, answer: DeleteAnswer | None) -> ImageCacheStatus:
    """The status with the answer to the newest DELETE in it; recording twice changes nothing."""
    asked = status.deletion
    if answer is None or asked is None or asked.requested_at is None:
        return status
    update: dict[str, object]
    match answer:
        case Accepted(at):
            update = {"answer": DeletionAnswer.ACCEPTED, "accepted_at": at, "last_error": None}
        case Refused(message):
            update = {"answer": DeletionAnswer.REFUSED, "last_error": message}
        case Gone(message):
            update = {"answer": DeletionAnswer.NOT_FOUND, "last_error": f"already gone: {message}"}
        case Lost(message):
            update = {"answer": DeletionAnswer.LOST, "last_error": f"no usable answer: {message}"}
        case NotDone(trouble):
            # No attempt: requestedAt goes too, so that nothing waits for an answer that cannot come.
            update = {"last_error": trouble.message, "requested_at": None}
            update["attempts"] = max(asked.attempts - 1, 0)
        case _:
            assert_never(answer)
    update["request_id"] = answer.request_id
    return status.model_copy(update={"deletion": asked.model_copy(update=update)})


@dataclass(frozen=True, slots=True)
class RemovalTable(Table):
    """The rows for a cache that is there and is to go; `replacing`: why, None when its object is deleted."""

    replacing: str | None = None

    @property
    def _began(self) -> datetime:
        """When the deletion began; of a replacement, at the latest: by the number of DELETEs and their pauses."""
        if self.resource.deleted_at is not None:
            return self.resource.deleted_at
        if self.asked is None or self.asked.requested_at is None:
            return self.now - timedelta(seconds=self.removing_for)
        pauses = sum(retry_pause(attempt, self.policy) for attempt in range(1, self.asked.attempts))
        return self.asked.requested_at - timedelta(seconds=pauses)

    @property
    def asked(self) -> Deletion | None:
        """The newest DELETE that may have been carried out."""
        deletion = self.status.deletion
        return deletion if deletion is not None and deletion.requested_at is not None else None

    @property
    def until_overdue(self) -> float:
        """Seconds until the deletion takes too long; negative when it does."""
        return self.policy.stalled_after - (self.now - self._began).total_seconds()

    @property
    def _until_effect_is_due(self) -> float:
        """Seconds until a DELETE that was accepted should have shown an effect; negative when it should have."""
        return self.policy.delete_retry_after - self.facts.since_request

    def wait(
        self,
        verdict: Verdict,
        *,
        status: ImageCacheStatus | None = None,
        action: Action | None = None,
        requeue_after: float | None = None,
        in_motion: bool = True,
    ) -> Decision:
        """Show the verdict, Stalled as well once the deletion takes too long."""
        remaining = self.until_overdue
        if remaining <= 0:
            late = verdict.reason in {Reason.DELETING, Reason.DELETE_REQUESTED}
            reason = Reason.DELETE_OVERDUE if late else verdict.reason
            verdict = Verdict(reason, verdict.message, overdue=True)
        elif self.replacing is not None and verdict.reason in {Reason.DELETING, Reason.DELETE_REQUESTED}:
            verdict = Verdict(Reason.RECREATING, f"The cache is replaced, because {self.replacing}. {verdict.message}")
        if remaining > 0 and (requeue_after is None or remaining < requeue_after):
            requeue_after = remaining
        return self.show(verdict, status=status, action=action, requeue_after=requeue_after, in_motion=in_motion)

    def present(self, present: Present) -> Decision:
        """The rows for a cache that is there."""
        status = sighted(self.status, present)
        if present.cache.status == CacheStatus.DELETING:
            asked = self.asked
            if asked is not None and asked.seen_deleting_at is None and not self.facts.in_flight:
                status = status.model_copy(update={"deletion": asked.model_copy(update={"seen_deleting_at": self.now})})
            return self.wait(
                Verdict(Reason.DELETING, f"The cloud is deleting cache {present.cache.id}."), status=status
            )
        if self.facts.in_flight:
            return self.wait(self.on_its_way(present.cache.id), status=status)
        if self.asked is None:
            return self._request(present, status, Verdict(Reason.DELETE_REQUESTED, "DELETE was not sent yet."))
        verdict = self._after_request(present, self.asked)
        remaining = retry_pause(self.asked.attempts, self.policy) - self.facts.since_request
        if remaining > 0:
            if self.asked.accepted_at is not None and self._until_effect_is_due > 0:
                remaining = min(remaining, self._until_effect_is_due)
            return self.wait(verdict, status=status, requeue_after=remaining)
        if verdict.reason is Reason.DELETE_REVERTED and self.tells(Reason.DELETING, Reason.RECREATING):
            # Told before it is asked for again: else nobody would learn that, and why, the cloud gave up.
            return self.wait(verdict, status=status, requeue_after=0.0)
        return self._request(present, status, verdict)

    def told(self, trouble: Trouble) -> Verdict:
        """What to tell of trouble."""
        return verdict_of(trouble)

    def _after_request(self, present: Present, asked: Deletion) -> Verdict:
        """What to say of a cache that is still there, and not Deleting, after a DELETE."""
        cache = present.cache
        assert asked.requested_at is not None
        again = asked.requested_at + timedelta(seconds=retry_pause(asked.attempts, self.policy))
        then = f"DELETE is sent again at {readable(again)}."
        said = f"{cache.status}: {cache.message}" if cache.message else str(cache.status)
        error = (asked.last_error or "").rstrip(".")
        in_vain = asked.accepted_at is not None and self._until_effect_is_due <= 0
        if asked.seen_deleting_at is not None or in_vain:
            return Verdict(
                Reason.DELETE_REVERTED, f"The cloud gave up the deletion; it says {said.rstrip('.')}. {then}"
            )
        if asked.answer is DeletionAnswer.REFUSED:
            return Verdict(Reason.DELETE_REFUSED, f"The cloud refused DELETE ({error}). {then}")
        if asked.accepted_at is not None:
            return Verdict(Reason.DELETE_REQUESTED, f"The cloud accepted DELETE at {readable(asked.accepted_at)}.")
        what = error or "no answer yet"
        return Verdict(Reason.DELETE_REQUESTED, f"DELETE of {readable(asked.requested_at)}: {what}. {then}")

    def on_its_way(self, cache_id: str | None) -> Verdict:
        """What to say while a DELETE is not answered."""
        return Verdict(Reason.DELETE_REQUESTED, f"DELETE of cache {cache_id} is on its way.")

    def _request(self, present: Present, status: ImageCacheStatus, verdict: Verdict) -> Decision:
        """Everything that must be true before a DELETE goes out, then the DELETE."""
        facts = self.facts
        if facts.write_trouble is not None:
            in_motion = facts.write_trouble.passing
            return self.wait(self.told(facts.write_trouble), status=status, in_motion=in_motion)
        if facts.crd is Crd.UNREAD:
            return self.wait(verdict, status=status, action=ReadCrd())
        if facts.crd is Crd.UNREADABLE:
            message = "Waiting to read the CustomResourceDefinition: if it is being deleted, caches stay."
            return self.wait(Verdict(Reason.DELETE_REQUESTED, message), status=status, action=ReadCrd())
        if not facts.slot_granted:
            message = WAITING_FOR_SLOT
            if verdict.reason is not Reason.DELETE_REQUESTED:
                message = f"{message} {verdict.message}"
            return self.wait(Verdict(Reason.DELETE_REQUESTED, message), status=status, action=QueueWrite())
        attempt = (status.deletion.attempts if status.deletion is not None else 0) + 1
        deletion = Deletion(requested_at=self.now, attempts=attempt)
        return self.wait(
            self.on_its_way(present.cache.id),
            status=status.model_copy(update={"deletion": deletion}),
            action=RequestDeletion(present.cache.id, attempt),
        )


def readable(moment: datetime | None) -> str:
    """A time in a sentence."""
    return format_time(moment.replace(microsecond=0)) if moment is not None else "an unknown time"
