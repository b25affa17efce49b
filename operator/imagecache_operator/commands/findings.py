"""What `doctor` finds, as text for people and as JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from imagecache_operator.cloud.signer import CLOCK_MAX

CLOCK_ODD = 60.0
"""Seconds; more is no accident of the network."""


class Outcome(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Attributes:
        check: what was looked at.
        outcome: how it is.
        told: what was found, or what is wrong, or why it was not looked at.
        mend: what to do about it; empty when there is nothing to do.
    """

    check: str
    outcome: Outcome
    told: str = ""
    mend: str = ""

    def to_text(self) -> str:
        """One line, and what is wrong and how to mend it below."""
        if self.outcome in {Outcome.OK, Outcome.SKIPPED}:
            return f"{self.outcome:<8} {self.check}: {self.told}" if self.told else f"{self.outcome:<8} {self.check}"
        lines = [line for line in (self.told, self.mend) if line]
        return "\n".join([f"{self.outcome:<8} {self.check}", *(f"         {line}" for line in lines)])

    def to_json(self) -> dict[str, str]:
        """The same for programs."""
        return {"check": self.check, "outcome": self.outcome.lower(), "message": self.told, "mend": self.mend}


def good(findings: Iterable[Finding]) -> bool:
    """Whether nothing has failed; warnings are no failures."""
    return all(finding.outcome is not Outcome.FAILED for finding in findings)


def to_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """The whole report."""
    found = list(findings)
    return {"ok": good(found), "checks": [finding.to_json() for finding in found]}


def judge_clock(whose: str, theirs: datetime | None, ours: datetime) -> Finding:
    """How far a clock is from ours.

    Args:
        whose: whose clock it is.
        theirs: what it said, in whole seconds; None: it did not.
        ours: our own at the same time.
    """
    check = f"clock against {whose}"
    if theirs is None:
        return Finding(check, Outcome.SKIPPED, f"{whose} did not tell its time.")
    offset = (ours - theirs).total_seconds()
    told = f"This machine's clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} that of {whose}."
    mend = "Set the clock of this machine (NTP), or find out which of the two is wrong."
    if abs(offset) > CLOCK_MAX:
        return Finding(check, Outcome.FAILED, f"{told} Signatures are refused beyond {CLOCK_MAX / 60:.0f} min.", mend)
    if abs(offset) > CLOCK_ODD:
        return Finding(check, Outcome.WARNING, told, mend)
    # A second or two are lost on the way, and in the rounding of the header.
    return Finding(check, Outcome.OK, f"less than {max(2, round(abs(offset)) + 1)} s apart")
