"""What brings an object back beside a change of its own: the next LIST, a LIST out of turn, time, a slot, room."""

from __future__ import annotations

from typing import Any

import pytest
from tests.decision.builders import (
    DELETING,
    GET_AWAITED,
    ID,
    LIST_AWAITED,
    NOTHING_YET,
    US,
    Case,
    absent,
    deleting,
    present,
    resource,
    trouble,
)

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import (
    Action,
    AddFinalizer,
    AwaitRoom,
    Confirm,
    Decision,
    Note,
    Nothing,
    Outcome,
    QueueWrite,
    ReadCrd,
    Release,
    RequestCreation,
    RequestDeletion,
)
from imagecache_operator.desired import Desired
from imagecache_operator.observation import CacheStatus, Observation, TroubleKind, Unlisted
from imagecache_operator.status import ImageCacheStatus

WANTED = Desired("web", ("nginx",), 20, 0, "cluster", ())

# --- the next LIST


@pytest.mark.parametrize(
    ("observation", "facts", "awaits"),
    [
        pytest.param(LIST_AWAITED, {}, True, id="no look has ended: the LIST is what is awaited"),
        pytest.param(GET_AWAITED, {}, False, id="its own GET wakes it"),
        pytest.param(trouble(TroubleKind.CLOUD_UNAVAILABLE), {}, True, id="the next LIST may work again"),
        pytest.param(trouble(TroubleKind.ACCESS_DENIED), {}, True, id="a person may have repaired it"),
        pytest.param(DELETING, {"listed": True}, False, id="a LIST tells when it changes"),
        pytest.param(DELETING, {"listed": False}, True, id="LISTs do not have it, so none tells of it"),
        pytest.param(absent(), {"identity": US}, False, id="proven absent: nothing is awaited"),
    ],
)
def test_which_deletion_comes_back_with_the_next_list(
    observation: Observation, facts: dict[str, Any], awaits: bool
) -> None:
    """Also when that LIST shows no change, by which others are woken."""
    assert Case(observation=observation, facts=facts).decide().awaits_list is awaits


@pytest.mark.parametrize(
    ("observation", "awaits"),
    [
        pytest.param(present(), False, id="nothing moves"),
        pytest.param(present(CacheStatus.CREATING), True, id="it is being built"),
    ],
)
def test_what_is_at_rest_is_not_asked_for_after_each_list(observation: Observation, awaits: bool) -> None:
    """A cache that LISTs leave out costs a GET for each of them only while it is in motion."""
    assert Case(resource(), observation, {"listed": False}).decide().awaits_list is awaits


@pytest.mark.parametrize("observation", [present(), absent(), GET_AWAITED], ids=["there", "gone", "a GET is awaited"])
def test_a_look_that_a_person_asked_for_is_told_with_the_next_list(observation: Observation) -> None:
    """The annotation is echoed by then, whatever the LIST shows; and once."""
    asked = resource(reconcile="now")
    assert Case(asked, observation).decide().awaits_list
    assert not Case(asked, observation, {"reconcile_handled": True}).decide().awaits_list


# --- a LIST out of turn


NEW = {"spec": {"images": ["nginx"]}, "status": NOTHING_YET}


@pytest.mark.parametrize(
    ("case", "hurries"),
    [
        pytest.param(Case(resource(**NEW), LIST_AWAITED), True, id="it wants a cache"),
        pytest.param(Case(resource(**NEW), Unlisted(US), {"desired": WANTED}), False, id="the LIST is there"),
        pytest.param(Case(resource(spec=NEW["spec"]), LIST_AWAITED), False, id="it has a cache"),
        pytest.param(Case(resource(spec={"name": "web"}, status=NOTHING_YET), LIST_AWAITED), False, id="it binds"),
        pytest.param(Case(deleting(**NEW), LIST_AWAITED), False, id="it is deleted"),
    ],
)
def test_who_has_the_cloud_looked_at_out_of_turn(case: Case, hurries: bool) -> None:
    """A new object is created within a second or two, also where an account is listed once a minute."""
    assert case.decide().hurries_list is hurries


# --- time


@pytest.mark.parametrize(
    ("opens_in", "requeue_after"),
    [
        pytest.param(None, 1780.0, id="nothing is in the way of writes: when the deletion takes too long"),
        pytest.param(5.0, 5.0, id="a write may be tried again sooner"),
        pytest.param(5000.0, 1780.0, id="a write may be tried again later"),
    ],
)
def test_an_obstacle_that_ends_brings_the_object_back(opens_in: float | None, requeue_after: float) -> None:
    """Nothing else tells that a pause is over."""
    decision = Case(observation=DELETING, facts={"write_opens_in": opens_in}).decide()
    assert decision.requeue_after == pytest.approx(requeue_after)


def test_an_obstacle_that_ends_is_enough() -> None:
    """A row that names no time comes back for the obstacle alone."""
    case = Case(resource(), present(), {"obstacle": Verdict(Reason.NOT_ALLOWED, "no"), "write_opens_in": 7.0})
    assert case.decide().requeue_after == 7.0


# --- slots and room


@pytest.mark.parametrize(
    ("action", "slot", "room"),
    [
        (Nothing(), False, False),
        (AddFinalizer(), False, False),
        (Release(Outcome.DELETED, Note("Deleted", "m")), False, False),
        (ReadCrd(), False, False),
        (Confirm(ID), False, False),
        (AwaitRoom(), False, True),
        (QueueWrite(), True, True),
        (RequestDeletion(ID, 1), True, False),
        (RequestCreation(WANTED), True, True),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, bool) else str(value),
)
def test_what_an_action_keeps(action: Action, slot: bool, room: bool) -> None:
    """Whoever neither uses a slot or room nor waits for it leaves it to others."""
    decision = Decision(action, ImageCacheStatus())
    assert (decision.wants_slot, decision.wants_room) == (slot, room)
