"""The deletion table, rows that depend on what the cloud says: absence, trouble, looks that are awaited, lateness."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import (
    DELETED,
    ELSEWHERE,
    GET_AWAITED,
    HERE,
    ID,
    LIST_AWAITED,
    NOW,
    OR_RETAIN,
    ROTATED,
    STRANGER,
    UNTOLD,
    UNTOLD_ROTATED,
    US,
    Case,
    absent,
    asked,
    condition,
    conditions,
    deleting,
    message,
    present,
    ready_status,
    requested,
    says,
    trouble,
)

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Confirm, Crd, Nothing, Outcome, ReadCrd, Release
from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import CacheStatus, Observation, Trouble, TroubleKind

NOTHING_YET: dict[str, Any] = {}
LATE = DELETED + timedelta(seconds=1800)

# --- Absent


@pytest.mark.parametrize(
    ("resource", "outcome"),
    [
        pytest.param(deleting(), Outcome.ALREADY_GONE, id="we never asked: it was already gone"),
        pytest.param(
            requested(asked(accepted=True, seen=True), reason="Deleting"), Outcome.DELETED, id="accepted and seen"
        ),
        pytest.param(requested(asked(accepted=True)), Outcome.DELETED, id="accepted"),
        pytest.param(requested(asked()), Outcome.DELETED, id="asked and never answered"),
        pytest.param(requested(asked(answer="Lost", error="no usable answer: time-out")), Outcome.DELETED, id="the answer was lost"),
        pytest.param(requested(asked(answer="Refused", error="locked")), Outcome.DELETED, id="refused, then gone"),
        pytest.param(requested(asked(attempts=4, accepted=True)), Outcome.DELETED, id="asked four times"),
        pytest.param(
            requested({"attempts": 0, "lastError": "The cloud's request limit is reached."}),
            Outcome.ALREADY_GONE,
            id="our only DELETE was certainly not carried out",
        ),
        pytest.param(
            requested({"attempts": 2, "lastError": "The cloud's request limit is reached."}),
            Outcome.DELETED,
            id="an earlier DELETE may have been carried out",
        ),
        pytest.param(
            deleting(status=ready_status("Deleting", ready="False")),
            Outcome.ALREADY_GONE,
            id="somebody else deleted it",
        ),
    ],
)
def test_the_cache_is_absent_for_the_identity_that_saw_it(resource: ImageCache, outcome: Outcome) -> None:
    """A proven absence releases; the outcome tells whether we had asked for it."""
    decision = Case(resource, absent()).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is outcome
    assert decision.action.note.reason == "Deleted"
    assert ID in decision.action.note.message
    assert not decision.action.note.warning


def test_the_answer_that_it_accepted_is_not_in_the_status_yet() -> None:
    """An acceptance that was not written yet counts for the outcome."""
    decision = Case(requested(asked()), absent(), facts={"answer": Accepted(NOW)}).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.DELETED


@pytest.mark.parametrize(
    ("saw", "misses", "releases"),
    [
        pytest.param(US, US, True, id="the same identity"),
        pytest.param(US, ROTATED, True, id="a rotated key of the same account"),
        pytest.param(US, STRANGER, False, id="another account"),
        pytest.param(US, UNTOLD, True, id="an account that cannot be told, with the same key"),
        pytest.param(US, UNTOLD_ROTATED, False, id="an account that cannot be told, with another key"),
        pytest.param(UNTOLD, US, True, id="seen without a known account, by the same key"),
        pytest.param(UNTOLD, ROTATED, False, id="seen without a known account, by another key"),
        pytest.param(UNTOLD, UNTOLD_ROTATED, False, id="no account known at all, and another key"),
    ],
)
def test_an_absence_counts_only_for_the_identity_that_saw_the_cache(
    saw: Identity, misses: Identity, releases: bool
) -> None:
    """Accounts are compared; where one cannot be told, credentials are."""
    resource = deleting(status=ready_status(identity=saw))
    decision = Case(resource, absent(misses), facts={"identity": misses}).decide()
    if releases:
        assert isinstance(decision.action, Release)
        return
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotFound", stalled=True)
    assert str(saw) in message(decision)
    assert str(misses) in message(decision)
    assert "Retain" in message(decision)


def test_an_absence_seen_by_another_identity_does_not_replace_who_saw_it() -> None:
    """Only sightings renew `seenBy`; else the second look of the stranger would count."""
    decision = Case(observation=absent(STRANGER), facts={"identity": STRANGER}).decide()
    assert decision.status.seen_by == US.to_status()


def test_an_absence_by_a_stranger_after_our_delete_still_proves_nothing() -> None:
    """That the DELETE was answered does not make the stranger's word count."""
    decision = Case(requested(asked(accepted=True, seen=True)), absent(STRANGER), facts={"identity": STRANGER}).decide()
    assert conditions(decision) == says("NotFound", stalled=True)


