"""The deletion table, rows of a cache that is still there after a DELETE: when it is asked again, what is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.decision.builders import (
    ID,
    NOT_DELETING,
    NOW,
    POLICY,
    US,
    Case,
    after,
    asked,
    conditions,
    message,
    present,
    requested,
    says,
)

from imagecache_operator.decide import decide
from imagecache_operator.decision import Crd, Facts, Nothing, Policy, QueueWrite, ReadCrd, RequestDeletion

RETRY_IN = [
    pytest.param(0, 60, id="a count that was lost"),
    pytest.param(1, 60, id="first"),
    pytest.param(2, 120, id="second"),
    pytest.param(3, 240, id="third"),
    pytest.param(4, 480, id="fourth"),
    pytest.param(5, 600, id="fifth"),
    pytest.param(6, 600, id="sixth"),
    pytest.param(5000, 600, id="five thousandth"),
]


@pytest.mark.parametrize(("attempts", "pause"), RETRY_IN)
@pytest.mark.parametrize(
    "history",
    [
        pytest.param({"accepted": True}, id="accepted"),
        pytest.param({"accepted": True, "seen": True}, id="accepted and seen Deleting"),
        pytest.param({"answer": "Refused"}, id="refused"),
        pytest.param({"answer": "Lost"}, id="answer lost"),
        pytest.param({"answer": "NotFound"}, id="answered with 404"),
        pytest.param({}, id="never answered"),
    ],
)
def test_a_delete_that_may_have_been_carried_out_is_repeated_by_one_rule(
    history: dict[str, Any], attempts: int, pause: int
) -> None:
    """The retry time doubles from 60 s to 10 min, from `requestedAt` and `attempts`, both in status."""
    early = Case(
        requested(asked(ago=pause - 1, attempts=attempts, **history)), facts={"since_request": pause - 1.0}
    ).decide()
    assert early.action == Nothing()
    assert early.requeue_after is not None
    assert early.requeue_after <= 1.0
    due = Case(requested(asked(ago=pause, attempts=attempts, **history)), facts={"since_request": float(pause)})
    assert due.decide().action == RequestDeletion(ID, attempts + 1)


def test_the_retry_time_is_a_setting() -> None:
    """Ten times the setting is the end of the doubling."""
    case = Case(requested(asked(attempts=9, accepted=True)), policy=Policy(delete_retry_after=0.5))
    assert replace(case, facts={"since_request": 4.9}).decide().action == Nothing()
    assert replace(case, facts={"since_request": 5.0}).decide().action == RequestDeletion(ID, 10)


def test_a_restart_changes_nothing_about_the_repetition() -> None:
    """All that the rule needs is in the status: a process that knows nothing else decides the same."""
    resource = requested(asked(ago=100, attempts=2, accepted=True))
    fresh = Facts(identity=US, crd=Crd.ALIVE, slot_granted=True, since_request=100.0, waiting=3.0)
    assert decide(resource, present(), fresh, NOW, POLICY).action == Nothing()
    later = replace(fresh, since_request=120.0)
    assert decide(resource, present(), later, NOW, POLICY).action == RequestDeletion(ID, 3)


def test_a_repetition_forgets_what_the_former_delete_met() -> None:
    """Acceptance, sight and error belong to one DELETE; only the count goes on."""
    resource = requested(asked(ago=60, attempts=1, accepted=True, seen=True, error="old"))
    deletion = Case(resource, facts={"since_request": 60.0}).decide().status.deletion
    assert deletion is not None
    assert deletion.model_dump(exclude_none=True) == {"requested_at": NOW, "attempts": 2}


@pytest.mark.parametrize("word", NOT_DELETING)
@pytest.mark.parametrize(
    ("history", "since", "reason"),
    [
        pytest.param({}, 59.0, "DeleteRequested", id="not answered for less than 60 s"),
        pytest.param({"accepted": True}, 59.0, "DeleteRequested", id="accepted and not seen Deleting for 59 s"),
        pytest.param({"accepted": True, "seen": True}, 5.0, "DeleteReverted", id="left Deleting at once"),
        pytest.param({"answer": "Refused"}, 5.0, "DeleteRefused", id="refused"),
        pytest.param({"answer": "Lost"}, 5.0, "DeleteRequested", id="answer lost"),
        pytest.param({"answer": "NotFound"}, 5.0, "DeleteRequested", id="404, yet it is there"),
    ],
)
def test_what_is_said_of_a_cache_that_is_still_there(
    history: dict[str, Any], since: float, reason: str, word: str
) -> None:
    """The reason tells what became of the DELETE."""
    decision = Case(requested(asked(ago=since, **history)), present(word), {"since_request": since}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says(reason)
    assert decision.in_motion


@pytest.mark.parametrize("seen", [True, False], ids=["seen Deleting", "never seen Deleting"])
def test_an_accepted_delete_that_did_nothing_is_reverted_and_quotes_the_cloud(seen: bool) -> None:
    """Past 60 s, or after Deleting was seen, the cloud gave it up; the message has its words and the next time."""
    resource = requested(asked(ago=70, attempts=2, accepted=True, seen=seen))
    decision = Case(resource, present("Failed", message="disk in use."), {"since_request": 70.0}).decide()
    assert conditions(decision) == says("DeleteReverted")
    assert message(decision) == (
        "The cloud gave up the deletion; it says Failed: disk in use. DELETE is sent again at 2026-03-01T12:00:50Z."
    )
    assert decision.status.cache_message == "disk in use."


def test_an_accepted_delete_that_does_nothing_shows_itself_after_60_s_also_at_later_attempts() -> None:
    """The pass comes back when the row changes, not only when the next DELETE is due."""
    case = Case(requested(asked(ago=30, attempts=5, accepted=True)), facts={"since_request": 30.0})
    decision = case.decide()
    assert conditions(decision) == says("DeleteRequested")
    assert decision.requeue_after is not None
    assert decision.requeue_after <= 30.0


def test_a_reversal_is_told_before_the_cloud_is_asked_again() -> None:
    """Also when the retry time is over already: else nobody would learn that, and why, the cloud gave up."""
    resource = requested(asked(ago=90, accepted=True, seen=True), reason="Deleting")
    decision = Case(resource, present(message="disk in use"), {"since_request": 90.0}).decide()
    assert conditions(decision) == says("DeleteReverted")
    assert "disk in use" in message(decision)
    assert decision.requeue_after == 0.0
    second = Case(after(resource, decision), present(), {"since_request": 90.0}).decide()
    assert second.action == RequestDeletion(ID, 2)


def test_a_refused_delete_quotes_the_cloud_and_tells_the_next_time() -> None:
    """The person reads why and when."""
    resource = requested(asked(ago=30, answer="Refused", error="409 CCE.01409002: locked."))
    decision = Case(resource, facts={"since_request": 30.0}).decide()
    assert message(decision) == (
        "The cloud refused DELETE (409 CCE.01409002: locked). DELETE is sent again at 2026-03-01T12:00:30Z."
    )


def test_a_lost_answer_is_told_with_the_next_time() -> None:
    """Look, do not repeat for 60 s."""
    resource = requested(asked(ago=30, answer="Lost", error="no usable answer: timed out."))
    decision = Case(resource, facts={"since_request": 30.0}).decide()
    assert "timed out" in message(decision)
    assert "again at 2026-03-01T12:00:30Z" in message(decision)


@pytest.mark.parametrize("crd", [Crd.UNREAD, Crd.UNREADABLE])
def test_the_crd_is_read_before_a_repetition_too(crd: Crd) -> None:
    """The DELETE before it may have been that of a replacement, which says nothing of the object's own deletion."""
    decision = Case(requested(asked(ago=61)), facts={"crd": crd, "since_request": 61.0}).decide()
    assert decision.action == ReadCrd()


def test_a_repetition_needs_its_slot_too() -> None:
    """No write goes past the limiter."""
    case = Case(requested(asked(ago=60, accepted=True)), facts={"since_request": 60.0, "slot_granted": False})
    decision = case.decide()
    assert decision.action == QueueWrite()
    assert decision.status.deletion == case.resource.status.deletion


def test_a_repetition_that_waits_for_its_slot_says_so() -> None:
    """Waiting for a write slot is DeleteRequested with a message that says so (interface, 1.3)."""
    decision = Case(
        requested(asked(ago=90, accepted=True, seen=True)), facts={"since_request": 90.0, "slot_granted": False}
    ).decide()
    assert "write slot" in message(decision)
