"""The deletion table, rows of a cache that is there: wait while it is Deleting, else ask, once that is possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import (
    DELETING,
    ID,
    NOT_DELETING,
    NOW,
    OR_RETAIN,
    PASSING,
    READY_TO_WRITE,
    ROTATED,
    UNTOLD,
    US,
    Case,
    after,
    asked,
    conditions,
    deleting,
    message,
    present,
    ready_status,
    requested,
    says,
)

from imagecache_operator.decision import Crd, Nothing, QueueWrite, ReadCrd, RequestDeletion
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import CacheStatus, Trouble, TroubleKind


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(deleting(), id="somebody else deletes it"),
        pytest.param(deleting(status={}), id="first sight of it"),
        pytest.param(requested(asked(ago=5)), id="DELETE unanswered"),
        pytest.param(requested(asked(ago=5000, accepted=True)), id="accepted long ago"),
        pytest.param(requested(asked(ago=5000, accepted=True, seen=True)), id="seen Deleting long ago"),
        pytest.param(requested(asked(ago=5000, answer="Refused", error="locked")), id="DELETE refused"),
    ],
)
def test_a_cache_that_is_deleting_is_never_asked_again(resource: ImageCache) -> None:
    """Deleting: wait, however long ago the DELETE was, and look often."""
    decision = Case(resource, DELETING, {"since_request": 5000.0}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Deleting")
    assert decision.status.cache_status == "Deleting"
    assert decision.in_motion


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
    passing = kind in PASSING
    assert decision.action == Nothing()
    assert conditions(decision) == says(kind.value, stalled=not passing)
    assert message(decision) == "the cloud's words" + ("" if passing else OR_RETAIN)
    assert decision.in_motion is passing


def test_a_delete_is_on_its_way() -> None:
    """One write in flight per cache, however old it is."""
    decision = Case(requested(asked(ago=700)), facts={"in_flight": True, "since_request": 700.0}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("DeleteRequested")


def test_the_pass_right_after_the_request_writes_nothing() -> None:
    """Three writes per deletion: the pass that the first of them wakes must find nothing to tell."""
    case = Case()
    first = case.decide()
    second = Case(after(case.resource, first), facts={"in_flight": True}).decide()
    assert second.status == first.status


def test_facts_of_the_ordinary_case_allow_a_write() -> None:
    """The tables above change one fact at a time; this is what they start from."""
    assert READY_TO_WRITE.slot_granted
    assert Case().decide().action == RequestDeletion(ID, 1)
