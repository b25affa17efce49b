"""The deletion table past the stall time: what becomes Stalled, under which reason, and when that is looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.decision.builders import (
    LATE,
    LIST_AWAITED,
    Case,
    absent,
    asked,
    condition,
    conditions,
    deleting,
    present,
    ready_status,
    requested,
    says,
    trouble,
)

from imagecache_operator.decision import Crd, Nothing, Release
from imagecache_operator.observation import CacheStatus, Observation, TroubleKind


def _late(case: Case) -> Case:
    return replace(case, now=LATE)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        pytest.param(Case(observation=present(CacheStatus.DELETING)), "DeleteOverdue", id="the cloud never ends"),
        pytest.param(
            Case(requested(asked(ago=5)), present(), {"in_flight": True}), "DeleteOverdue", id="a DELETE hangs"
        ),
        pytest.param(Case(facts={"slot_granted": False}), "DeleteOverdue", id="no write slot for half an hour"),
        pytest.param(Case(facts={"crd": Crd.UNREADABLE}), "DeleteOverdue", id="the CRD stays unreadable"),
        pytest.param(
            Case(requested(asked(answer="Refused")), present()),
            "DeleteRefused",
            id="the cloud keeps refusing",
        ),
        pytest.param(
            Case(requested(asked(accepted=True, seen=True)), present()),
            "DeleteReverted",
            id="the cloud keeps reverting",
        ),
        pytest.param(Case(observation=trouble(TroubleKind.THROTTLED)), "Throttled", id="throttled all the time"),
        pytest.param(Case(observation=trouble(TroubleKind.CLOUD_UNAVAILABLE)), "CloudUnavailable", id="no connection"),
        pytest.param(Case(observation=LIST_AWAITED), "DeleteOverdue", id="no look ever ends"),
    ],
)
def test_past_the_stall_time_every_waiting_row_is_stalled(case: Case, reason: str) -> None:
    """Where the cloud merely takes long it is DeleteOverdue; other reasons stay and become Stalled."""
    before = replace(case, now=LATE - timedelta(seconds=1)).decide()
    assert "Stalled" not in conditions(before)
    assert conditions(_late(case).decide()) == says(reason, stalled=True)


@pytest.mark.parametrize(
    ("observation", "again"),
    [
        pytest.param(present(CacheStatus.DELETING), 1780, id="Deleting"),
        pytest.param(trouble(TroubleKind.THROTTLED), 60, id="Throttled"),
        pytest.param(trouble(TroubleKind.CREDENTIALS_INVALID), 60, id="CredentialsInvalid"),
    ],
)
def test_the_pass_comes_back(observation: Observation, again: float) -> None:
    """No event tells that the stall time is over (20 s of 1800 are), nor that the CRD is being deleted meanwhile."""
    assert Case(observation=observation).decide().requeue_after == pytest.approx(again)


def test_a_deletion_whose_looks_never_end_becomes_stalled() -> None:
    """Any deletion becomes Stalled past the stall time (interface, 1.3), also when it was not Ready before."""
    decision = replace(Case(requested(asked(accepted=True)), LIST_AWAITED), now=LATE).decide()
    assert "Stalled" in conditions(decision)


def test_a_pass_that_awaits_a_look_comes_back_for_the_stall_time() -> None:
    """Nothing else wakes an object whose looks hang."""
    decision = Case(requested(asked(accepted=True)), LIST_AWAITED).decide()
    assert decision.requeue_after == pytest.approx(1780)


def test_lateness_does_not_end_the_efforts() -> None:
    """A cache that is there past the stall time is still asked to go, and an absence still releases."""
    assert _late(Case()).decide().action != Nothing()
    assert isinstance(_late(Case(observation=absent())).decide().action, Release)


def test_the_sighting_of_deleting_ends_an_overdue_reason() -> None:
    """Reasons are decided anew each time: back in time (a clock set right) it is Deleting again."""
    overdue = ready_status("DeleteOverdue", ready="False")
    overdue["conditions"].append(condition("Stalled", "True", "DeleteOverdue"))
    decision = Case(deleting(status=overdue), present(CacheStatus.DELETING)).decide()
    assert conditions(decision) == says("Deleting")
