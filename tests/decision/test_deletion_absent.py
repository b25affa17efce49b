"""The deletion table, rows for a cache that is proven absent: to whom, and what that says of our DELETE."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.decision.builders import (
    HERE,
    ID,
    NOTHING_YET,
    NOW,
    ROTATED,
    STRANGER,
    UNTOLD,
    UNTOLD_ROTATED,
    US,
    Case,
    absent,
    asked,
    conditions,
    deleting,
    message,
    ready_status,
    requested,
    says,
)

from imagecache_operator.answers import Accepted
from imagecache_operator.decision import Nothing, Outcome, Release
from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import ImageCache


@pytest.mark.parametrize(
    ("resource", "outcome"),
    [
        pytest.param(deleting(), Outcome.ALREADY_GONE, id="we never asked: it was already gone"),
        pytest.param(
            requested(asked(accepted=True, seen=True), reason="Deleting"), Outcome.DELETED, id="accepted and seen"
        ),
        pytest.param(requested(asked(accepted=True)), Outcome.DELETED, id="accepted"),
        pytest.param(requested(asked()), Outcome.DELETED, id="asked and never answered"),
        pytest.param(
            requested(asked(answer="Lost", error="no usable answer: time-out")),
            Outcome.DELETED,
            id="the answer was lost",
        ),
        pytest.param(requested(asked(answer="Refused")), Outcome.DELETED, id="refused, then gone"),
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


def test_a_delete_that_the_cloud_answered_with_404_was_asked_for_nevertheless() -> None:
    """The outcome is already_gone only when we never asked (design, section 4)."""
    resource = requested(asked(attempts=2, answer="NotFound", error="already gone: no such cache"))
    decision = Case(resource, absent()).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.DELETED


def test_a_proof_while_a_delete_is_on_its_way_is_no_proof_yet() -> None:
    """Absent takes looks that began after our last DELETE was answered (design, section 3)."""
    decision = Case(requested(asked()), absent(), facts={"in_flight": True}).decide()
    assert not isinstance(decision.action, Release)


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
