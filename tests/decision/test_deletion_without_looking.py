"""The deletion table, rows that do not ask the cloud: a person's word, the CRD, settings, location, other holders."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import (
    ELSEWHERE,
    ID,
    LIST_AWAITED,
    NOW,
    OR_RETAIN,
    STRANGER,
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

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Crd, Nothing, Outcome, Release, RequestDeletion
from imagecache_operator.imagecache import Key
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import Awaited, CacheStatus, Look, Observation, TroubleKind, Unlisted

RETAIN = {"imageCacheID": ID, "deletionPolicy": "Retain"}
OBSERVE = {"imageCacheID": ID, "managementPolicy": "Observe"}
BY_NAME = {"name": "web"}
NOTHING_YET: dict[str, Any] = {}
ANY_LOOK = [
    pytest.param(present(), id="cache there"),
    pytest.param(present(CacheStatus.DELETING), id="cache Deleting"),
    pytest.param(absent(), id="cache absent"),
    pytest.param(absent(STRANGER), id="cache absent for a stranger"),
    pytest.param(trouble(TroubleKind.CREDENTIALS_INVALID), id="credentials invalid"),
    pytest.param(trouble(TroubleKind.CLOUD_UNAVAILABLE), id="cloud unavailable"),
    pytest.param(LIST_AWAITED, id="no look yet"),
    pytest.param(Unlisted(US), id="name not listed"),
]
NOT_ALLOWED = Verdict(Reason.NOT_ALLOWED, "Namespace team-a may not.")


@pytest.mark.parametrize("observation", ANY_LOOK)
@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param(RETAIN, "deletionPolicy is Retain", id="Retain"),
        pytest.param(OBSERVE, "managementPolicy is Observe", id="Observe"),
        pytest.param(RETAIN | OBSERVE, "managementPolicy is Observe", id="both"),
    ],
)
def test_a_person_said_to_keep_the_cache(spec: dict[str, Any], why: str, observation: Observation) -> None:
    """Retain and Observe release at once, whatever the cloud says, and name the id and the reason."""
    decision = Case(deleting(spec=spec), observation).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.RETAINED
    assert decision.action.note.reason == "Retained"
    assert decision.action.note.message == f"Cache {ID} stays in the cloud: {why}."


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"obstacle": NOT_ALLOWED}, id="although settings forbid what it asks"),
        pytest.param({"identity": replace(US, location=ELSEWHERE)}, id="although the location moved"),
        pytest.param({"crd": Crd.UNREADABLE}, id="although the CRD is unreadable"),
        pytest.param({"in_flight": True}, id="although a DELETE is on its way"),
        pytest.param({"other_holder": Key("team-a", "older")}, id="although another object holds the cache"),
        pytest.param({"identity": None, "crd": Crd.UNREAD}, id="although nothing is known yet"),
        pytest.param({"crd": Crd.DELETING}, id="also when the CRD goes too"),
    ],
)
def test_retain_lets_go(facts: dict[str, Any]) -> None:
    """Nothing stands above a person's word to keep the cache."""
    decision = Case(deleting(spec=RETAIN), facts=facts).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.RETAINED


@pytest.mark.parametrize(
    "deletion",
    [
        pytest.param(asked(ago=90, accepted=True), id="accepted"),
        pytest.param(asked(ago=90), id="never answered"),
        pytest.param(asked(ago=90, answer="Lost", error="no usable answer: time-out"), id="answer lost"),
    ],
)
def test_retain_came_after_the_delete(deletion: dict[str, Any]) -> None:
    """The event says that the cloud may still carry out the DELETE that it got."""
    decision = Case(requested(deletion, spec=RETAIN), present()).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.note.message.endswith("The cloud may still carry out the DELETE of 2026-03-01T11:58:30Z.")


