"""Objects in every state that they can be in, with the conditions that the operator itself would write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from imagecache_operator.conditions import Reason, Verdict, conditions_for
from imagecache_operator.names import FINALIZER
from imagecache_operator.status import ImageCacheStatus

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GENERATION = 3


class Outcome(Enum):
    """What a state means to somebody who waits for it."""

    USABLE = "usable"
    COMING = "coming"
    STUCK = "stuck"


def _reasons(outcome: Outcome, words: str) -> dict[Reason, Outcome]:
    return {Reason(word): outcome for word in words.split()}


# By hand, from the table of reasons in docs/imagecache.md: not from the code that is tested.
OUTCOMES = {
    **_reasons(Outcome.USABLE, "Available Observed"),
    **_reasons(Outcome.COMING, "CreateRequested Creating Recreating DeleteRequested Deleting DeleteRefused"),
    **_reasons(Outcome.COMING, "DeleteReverted UnknownStatus Throttled CloudUnavailable"),
    **_reasons(Outcome.STUCK, "Failed Unavailable Expired DeleteOverdue NotFound Conflict NotAllowed"),
    **_reasons(Outcome.STUCK, "CredentialsInvalid AccessDenied EndpointInvalid QuotaExceeded RequestRejected"),
}


@dataclass(frozen=True)
class State:
    """An object in a situation, and what it means."""

    verdict: Verdict
    outcome: Outcome
    deleting: bool = False
    stale: bool = False
    """The object has changed, and the operator has not looked at it since."""

    def __str__(self) -> str:
        words = [
            self.verdict.reason.value,
            "overdue" if self.verdict.overdue else "",
            "for-long" if self.verdict.unknown else "",
            "deleting" if self.deleting else "",
            "changed-since" if self.stale else "",
        ]
        return "-".join(word for word in words if word)

    @property
    def object(self) -> dict[str, Any]:
        """As the API server has it."""
        conditions = conditions_for(self.verdict, former=(), generation=GENERATION, now=NOW)
        status = ImageCacheStatus(observed_generation=GENERATION, conditions=conditions)
        made = new(status=status.to_json(), generation=GENERATION + self.stale)
        if self.deleting:
            made["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
        return made


def new(*, status: dict[str, Any] | None = None, generation: int = 1, **spec: Any) -> dict[str, Any]:
    """A brand-new object with the status that the definition gives it, or another."""
    return {
        "apiVersion": "cce.huaweicloud.com/v1alpha1",
        "kind": "ImageCache",
        "metadata": {"name": "web", "namespace": "team", "generation": generation, "finalizers": [FINALIZER]},
        "spec": spec or {"images": ["nginx:1.27"], "sizeGiB": 40},
        "status": status or {"observedGeneration": -1},
    }


def _verdicts() -> Iterator[tuple[Verdict, Outcome]]:
    for reason, outcome in OUTCOMES.items():
        verdict = Verdict(reason, f"This is about {reason.value}.")
        yield verdict, outcome
        if outcome is Outcome.COMING:
            yield replace(verdict, overdue=True), Outcome.STUCK
    # Trouble that lasts: what was usable once is not known to be so any more.
    for reason in (Reason.THROTTLED, Reason.CLOUD_UNAVAILABLE, Reason.AVAILABLE, Reason.OBSERVED):
        yield Verdict(reason, "Nobody knows.", unknown=True), Outcome.COMING


STATES = [
    State(verdict, outcome, deleting, stale)
    for verdict, outcome in _verdicts()
    for deleting in (False, True)
    for stale in (False, True)
]
