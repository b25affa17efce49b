"""The life table, rows that concern objects that bind to a cache."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import (
    CREATED,
    ELSEWHERE,
    GET_AWAITED,
    ID,
    LIST_AWAITED,
    NOW,
    PASSING,
    ROTATED,
    STRANGER,
    US,
    Case,
    absent,
    asked,
    condition,
    conditions,
    message,
    present,
    ready_status,
    resource,
    says,
    trouble,
)

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import AddFinalizer, Confirm, Nothing
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import CacheStatus, Observation, TroubleKind, Unlisted

OBSERVE = {"imageCacheID": ID, "managementPolicy": "Observe"}
BY_NAME = {"name": "web"}
ANY_LOOK = [present(), absent(), trouble(TroubleKind.ACCESS_DENIED), LIST_AWAITED, Unlisted(US)]
NEEDS_A_PERSON = [kind for kind in TroubleKind if kind not in PASSING]
GOOD = {"Ready": ("True", "Available")}


def live(observation: Observation, *, facts: dict[str, Any] | None = None, **changes: Any) -> Case:
    """A live object and what was seen."""
    return Case(resource(**changes), observation, facts or {})


@pytest.mark.parametrize("observation", ANY_LOOK)
@pytest.mark.parametrize("finalizers", [[], ["example.com/other"]], ids=["none", "another's"])
def test_no_finalizer(observation: Observation, finalizers: list[str]) -> None:
    """It is put on before anything else; nothing else in this pass."""
    case = live(observation, finalizers=finalizers, status={}, facts={"obstacle": Verdict(Reason.NOT_ALLOWED, "No.")})
    decision = case.decide()
    assert decision.action == AddFinalizer()
    assert decision.status == case.resource.status


@pytest.mark.parametrize("observation", ANY_LOOK)
def test_settings_forbid_what_it_asks(observation: Observation) -> None:
    """The obstacle is shown whatever was seen."""
    decision = live(observation, facts={"obstacle": Verdict(Reason.NOT_ALLOWED, "No.")}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotAllowed", stalled=True)


@pytest.mark.parametrize("observation", ANY_LOOK)
def test_the_location_moved(observation: Observation) -> None:
    """A different resolution is a Conflict, never a silent move."""
    decision = live(observation, facts={"identity": replace(US, location=ELSEWHERE)}).decide()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert str(US.location) in message(decision)
    assert str(ELSEWHERE) in message(decision)
    assert decision.status.seen_by == US.to_status()


@pytest.mark.parametrize("observation", ANY_LOOK)
def test_another_object_holds_the_cache(observation: Observation) -> None:
    """The younger of two objects shows Conflict and names the other one of its own namespace."""
    decision = live(observation, facts={"other_holder": Key("team-a", "older")}).decide()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert "the ImageCache older" in message(decision)


def test_another_object_of_another_namespace_holds_the_cache() -> None:
    """Tenants learn no names of other namespaces."""
    decision = live(present(), facts={"other_holder": Key("team-secret", "codename")}).decide()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert "codename" not in message(decision)
    assert "team-secret" not in message(decision)


def test_an_observer_does_not_mind_who_holds_the_cache() -> None:
    """Observe changes nothing in the cloud, so there is nothing to fight about."""
    decision = live(present(), spec=OBSERVE, facts={"other_holder": Key("team-a", "older")}).decide()
    assert conditions(decision) == {"Ready": ("True", "Observed")}


@pytest.mark.parametrize(
    ("word", "expected", "moving"),
    [
        pytest.param("Available", {"Ready": ("True", "Available")}, False, id="usable"),
        pytest.param("Creating", says("Creating"), True, id="being built"),
        pytest.param("Deleting", says("Deleting"), True, id="deleted by somebody else"),
        pytest.param("Unavailable", says("Unavailable", stalled=True), False, id="unusable"),
        pytest.param("Failed", says("Failed", stalled=True), False, id="could not be built"),
        pytest.param("Frozen", says("UnknownStatus"), False, id="a word that is not known"),
        pytest.param("available", says("UnknownStatus"), False, id="a known word in other letters"),
        pytest.param("?", says("UnknownStatus"), False, id="no word at all"),
    ],
)
@pytest.mark.parametrize("spec", [{"imageCacheID": ID}, OBSERVE], ids=["Manage", "Observe"])
def test_the_cache_is_there(
    word: str, expected: dict[str, tuple[str, str]], moving: bool, spec: dict[str, str]
) -> None:
    """The status of the cache is shown; Observed takes the place of Available where nothing is managed."""
    known = {status.value: status for status in CacheStatus}
    decision = live(present(known.get(word, word)), spec=spec, status={}).decide()
    if spec is OBSERVE and word == "Available":
        expected = {"Ready": ("True", "Observed")}
    assert decision.action == Nothing()
    assert conditions(decision) == expected
    assert decision.in_motion is moving
    assert decision.status.cache_status == word
    assert decision.status.image_cache_id == ID
    assert decision.status.name == "web"
    assert decision.status.seen_by == US.to_status()


@pytest.mark.parametrize("word", ["Failed", "Unavailable"])
def test_what_the_cloud_says_of_a_broken_cache_is_quoted(word: str) -> None:
    """The cloud's own words end in the condition and in cacheMessage."""
    decision = live(present(CacheStatus(word), message="pull failed")).decide()
    assert "pull failed" in message(decision)
    assert decision.status.cache_message == "pull failed"