def test_an_absence_at_another_location_never_reaches_the_row() -> None:
    """Location first: it is a Conflict."""
    there = replace(US, location=replace(HERE, region="elsewhere"))
    decision = Case(observation=absent(there), facts={"identity": there}).decide()
    assert conditions(decision) == says("Conflict", stalled=True)


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(NOTHING_YET, id="nothing was ever shown"),
        pytest.param(ready_status("NotFound", ready="False", identity=None), id="it showed NotFound"),
    ],
)
def test_an_id_that_nobody_ever_saw_may_be_a_typing_error(status: dict[str, Any]) -> None:
    """Absent and never seen by anybody: let go, with a Warning that names the id."""
    decision = Case(deleting(status=status), absent(STRANGER)).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.NEVER_SEEN
    assert decision.action.note.reason == "NeverSeen"
    assert decision.action.note.warning
    assert ID in decision.action.note.message


# --- Unknown


@pytest.mark.parametrize("kind", [TroubleKind.THROTTLED, TroubleKind.CLOUD_UNAVAILABLE])
@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(deleting(), id="before the DELETE"),
        pytest.param(requested(asked(accepted=True)), id="after the DELETE"),
        pytest.param(deleting(status=NOTHING_YET), id="never seen"),
    ],
)
def test_passing_trouble_waits_and_looks_again_often(resource: ImageCache, kind: TroubleKind) -> None:
    """Throttling and outages show themselves, progress is expected; Ready is False during deletion."""
    decision = Case(resource, trouble(kind, "the cloud's words")).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says(kind.value)
    assert message(decision) == "the cloud's words"
    assert decision.in_motion