def test_retain_without_a_known_id_still_says_that_things_stay() -> None:
    """An object bound by name that never looked has no id to tell."""
    decision = Case(deleting(spec=BY_NAME | {"deletionPolicy": "Retain"}, status=NOTHING_YET), LIST_AWAITED).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.note.message == "Whatever exists in the cloud stays in the cloud: deletionPolicy is Retain."


@pytest.mark.parametrize("observation", ANY_LOOK)
def test_the_crd_is_being_deleted(observation: Observation) -> None:
    """Uninstalling never deletes caches."""
    decision = Case(observation=observation, facts={"crd": Crd.DELETING}).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.RETAINED
    assert decision.action.note.reason == "Retained"
    assert ID in decision.action.note.message
    assert "CustomResourceDefinition is being deleted" in decision.action.note.message


def test_the_crd_is_being_deleted_and_settings_forbid_the_object() -> None:
    """The row of the CRD stands above the row of the settings: an uninstall ends."""
    decision = Case(facts={"crd": Crd.DELETING, "obstacle": NOT_ALLOWED}).decide()
    assert isinstance(decision.action, Release)


@pytest.mark.parametrize("observation", ANY_LOOK)
def test_settings_forbid_what_it_asks(observation: Observation) -> None:
    """NotAllowed holds the object, whatever the cloud says, with the way out; and no look is needed often."""
    decision = Case(observation=observation, facts={"obstacle": NOT_ALLOWED}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotAllowed", stalled=True)
    assert message(decision) == "Namespace team-a may not." + OR_RETAIN
    assert not decision.in_motion


@pytest.mark.parametrize("observation", ANY_LOOK)
@pytest.mark.parametrize("part", ["endpoint", "region", "project_id"])
def test_the_location_resolved_now_is_not_the_pinned_one(part: str, observation: Observation) -> None:
    """A moved location is a Conflict that names both; not even a proof of absence there lets go."""
    moved_to = replace(US, location=replace(US.location, **{part: "other-place"}))
    decision = Case(observation=observation, facts={"identity": moved_to}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert str(US.location) in message(decision)
    assert str(moved_to.location) in message(decision)
    assert "Retain" in message(decision)


def test_settings_stand_above_a_moved_location() -> None:
    """The rows have an order."""
    decision = Case(facts={"obstacle": NOT_ALLOWED, "identity": replace(US, location=ELSEWHERE)}).decide()
    assert conditions(decision) == says("NotAllowed", stalled=True)


def test_a_moved_location_stands_above_another_holder() -> None:
    """Who holds what elsewhere says nothing about this object."""
    decision = Case(
        facts={"other_holder": Key("team-a", "older"), "identity": replace(US, location=ELSEWHERE)}
    ).decide()
    assert conditions(decision) == says("Conflict", stalled=True)


def test_a_cache_that_was_never_seen_is_pinned_nowhere() -> None:
    """Without a sighting no location can have moved."""
    decision = Case(
        deleting(status=NOTHING_YET), present(), facts={"identity": replace(US, location=ELSEWHERE)}
    ).decide()
    assert isinstance(decision.action, RequestDeletion)


@pytest.mark.parametrize("observation", ANY_LOOK)
def test_another_object_holds_the_cache(observation: Observation) -> None:
    """An object that is not the holder is let go without a call to the cloud, with the event Conflict."""
    decision = Case(observation=observation, facts={"other_holder": Key("team-a", "older")}).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.NOT_OWNER
    assert decision.action.note.reason == "Conflict"
    assert "the ImageCache older" in decision.action.note.message
    assert ID in decision.action.note.message


def test_another_object_of_another_namespace_holds_the_cache() -> None:
    """Tenants learn no names of other namespaces."""
    decision = Case(facts={"other_holder": Key("team-secret", "codename")}).decide()
    assert isinstance(decision.action, Release)
    assert "codename" not in decision.action.note.message
    assert "team-secret" not in decision.action.note.message


@pytest.mark.parametrize(
    "observation",
    [
        pytest.param(LIST_AWAITED, id="no look yet"),
        pytest.param(Awaited(Look.GET), id="no GET yet"),
        pytest.param(trouble(TroubleKind.CLOUD_UNAVAILABLE), id="the cloud unavailable"),
        pytest.param(trouble(TroubleKind.ACCESS_DENIED), id="access denied"),
    ],
)
def test_bound_by_name_and_never_looked_up_waits_for_one_look(observation: Observation) -> None:
    """Without a look nobody knows whether there is something to delete."""
    decision = Case(deleting(spec=BY_NAME, status=NOTHING_YET), observation).decide()
    assert not isinstance(decision.action, Release | RequestDeletion)


def test_bound_by_name_and_never_looked_up_and_the_look_finds_it() -> None:
    """The id is taken and pinned together with the DELETE."""
    decision = Case(deleting(spec=BY_NAME, status=NOTHING_YET), present()).decide()
    assert decision.action == RequestDeletion(ID, 1)
    assert decision.status.image_cache_id == ID
    assert decision.status.seen_by == US.to_status()


def test_bound_by_name_and_never_looked_up_and_the_look_does_not_find_it() -> None:
    """One good look is enough: it is let go as never seen, with a Warning."""
    decision = Case(deleting(spec=BY_NAME, status=NOTHING_YET), Unlisted(US)).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.NEVER_SEEN
    assert decision.action.note.reason == "NeverSeen"
    assert decision.action.note.warning
    assert "named web" in decision.action.note.message


@pytest.mark.parametrize("reason", ["CloudUnavailable", "CredentialsInvalid", "NotAllowed", "DeleteRequested"])
def test_bound_by_name_and_all_looks_failed_still_needs_a_look(reason: str) -> None:
    """What was shown of trouble is no answer to the question whether the cache exists."""
    status = {"observedGeneration": 1, "conditions": [condition("Ready", "False", reason)]}
    decision = Case(deleting(spec=BY_NAME, status=status), LIST_AWAITED).decide()
    assert not isinstance(decision.action, Release)


@pytest.mark.parametrize("observation", ANY_LOOK)
def test_bound_by_name_and_shown_notfound(observation: Observation) -> None:
    """A binding under which nothing was ever found is let go without another look."""
    status = ready_status("NotFound", ready="False", identity=None)
    decision = Case(deleting(spec=BY_NAME, status=status), observation).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.NEVER_SEEN
    assert decision.action.note.warning


@pytest.mark.parametrize(
    "spec", [{"images": ["nginx"]}, {"images": ["nginx"], "name": "web"}], ids=["unnamed", "named"]
)
def test_an_object_that_creates_and_never_asked_has_nothing_to_delete(spec: dict[str, Any]) -> None:
    """No id and no creation: nothing was ever created."""
    decision = Case(deleting(spec=spec, status=NOTHING_YET), LIST_AWAITED).decide()
    assert isinstance(decision.action, Release)
    assert decision.action.outcome is Outcome.NEVER_CREATED
    assert not decision.action.note.warning


@pytest.mark.parametrize("observation", ANY_LOOK)
def test_our_finalizer_is_off_already(observation: Observation) -> None:
    """What another finalizer holds is no concern of ours: nothing is done, nothing is written."""
    case = Case(deleting(finalizers=["example.com/other"]), observation)
    decision = case.decide()
    assert decision.action == Nothing()
    assert decision.status == case.resource.status


def test_other_finalizers_do_not_hold_us_up() -> None:
    """Ours goes by its own rules, beside others."""
    decision = Case(deleting(finalizers=["example.com/other", FINALIZER]), absent()).decide()
    assert isinstance(decision.action, Release)


@pytest.mark.parametrize("hours", [0, 1, 100])
def test_a_hold_never_gives_up(hours: int) -> None:
    """However old the deletion is, NotAllowed stays NotAllowed and Stalled."""
    decision = Case(facts={"obstacle": NOT_ALLOWED}, now=NOW + timedelta(hours=hours)).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotAllowed", stalled=True)