def test_an_unknown_word_is_quoted() -> None:
    """People see what the cloud said."""
    assert "'Frozen'" in message(live(present("Frozen")).decide())


def test_the_cache_is_found_by_its_name() -> None:
    """The id is pinned, so a later cache of the same name is not silently taken for it."""
    decision = live(present(), spec=BY_NAME, status={}).decide()
    assert decision.status.image_cache_id == ID
    assert conditions(decision) == GOOD


def test_a_rotated_key_renews_who_saw_it() -> None:
    """Every sighting renews the identity."""
    assert live(present(identity=ROTATED)).decide().status.seen_by == ROTATED.to_status()
    assert live(present(identity=STRANGER)).decide().status.seen_by == STRANGER.to_status()


def test_the_retention_is_over_and_the_cloud_keeps_the_cache_as_unavailable() -> None:
    """Expired, as the cloud has no word for it."""
    old = present(CacheStatus.UNAVAILABLE, created_at=NOW - timedelta(days=7), retention_days=7)
    decision = live(old).decide()
    assert conditions(decision) == says("Expired", stalled=True)
    assert decision.status.expires_at == NOW


def test_the_pass_comes_back_when_the_retention_is_over() -> None:
    """No event tells that time has passed."""
    young = present(created_at=NOW - timedelta(days=6), retention_days=7)
    decision = live(young).decide()
    assert conditions(decision) == GOOD
    assert decision.requeue_after == pytest.approx(86400)


@pytest.mark.parametrize(
    ("spec", "status", "observation", "words"),
    [
        pytest.param(
            {"imageCacheID": ID}, {}, absent(), f"There is no cache {ID}", id="an id under which nothing exists"
        ),
        pytest.param(BY_NAME, {}, Unlisted(US), "There is no cache named web", id="a name under which nothing exists"),
        pytest.param(
            {"imageCacheID": ID},
            ready_status(),
            absent(),
            f"Cache {ID} is not in the cloud any more",
            id="it was there before",
        ),
        pytest.param(
            BY_NAME,
            ready_status(),
            absent(),
            f"Cache {ID} is not in the cloud any more",
            id="it was there, bound by name",
        ),
    ],
)
def test_the_cache_is_not_there(
    spec: dict[str, str], status: dict[str, Any], observation: Observation, words: str
) -> None:
    """NotFound, Stalled; the binding stays."""
    decision = live(observation, spec=spec, status=status).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotFound", stalled=True)
    assert words in message(decision)
    assert decision.status.cache_status is None
    assert decision.status.image_cache_id == (ID if status else None)


def test_the_cloud_deleted_it_as_its_retention_was_over() -> None:
    """Expired, not NotFound."""
    status = ready_status() | {"expiresAt": "2026-03-01T11:00:00Z"}
    assert conditions(live(absent(), status=status).decide()) == says("Expired", stalled=True)


def test_it_vanished_before_its_retention_was_over() -> None:
    """That is no expiry."""
    status = ready_status() | {"expiresAt": "2026-03-02T11:00:00Z"}
    assert conditions(live(absent(), status=status).decide()) == says("NotFound", stalled=True)


@pytest.mark.parametrize("kind", PASSING)
def test_passing_trouble_leaves_a_true_ready_alone(kind: TroubleKind) -> None:
    """What was good a moment ago most likely still is; the pass comes back when patience ends."""
    case = live(trouble(kind), facts={"since_good_look": 100.0})
    decision = case.decide()
    assert decision.status == case.resource.status
    assert decision.requeue_after == pytest.approx(1700)


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize(
    ("status", "since"),
    [
        pytest.param(ready_status(), 1800.0, id="the last good look is too old"),
        pytest.param({}, 5.0, id="it was never shown"),
        pytest.param(ready_status("Creating", ready="False"), 5.0, id="it was not Ready"),
        pytest.param(ready_status("Throttled", ready="Unknown"), 5.0, id="it was Unknown"),
    ],
)
def test_passing_trouble_makes_ready_unknown(kind: TroubleKind, status: dict[str, Any], since: float) -> None:
    """Nobody must act; nobody knows."""
    decision = live(trouble(kind), status=status, facts={"since_good_look": since}).decide()
    assert conditions(decision) == says(kind.value, ready="Unknown")


