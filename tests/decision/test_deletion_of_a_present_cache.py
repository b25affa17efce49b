"""The deletion table, rows of a cache that is there: wait, ask, ask again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import (
    ID,
    NOW,
    POLICY,
    READY_TO_WRITE,
    ROTATED,
    UNTOLD,
    US,
    Case,
    asked,
    conditions,
    deleting,
    message,
    present,
    ready_status,
    requested,
    says,
)

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.decide import decide
from imagecache_operator.decision import Crd, Decision, Facts, Nothing, Policy, QueueWrite, ReadCrd, RequestDeletion
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import CacheStatus, Observation, Trouble, TroubleKind

NOT_DELETING: list[CacheStatus | str] = [
    CacheStatus.AVAILABLE,
    CacheStatus.CREATING,
    CacheStatus.UNAVAILABLE,
    CacheStatus.FAILED,
    "Frozen",
    "deleting",
    "Deleted",
    "NotFound",
    "?",
]
DELETING = present(CacheStatus.DELETING)
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


def after(resource: ImageCache, decision: Decision) -> ImageCache:
    """The object as it is once the decision's status is written."""
    return replace(resource, status=decision.status)


# --- Deleting


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(deleting(), id="somebody else deletes it"),
        pytest.param(deleting(status={}), id="first sight of it"),
        pytest.param(requested(asked(ago=5)), id="DELETE unanswered"),
        pytest.param(requested(asked(ago=5000, accepted=True)), id="accepted long ago"),
        pytest.param(requested(asked(ago=5000, accepted=True, seen=True)), id="seen Deleting long ago"),
        pytest.param(requested(asked(ago=5000, error="refused: locked")), id="DELETE refused"),
    ],
)
def test_a_cache_that_is_deleting_is_never_asked_again(resource: ImageCache) -> None:
    """Deleting: wait, however long ago the DELETE was, and look often."""
    decision = Case(resource, DELETING, {"since_request": 5000.0}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Deleting")
    assert decision.status.cache_status == "Deleting"
    assert decision.in_motion


def test_the_first_sight_of_deleting_is_written_with_the_acceptance() -> None:
    """What is learnt after a DELETE is written together: one patch."""
    accepted = NOW - timedelta(seconds=4)
    decision = Case(requested(asked()), DELETING, {"answer": Accepted(accepted, "req-1")}).decide()
    deletion = decision.status.deletion
    assert deletion is not None
    assert (deletion.accepted_at, deletion.seen_deleting_at, deletion.request_id) == (accepted, NOW, "req-1")
    assert deletion.attempts == 1


def test_the_time_of_the_first_sight_stays() -> None:
    """Later sights change nothing, so nothing is written."""
    resource = after(requested(asked()), Case(requested(asked()), DELETING).decide())
    again = replace(Case(resource, DELETING), now=NOW + timedelta(minutes=5)).decide()
    assert again.status == resource.status


def test_deleting_by_somebody_else_is_not_our_deletion() -> None:
    """Without a DELETE of ours there is nothing to record."""
    assert Case(observation=DELETING).decide().status.deletion is None


def test_a_sighting_renews_who_saw_it() -> None:
    """A rotated key is harmless while the cache exists; a known account is kept."""
    assert Case(observation=present(CacheStatus.DELETING, identity=ROTATED)).decide().status.seen_by == (
        ROTATED.to_status()
    )
    assert Case(observation=present(CacheStatus.DELETING, identity=UNTOLD)).decide().status.seen_by == US.to_status()


# --- the first DELETE


@pytest.mark.parametrize("word", NOT_DELETING)
@pytest.mark.parametrize("status", [ready_status(), {}], ids=["seen before", "never seen before"])
def test_a_cache_that_is_there_is_asked_to_go(word: str, status: dict[str, Any]) -> None:
    """Any status but Deleting, also a word that we do not know: the intent is written with the request."""
    decision = Case(deleting(status=status), present(word)).decide()
    assert decision.action == RequestDeletion(ID, 1)
    assert conditions(decision) == says("DeleteRequested")
    deletion = decision.status.deletion
    assert deletion is not None
    assert (deletion.requested_at, deletion.attempts) == (NOW, 1)
    assert (deletion.accepted_at, deletion.seen_deleting_at, deletion.last_error) == (None, None, None)
    assert decision.status.image_cache_id == ID
    assert decision.status.seen_by == US.to_status()
    assert decision.status.cache_status == word
    assert decision.in_motion


def test_the_crd_must_be_read_before_the_first_delete() -> None:
    """Else an uninstall would delete every cache."""
    decision = Case(facts={"crd": Crd.UNREAD}).decide()
    assert decision.action == ReadCrd()
    assert conditions(decision) == says("DeleteRequested")
    assert decision.status.deletion is None


def test_the_crd_cannot_be_read() -> None:
    """The object is held and says what is awaited; the CRD is read again."""
    decision = Case(facts={"crd": Crd.UNREADABLE}).decide()
    assert decision.action == ReadCrd()
    assert conditions(decision) == says("DeleteRequested")
    assert "Waiting to read the CustomResourceDefinition" in message(decision)
    assert decision.status.deletion is None


@pytest.mark.parametrize("crd", [Crd.UNREAD, Crd.UNREADABLE])
def test_the_crd_is_read_before_the_first_delete_only(crd: Crd) -> None:
    """A repetition need not wait for it: the cache was given up already."""
    decision = Case(requested(asked(ago=61)), facts={"crd": crd, "since_request": 61.0}).decide()
    assert decision.action == RequestDeletion(ID, 2)


@pytest.mark.parametrize("crd", [Crd.UNREAD, Crd.UNREADABLE])
def test_the_crd_does_not_matter_to_a_cache_that_goes_by_itself(crd: Crd) -> None:
    """No DELETE, no need to read it."""
    assert Case(observation=DELETING, facts={"crd": crd}).decide().action == Nothing()


def test_there_is_no_write_slot() -> None:
    """Waiting for a slot is DeleteRequested with a message that says so; nothing was asked yet."""
    decision = Case(facts={"slot_granted": False}).decide()
    assert decision.action == QueueWrite()
    assert conditions(decision) == says("DeleteRequested")
    assert "Waiting for a write slot" in message(decision)
    assert decision.status.deletion is None


@pytest.mark.parametrize("kind", list(TroubleKind))
def test_no_delete_can_be_sent_now(kind: TroubleKind) -> None:
    """The obstacle to writing shows itself; what needs a person is Stalled at once."""
    decision = Case(facts={"write_trouble": Trouble(kind, "the cloud's words")}).decide()
    passing = kind in {TroubleKind.THROTTLED, TroubleKind.CLOUD_UNAVAILABLE}
    assert decision.action == Nothing()
    assert conditions(decision) == says(kind.value, stalled=not passing)
    assert message(decision) == "the cloud's words"
    assert decision.in_motion is passing


def test_a_delete_is_on_its_way() -> None:
    """One write in flight per cache, however old it is."""
    decision = Case(requested(asked(ago=700)), facts={"in_flight": True, "since_request": 700.0}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("DeleteRequested")


# --- after a DELETE


@pytest.mark.parametrize(("attempts", "pause"), RETRY_IN)
@pytest.mark.parametrize(
    "history",
    [
        pytest.param({"accepted": True}, id="accepted"),
        pytest.param({"accepted": True, "seen": True}, id="accepted and seen Deleting"),
        pytest.param({"error": "refused: locked"}, id="refused"),
        pytest.param({"error": "no usable answer: time-out"}, id="answer lost"),
        pytest.param({"error": "already gone: no such cache"}, id="answered with 404"),
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
    fresh = Facts(identity=US, crd=Crd.UNREAD, slot_granted=True, since_request=100.0, waiting=3.0)
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
        pytest.param({"error": "refused: locked"}, 5.0, "DeleteRefused", id="refused"),
        pytest.param({"error": "no usable answer: time-out"}, 5.0, "DeleteRequested", id="answer lost"),
        pytest.param({"error": "already gone: none"}, 5.0, "DeleteRequested", id="404, yet it is there"),
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


def test_a_refused_delete_quotes_the_cloud_and_tells_the_next_time() -> None:
    """The person reads why and when."""
    resource = requested(asked(ago=30, error="refused: 409 CCE.01409002: locked."))
    decision = Case(resource, facts={"since_request": 30.0}).decide()
    assert message(decision) == (
        "The cloud refused DELETE (409 CCE.01409002: locked). DELETE is sent again at 2026-03-01T12:00:30Z."
    )


def test_a_lost_answer_is_told_with_the_next_time() -> None:
    """Look, do not repeat for 60 s."""
    resource = requested(asked(ago=30, error="no usable answer: timed out."))
    decision = Case(resource, facts={"since_request": 30.0}).decide()
    assert "timed out" in message(decision)
    assert "again at 2026-03-01T12:00:30Z" in message(decision)


def test_a_repetition_needs_its_slot_too() -> None:
    """No write goes past the limiter."""
    case = Case(requested(asked(ago=60, accepted=True)), facts={"since_request": 60.0, "slot_granted": False})
    decision = case.decide()
    assert decision.action == QueueWrite()
    assert decision.status.deletion == case.resource.status.deletion


# --- answers to DELETE


ANSWERS: list[tuple[DeleteAnswer, dict[str, Any]]] = [
    (Accepted(NOW, "req-2"), {"accepted_at": NOW, "request_id": "req-2", "last_error": None, "attempts": 1}),
    (Accepted(NOW), {"accepted_at": NOW, "request_id": None, "last_error": None, "attempts": 1}),
    (Gone("no such cache", "r"), {"accepted_at": None, "request_id": "r", "attempts": 1}),
    (Refused("locked", "r"), {"accepted_at": None, "request_id": "r", "attempts": 1}),
    (Lost("timed out"), {"accepted_at": None, "request_id": None, "attempts": 1}),
]


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
    assert first.action == Nothing()
    if isinstance(answer, Gone | Refused | Lost):
        assert deletion.last_error is not None
        assert answer.message in deletion.last_error
    assert replace(case, resource=after(case.resource, first)).decide().status == first.status


NOT_DONE = [pytest.param(Trouble(kind, "the cloud's words"), id=kind.value) for kind in TroubleKind]


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


# --- narrow cases


def test_the_pass_right_after_the_request_writes_nothing() -> None:
    """Three writes per deletion: the pass that the first of them wakes must find nothing to tell."""
    case = Case()
    first = case.decide()
    second = Case(after(case.resource, first), facts={"in_flight": True}).decide()
    assert second.status == first.status


def test_an_accepted_delete_that_does_nothing_shows_itself_after_60_s_also_at_later_attempts() -> None:
    """The pass comes back when the row changes, not only when the next DELETE is due."""
    case = Case(requested(asked(ago=30, attempts=5, accepted=True)), facts={"since_request": 30.0})
    decision = case.decide()
    assert conditions(decision) == says("DeleteRequested")
    assert decision.requeue_after is not None
    assert decision.requeue_after <= 30.0


def test_a_repetition_that_waits_for_its_slot_says_so() -> None:
    """Waiting for a write slot is DeleteRequested with a message that says so (interface, 1.3)."""
    decision = Case(
        requested(asked(ago=90, accepted=True, seen=True)), facts={"since_request": 90.0, "slot_granted": False}
    ).decide()
    assert "write slot" in message(decision)


def test_a_deleting_status_before_the_answer_does_not_count_as_seen() -> None:
    """Seen counts only from a look that began after acceptance (design, section 4)."""
    decision = Case(requested(asked()), DELETING, {"in_flight": True}).decide()
    assert decision.status.deletion is not None
    assert decision.status.deletion.seen_deleting_at is None


def test_the_count_of_attempts_never_falls_below_zero() -> None:
    """The API server refuses less, and a refused status would stop the deletion."""
    resource = requested({"requestedAt": "2026-03-01T11:59:50Z"})
    obstacle = Trouble(TroubleKind.THROTTLED, "slow")
    decision = Case(resource, facts={"answer": NotDone(obstacle), "write_trouble": obstacle}).decide()
    assert decision.status.deletion is not None
    assert decision.status.deletion.attempts >= 0


def test_facts_of_the_ordinary_case_allow_a_write() -> None:
    """The tables above change one fact at a time; this is what they start from."""
    assert READY_TO_WRITE.slot_granted
    assert Case().decide().action == RequestDeletion(ID, 1)


def test_a_reversal_is_told_before_the_cloud_is_asked_again() -> None:
    """Also when the retry time is over already: else nobody would learn that, and why, the cloud gave up."""
    resource = requested(asked(ago=90, accepted=True, seen=True), reason="Deleting")
    decision = Case(resource, present(message="disk in use"), {"since_request": 90.0}).decide()
    assert conditions(decision) == says("DeleteReverted")
    assert "disk in use" in message(decision)
    assert decision.requeue_after == 0.0
    second = Case(after(resource, decision), present(), {"since_request": 90.0}).decide()
    assert second.action == RequestDeletion(ID, 2)
