"""The deletion table, what the answer to a DELETE leaves in the status, and what is done next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import DELETING, ID, NOW, Case, after, asked, conditions, present, requested, says

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.decision import Nothing, RequestDeletion
from imagecache_operator.observation import Observation, Trouble, TroubleKind

ANSWERS: list[tuple[DeleteAnswer, dict[str, Any]]] = [
    (Accepted(NOW, "r"), {"answer": "Accepted", "accepted_at": NOW, "request_id": "r", "last_error": None}),
    (Accepted(NOW), {"answer": "Accepted", "accepted_at": NOW, "request_id": None, "last_error": None}),
    (Gone("no such cache", "r"), {"answer": "NotFound", "accepted_at": None, "request_id": "r"}),
    (Refused("locked", "r"), {"answer": "Refused", "accepted_at": None, "request_id": "r"}),
    (Lost("timed out"), {"answer": "Lost", "accepted_at": None, "request_id": None}),
]
NOT_DONE = [pytest.param(Trouble(kind, "the cloud's words"), id=kind.value) for kind in TroubleKind]


@pytest.mark.parametrize(
    ("answer", "expected"), [pytest.param(*row, id=f"{type(row[0]).__name__}-{row[0].request_id}") for row in ANSWERS]
)
def test_an_answer_is_written_into_the_status(answer: DeleteAnswer, expected: dict[str, Any]) -> None:
    """Acceptance and request id, or the error; it counts as an attempt; recording it twice changes nothing."""
    case = Case(requested(asked()), present(), {"answer": answer, "since_request": 10.0})
    first = case.decide()
    deletion = first.status.deletion
    assert deletion is not None
    assert {name: getattr(deletion, name) for name in expected} == expected
    assert deletion.attempts == 1
    assert first.action == Nothing()
    if isinstance(answer, Gone | Refused | Lost):
        assert deletion.last_error is not None
        assert answer.message in deletion.last_error
    assert replace(case, resource=after(case.resource, first)).decide().status == first.status


def test_the_first_sight_of_deleting_is_written_with_the_acceptance() -> None:
    """What is learnt after a DELETE is written together: one patch."""
    accepted = NOW - timedelta(seconds=4)
    decision = Case(requested(asked()), DELETING, {"answer": Accepted(accepted, "req-1")}).decide()
    deletion = decision.status.deletion
    assert deletion is not None
    assert (deletion.accepted_at, deletion.seen_deleting_at, deletion.request_id) == (accepted, NOW, "req-1")
    assert deletion.attempts == 1


def test_a_deleting_status_before_the_answer_does_not_count_as_seen() -> None:
    """Seen counts only from a look that began after acceptance (design, section 4)."""
    decision = Case(requested(asked()), DELETING, {"in_flight": True}).decide()
    assert decision.status.deletion is not None
    assert decision.status.deletion.seen_deleting_at is None


@pytest.mark.parametrize("obstacle", NOT_DONE)
@pytest.mark.parametrize("attempts", [1, 4])
def test_a_delete_that_was_certainly_not_carried_out_is_no_attempt(obstacle: Trouble, attempts: int) -> None:
    """It leaves no time to wait for, and the count is as before; the obstacle is shown while it lasts."""
    case = Case(
        requested(asked(attempts=attempts)),
        facts={"answer": NotDone(obstacle), "write_trouble": obstacle, "since_request": 1.0},
    )
    decision = case.decide()
    deletion = decision.status.deletion
    assert deletion is not None
    assert (deletion.requested_at, deletion.attempts, deletion.last_error) == (None, attempts - 1, "the cloud's words")
    assert decision.action == Nothing()
    assert conditions(decision) == says(obstacle.kind.value, stalled=not obstacle.passing)
    again = replace(case, resource=after(case.resource, decision)).decide()
    assert again.status == decision.status


def test_a_delete_that_was_not_carried_out_goes_again_as_soon_as_its_obstacle_is_gone() -> None:
    """No 60 s for a request that the cloud never took."""
    resource = requested({"attempts": 1, "lastError": "The cloud's request limit is reached."})
    decision = Case(resource, facts={"since_request": 0.0}).decide()
    assert decision.action == RequestDeletion(ID, 2)


def test_an_answer_without_an_intent_in_the_status_is_not_taken() -> None:
    """It would be an answer to a DELETE of another story."""
    decision = Case(facts={"answer": Refused("locked"), "slot_granted": False}).decide()
    assert decision.status.deletion is None


@pytest.mark.parametrize("observation", [present(), DELETING], ids=["still there", "Deleting"])
def test_an_answer_of_not_done_is_not_the_end_of_an_earlier_delete(observation: Observation) -> None:
    """A cache that is Deleting is waited for, whatever the answer was."""
    decision = Case(
        requested(asked(attempts=2)), observation, {"answer": NotDone(Trouble(TroubleKind.THROTTLED, "slow"))}
    ).decide()
    expected = Nothing() if observation is DELETING else RequestDeletion(ID, 2)
    assert decision.action == expected


def test_the_count_of_attempts_never_falls_below_zero() -> None:
    """The API server refuses less, and a refused status would stop the deletion."""
    resource = requested({"requestedAt": "2026-03-01T11:59:50Z"})
    obstacle = Trouble(TroubleKind.THROTTLED, "slow")
    decision = Case(resource, facts={"answer": NotDone(obstacle), "write_trouble": obstacle}).decide()
    assert decision.status.deletion is not None
    assert decision.status.deletion.attempts >= 0