@pytest.mark.parametrize(
    "kind",
    [
        TroubleKind.CREDENTIALS_INVALID,
        TroubleKind.ACCESS_DENIED,
        TroubleKind.ENDPOINT_INVALID,
        TroubleKind.REQUEST_REJECTED,
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_trouble_that_needs_a_person_holds_and_looks_slowly(kind: TroubleKind, late: bool) -> None:
    """The reason is the trouble's own, Stalled at once and for ever."""
    now = LATE if late else NOW
    decision = Case(observation=trouble(kind, "who and which action"), now=now).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says(kind.value, stalled=True)
    assert message(decision) == "who and which action" + OR_RETAIN
    assert not decision.in_motion


def test_credentials_of_a_secret_that_cannot_come_back() -> None:
    """A namespace that is being deleted takes no Secret, so the message names what can still be done."""
    spec = {"imageCacheID": ID, "credentialsSecretRef": {"name": "cloud"}}
    decision = Case(deleting(spec=spec), trouble(TroubleKind.CREDENTIALS_INVALID, "There is no Secret.")).decide()
    assert message(decision) == (
        "There is no Secret. In a namespace that is being deleted no Secret can be created: remove "
        "spec.credentialsSecretRef there to use the operator's own credentials, if they are of the same account, or "
        "set spec.deletionPolicy to Retain to let go of this object."
    )
    decision = Case(deleting(spec=spec), trouble(TroubleKind.ACCESS_DENIED, "403.")).decide()
    assert message(decision) == "403." + OR_RETAIN


@pytest.mark.parametrize("kind", list(TroubleKind))
def test_every_kind_of_trouble_has_a_row(kind: TroubleKind) -> None:
    """No kind of trouble releases or asks."""
    assert Case(observation=trouble(kind)).decide().action == Nothing()


# --- Awaited


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


def test_the_next_list_is_awaited_without_a_call_of_our_own() -> None:
    """The poller brings it."""
    assert Case(observation=LIST_AWAITED).decide().action == Nothing()


def test_a_status_that_already_says_that_it_is_not_ready_stays_while_looks_are_awaited() -> None:
    """Between two looks nothing flaps, and what was learnt is not written one by one."""
    case = Case(requested(asked()), LIST_AWAITED, facts={"answer": Accepted(NOW)})
    assert case.decide().status == case.resource.status


# --- late


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
            Case(requested(asked(answer="Refused", error="locked")), present()), "DeleteRefused", id="the cloud keeps refusing"
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


HELD = [
    pytest.param({"observation": trouble(TroubleKind.CREDENTIALS_INVALID)}, id="credentials"),
    pytest.param({"observation": trouble(TroubleKind.CLOUD_UNAVAILABLE)}, id="cloud away"),
    pytest.param({"facts": {"obstacle": Verdict(Reason.NOT_ALLOWED, "no")}}, id="settings"),
    pytest.param({"facts": {"identity": replace(US, location=ELSEWHERE)}}, id="moved"),
    pytest.param({"observation": absent(STRANGER)}, id="absent for others"),
]


@pytest.mark.parametrize("changes", HELD)
def test_whatever_holds_an_object_the_crd_is_read(changes: dict[str, Any]) -> None:
    """Else `kubectl delete crd` would wait for a repair that nobody will make any more."""
    unread = changes | {"facts": changes.get("facts", {}) | {"crd": Crd.UNREAD}}
    assert Case(**unread).decide().action == ReadCrd()
    going = changes | {"facts": changes.get("facts", {}) | {"crd": Crd.DELETING}}
    assert isinstance(Case(**going).decide().action, Release)
    again = Case(**changes).decide()
    assert again.action == Nothing()
    assert again.requeue_after is not None
    assert again.requeue_after <= 60


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


# --- narrow cases


def test_a_proof_while_a_delete_is_on_its_way_is_no_proof_yet() -> None:
    """Absent takes looks that began after our last DELETE was answered (design, section 3)."""
    decision = Case(requested(asked()), absent(), facts={"in_flight": True}).decide()
    assert not isinstance(decision.action, Release)


def test_a_delete_that_the_cloud_answered_with_404_was_asked_for_nevertheless() -> None:
    """The outcome is already_gone only when we never asked (design, section 4)."""
    resource = requested(asked(attempts=2, answer="NotFound", error="already gone: no such cache"))
    decision = Case(resource, absent()).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.DELETED


def test_a_deletion_whose_looks_never_end_becomes_stalled() -> None:
    """Any deletion becomes Stalled past the stall time (interface, 1.3), also when it was not Ready before."""
    decision = replace(Case(requested(asked(accepted=True)), LIST_AWAITED), now=LATE).decide()
    assert "Stalled" in conditions(decision)


def test_a_pass_that_awaits_a_look_comes_back_for_the_stall_time() -> None:
    """Nothing else wakes an object whose looks hang."""
    decision = Case(requested(asked(accepted=True)), LIST_AWAITED).decide()
    assert decision.requeue_after == pytest.approx(1780)


@pytest.mark.parametrize("answer", [None, "Lost"])
def test_an_open_creation_is_never_let_go_as_never_created(answer: str | None) -> None:
    """No row releases while a creation is open (design, section 4), also in a version that cannot create."""
    creation = {"attemptID": "a", "requestedAt": "2026-03-01T11:59:00Z", "specHash": "h"}
    if answer is not None:
        creation["answer"] = answer
    decision = Case(deleting(spec={"images": ["nginx"]}, status={"creation": creation}), LIST_AWAITED).decide()
    assert not isinstance(decision.action, Release)


def test_gone_is_no_proof() -> None:
    """The 404 to a DELETE must be confirmed by a look."""
    decision = Case(requested(asked()), GET_AWAITED, facts={"answer": Gone("no such cache")}).decide()
    assert decision.action == Confirm(ID)


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