@pytest.mark.parametrize("kind", NEEDS_A_PERSON)
@pytest.mark.parametrize("status", [ready_status(), {}], ids=["was Ready", "never shown"])
def test_trouble_that_needs_a_person_is_shown_at_once(kind: TroubleKind, status: dict[str, Any]) -> None:
    """It does not pass, so Ready is False and Stalled says so; what was learnt of the cache stays."""
    case = live(trouble(kind, "which identity, which action"), status=status)
    decision = case.decide()
    assert conditions(decision) == says(kind.value, stalled=True)
    assert message(decision) == "which identity, which action"
    assert decision.status.cache_status == case.resource.status.cache_status


@pytest.mark.parametrize("observation", [LIST_AWAITED, GET_AWAITED], ids=["LIST", "GET"])
@pytest.mark.parametrize("waiting", [0.0, 100.0])
def test_an_object_that_shows_something_waits_silently_for_the_next_look(
    observation: Observation, waiting: float
) -> None:
    """Between two looks nothing is written."""
    case = live(observation, facts={"waiting": waiting})
    decision = case.decide()
    assert decision.status == case.resource.status
    assert decision.action == (Confirm(ID) if observation is GET_AWAITED else Nothing())


def test_the_first_look_takes_long() -> None:
    """After two seconds the status says so, and not before."""
    early = live(LIST_AWAITED, status={}, facts={"waiting": 0.5}).decide()
    assert early.status.conditions == ()
    assert early.requeue_after == pytest.approx(1.5)
    late = live(LIST_AWAITED, status={}, facts={"waiting": 2.0}).decide()
    assert conditions(late) == says("CloudUnavailable", ready="Unknown")


def test_the_first_list_lacks_the_id_so_a_get_must_confirm() -> None:
    """Also a NotFound takes both looks."""
    assert live(GET_AWAITED, status={}).decide().action == Confirm(ID)


def test_a_live_object_with_a_deletion_in_its_status_asks_for_nothing() -> None:
    """Only a deletionTimestamp deletes."""
    status = ready_status() | {"deletion": asked(ago=600)}
    assert live(present(), status=status, facts={"since_request": 600.0}).decide().action == Nothing()


def test_a_person_asked_to_look_and_it_was_looked() -> None:
    """The annotation is echoed once a look has ended that began after it was seen."""
    waiting = live(present(), reconcile="now!").decide()
    assert waiting.status.last_handled_reconcile_at is None
    done = live(present(), reconcile="now!", facts={"reconcile_handled": True}).decide()
    assert done.status.last_handled_reconcile_at == "now!"


def test_a_status_that_changed_nothing_but_the_generation_is_about_the_new_generation() -> None:
    """Every condition says about which generation it speaks."""
    decision = live(present()).decide()
    assert decision.status.observed_generation == 2
    assert {shown.observed_generation for shown in decision.status.conditions} == {2}


def test_the_time_of_a_transition_stays_while_the_status_stays() -> None:
    """Ready was True and is True: since the same moment."""
    ready = live(present()).decide().status.condition("Ready")
    assert ready is not None
    assert ready.last_transition_time == CREATED


# --- narrow cases


@pytest.mark.parametrize("word", [CacheStatus.AVAILABLE, CacheStatus.UNAVAILABLE, CacheStatus.FAILED])
def test_a_cache_past_its_expiry_is_expired_whatever_the_cloud_still_says(word: CacheStatus) -> None:
    """Expired when expiresAt has passed, whether the cache is still there or gone (interface, 1.3)."""
    old = present(word, created_at=NOW - timedelta(days=8), retention_days=7)
    assert conditions(live(old).decide())["Ready"] == ("False", "Expired")


def test_a_long_annotation_does_not_make_the_status_unwritable() -> None:
    """The schema allows 256 characters; the API server refuses a longer echo, and with it the whole status."""
    decision = live(present(), reconcile="x" * 300, facts={"reconcile_handled": True}).decide()
    assert len(decision.status.last_handled_reconcile_at or "") <= 256


def test_a_stalled_object_shows_the_condition_that_it_had() -> None:
    """An object that shows NotFound keeps Stalled since then."""
    status = ready_status("NotFound", ready="False")
    status["conditions"].append(condition("Stalled", "True", "NotFound"))
    stalled = live(absent(), status=status).decide().status.condition("Stalled")
    assert stalled is not None
    assert stalled.last_transition_time == CREATED


def test_an_absence_seen_by_another_identity_proves_nothing() -> None:
    """Also for an object that lives: it is told who saw the cache, and not that it has vanished."""
    decision = live(absent(STRANGER), status=ready_status()).decide()
    assert conditions(decision) == says("NotFound", stalled=True)
    assert "another identity proves nothing" in message(decision)
    assert decision.status.cache_status == "Available"
