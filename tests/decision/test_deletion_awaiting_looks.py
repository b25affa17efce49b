"""The deletion table, rows for looks that are awaited: what is shown meanwhile, and which look is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.decision.builders import (
    GET_AWAITED,
    ID,
    LIST_AWAITED,
    NOTHING_YET,
    NOW,
    OR_RETAIN,
    Case,
    asked,
    conditions,
    deleting,
    message,
    ready_status,
    requested,
    says,
)

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.decision import Confirm, Nothing, Release
from imagecache_operator.observation import Observation, Trouble, TroubleKind


@pytest.mark.parametrize("observation", [LIST_AWAITED, GET_AWAITED], ids=["LIST", "GET"])
def test_a_look_that_takes_less_than_two_seconds_is_not_worth_a_write(observation: Observation) -> None:
    """The status stays as it is; the pass comes back when the patience ends."""
    case = Case(observation=observation, facts={"waiting": 0.5})
    decision = case.decide()
    assert decision.status == case.resource.status
    assert decision.requeue_after == pytest.approx(1.5)
    assert decision.in_motion


@pytest.mark.parametrize("status", [NOTHING_YET, ready_status()], ids=["new object", "Ready object"])
def test_a_look_that_takes_longer_is_shown(status: dict[str, Any]) -> None:
    """Then the status says what is awaited, and Ready is False."""
    decision = Case(deleting(status=status), LIST_AWAITED, facts={"waiting": 2.0}).decide()
    assert conditions(decision) == says("DeleteRequested")
    assert "Looking at the cloud" in message(decision)


@pytest.mark.parametrize("waiting", [0.0, 20.0])
@pytest.mark.parametrize("status", [NOTHING_YET, ready_status(), ready_status("Deleting", ready="False")])
def test_a_list_lacks_the_id_so_a_get_must_confirm(status: dict[str, Any], waiting: float) -> None:
    """A LIST is never the last word on absence."""
    decision = Case(deleting(status=status), GET_AWAITED, facts={"waiting": waiting}).decide()
    assert decision.action == Confirm(ID)


def test_gone_is_no_proof() -> None:
    """The 404 to a DELETE must be confirmed by a look."""
    decision = Case(requested(asked()), GET_AWAITED, facts={"answer": Gone("no such cache")}).decide()
    assert decision.action == Confirm(ID)


def test_the_next_list_is_awaited_without_a_call_of_our_own() -> None:
    """The poller brings it."""
    assert Case(observation=LIST_AWAITED).decide().action == Nothing()


@pytest.mark.parametrize("answer", [None, "Lost"])
def test_an_open_creation_is_never_let_go_as_never_created(answer: str | None) -> None:
    """No row releases while a creation is open (design, section 4), also in a version that cannot create."""
    creation = {"attemptID": "a", "requestedAt": "2026-03-01T11:59:00Z", "specHash": "h"}
    if answer is not None:
        creation["answer"] = answer
    decision = Case(deleting(spec={"images": ["nginx"]}, status={"creation": creation}), LIST_AWAITED).decide()
    assert not isinstance(decision.action, Release)


def test_a_status_that_already_says_that_it_is_not_ready_stays_while_looks_are_awaited() -> None:
    """Between two looks nothing flaps, and what was learnt is not written one by one."""
    case = Case(requested(asked()), LIST_AWAITED, facts={"answer": Accepted(NOW)})
    assert case.decide().status == case.resource.status


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (Accepted(NOW, "r"), "DeleteRequested", "accepted DELETE at"),
        (Gone("404: none"), "DeleteRequested", "404: none"),
        (Refused("409: locked"), "DeleteRequested", "409: locked"),
        (Lost("cut off"), "DeleteRequested", "cut off"),
        (NotDone(Trouble(TroubleKind.THROTTLED, "429: slowly")), "Throttled", "429: slowly"),
        (NotDone(Trouble(TroubleKind.ACCESS_DENIED, "403: no")), "AccessDenied", "403: no" + OR_RETAIN),
    ],
)
def test_an_answer_is_told_alone_when_no_look_follows_it_for_long(
    answer: DeleteAnswer, reason: str, words: str
) -> None:
    """At first it waits for the look, so that both are told with one write."""
    case = Case(requested(asked(ago=9)), LIST_AWAITED, {"answer": answer, "since_request": 9.0})
    early = case.decide()
    assert early.status == case.resource.status
    assert early.requeue_after == pytest.approx(1.0)
    late = replace(case, facts={"answer": answer, "since_request": 11.0}).decide()
    assert conditions(late) == says(reason, stalled=reason == "AccessDenied")
    assert words in message(late)
    assert late.status.deletion != case.resource.status.deletion
