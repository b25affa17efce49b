"""The conditions that users and their tools read: computed in one place from a verdict.

Polarity: `Ready` is normal-true and always there. `Reconciling` (progress is expected) and `Stalled` (a person must
act, or it takes far too long) are abnormal-true, exclude each other, and are absent when false, as kstatus has it.
`lastTransitionTime` moves only when a condition's status does (Kubernetes API conventions).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from imagecache_operator.status import Condition

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"


class Reason(StrEnum):
    """Why `Ready` is what it is; grouped by who acts next."""

    # Nobody: it is as it should be.
    AVAILABLE = "Available"
    OBSERVED = "Observed"

    # The cloud.
    CREATE_REQUESTED = "CreateRequested"
    CREATING = "Creating"
    RECREATING = "Recreating"
    DELETE_REQUESTED = "DeleteRequested"
    DELETING = "Deleting"

    # Nobody yet: the operator asks again.
    DELETE_REFUSED = "DeleteRefused"
    DELETE_REVERTED = "DeleteReverted"
    UNKNOWN_STATUS = "UnknownStatus"
    THROTTLED = "Throttled"
    CLOUD_UNAVAILABLE = "CloudUnavailable"

    # A person.
    DELETE_OVERDUE = "DeleteOverdue"
    FAILED = "Failed"
    UNAVAILABLE = "Unavailable"
    EXPIRED = "Expired"
    NOT_FOUND = "NotFound"
    CONFLICT = "Conflict"
    NOT_ALLOWED = "NotAllowed"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    ACCESS_DENIED = "AccessDenied"
    ENDPOINT_INVALID = "EndpointInvalid"
    QUOTA_EXCEEDED = "QuotaExceeded"
    REQUEST_REJECTED = "RequestRejected"


class Progress(Enum):
    """What follows from a verdict."""

    DONE = "done"
    RECONCILING = RECONCILING
    STALLED = STALLED


STALLING = frozenset(
    {
        Reason.DELETE_OVERDUE,
        Reason.FAILED,
        Reason.UNAVAILABLE,
        Reason.EXPIRED,
        Reason.NOT_FOUND,
        Reason.CONFLICT,
        Reason.NOT_ALLOWED,
        Reason.CREDENTIALS_INVALID,
        Reason.ACCESS_DENIED,
        Reason.ENDPOINT_INVALID,
        Reason.QUOTA_EXCEEDED,
        Reason.REQUEST_REJECTED,
    }
)
READY_REASONS = frozenset({Reason.AVAILABLE, Reason.OBSERVED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to tell of the object: a reason and a sentence.

    `unknown` makes Ready Unknown instead of False; `overdue` makes any reason Stalled.
    """

    reason: Reason
    message: str
    unknown: bool = False
    overdue: bool = False

    @property
    def ready(self) -> str:
        """The status of the Ready condition."""
        if self.unknown:
            return "Unknown"
        return "True" if self.reason in READY_REASONS else "False"

    @property
    def progress(self) -> Progress:
        """Whether progress is expected, a person must act, or all is done."""
        if self.overdue or self.reason in STALLING:
            return Progress.STALLED
        if self.ready == "True":
            return Progress.DONE
        return Progress.RECONCILING


def conditions_for(
    verdict: Verdict, *, former: Iterable[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """The whole list of conditions that tells the verdict; transition times are kept where nothing changed."""
    known = {condition.type: condition for condition in former}
    moment = now.replace(microsecond=0)

    def condition(kind: str, status: str) -> Condition:
        before = known.get(kind)
        since = before.last_transition_time if before is not None and before.status == status else None
        return Condition(
            type=kind,
            status=status,
            observed_generation=generation,
            last_transition_time=since or moment,
            reason=verdict.reason,
            message=verdict.message,
        )

    ready = condition(READY, verdict.ready)
    if verdict.progress is Progress.DONE:
        return (ready,)
    return (ready, condition(verdict.progress.value, "True"))
