"""The life table of objects that create: a cache of that name that this object did not create; following; expiry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import ID, NOW, US, absent, condition, conditions, message, says, trouble
from tests.decision.creating import OTHER_SPEC, SPEC, built, creates, hash_of, intent, made, then

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Nothing, RequestCreation
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import CacheStatus, TroubleKind
from imagecache_operator.status import CreationAnswer

ADOPTS = {"adoptionPolicy": "IfIdentical"}
GOOD = {"Ready": ("True", "Available")}
WEEK_OLD = NOW - timedelta(days=7)


@pytest.mark.parametrize("policy", [{}, {"adoptionPolicy": "Never"}], ids=["by default", "Never"])
def test_a_foreign_cache_is_never_taken(policy: dict[str, str]) -> None:
    """Conflict with its id and what to do, although every field agrees."""
    decision = creates(built(), spec=policy).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert ID in message(decision)
    assert "IfIdentical" in message(decision)
    assert decision.status.image_cache_id is None
    assert decision.status.creation is None


def test_an_identical_cache_is_taken_over() -> None:
    """The id is pinned, an event says Adopted, and the spec that it agrees with is kept."""
    decision = creates(built(created_at=WEEK_OLD), spec=ADOPTS).decide()
    assert decision.action == Nothing()
    [note] = decision.notes
    assert note.reason == "Adopted"
    assert ID in note.message
    assert decision.status.image_cache_id == ID
    assert decision.status.seen_by == US.to_status()
    assert decision.status.creation is not None
    assert decision.status.creation.answer is CreationAnswer.ACCEPTED
    assert decision.status.creation.spec_hash == hash_of(SPEC)
    assert conditions(decision) == GOOD


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"images": ("nginx",)}, ["images"]),
        ({"size_gib": 40}, ["sizeGiB"]),
        ({"retention_days": 7}, ["retentionDays"]),
        ({"cluster_id": "another"}, ["build.clusterID"]),
        ({"pull_secrets": ("team-a:a",)}, ["build.pullSecretRefs"]),
        ({"size_gib": None, "images": ()}, ["images", "sizeGiB"]),
    ],
)
def test_a_cache_that_differs_is_not(fields: dict[str, Any], named: list[str]) -> None:
    """Conflict, and the message lists the fields that differ, and those alone."""
    decision = creates(built(**fields), spec=ADOPTS).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert f"it differs in {', '.join(named)}." in message(decision)
    assert decision.status.image_cache_id is None


def test_what_cannot_be_asked_for_cannot_be_compared() -> None:
    """The reason why is shown."""
    refused = Verdict(Reason.REQUEST_REJECTED, "No cluster.")
    decision = creates(built(), spec=ADOPTS, facts={"desired": refused}).decide()
    assert conditions(decision) == says("RequestRejected", stalled=True)


@pytest.mark.parametrize("policy", [{}, ADOPTS], ids=["Never", "IfIdentical"])
def test_a_former_cache_of_that_name_is_being_deleted(policy: dict[str, str]) -> None:
    """It is waited for, not taken, and nothing is sent."""
    decision = creates(built(CacheStatus.DELETING), spec=policy).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("CreateRequested")
    assert decision.in_motion
    assert decision.status.image_cache_id is None


@pytest.mark.parametrize("policy", [{}, ADOPTS], ids=["Never", "IfIdentical"])
def test_another_object_holds_the_cache_of_that_name(policy: dict[str, str]) -> None:
    """Conflict that names it; nothing is taken from it."""
    decision = creates(built(), spec=policy, facts={"other_holder": Key("team-a", "older")}).decide()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert "the ImageCache older" in message(decision)
    assert decision.status.image_cache_id is None


# --- following


@pytest.mark.parametrize(
    ("word", "expected", "moving"),
    [
        ("Creating", says("Creating"), True),
        ("Available", GOOD, False),
        ("Unavailable", says("Unavailable", stalled=True), False),
        ("Failed", says("Failed", stalled=True), False),
        ("Deleting", says("Deleting"), True),
        ("Frozen", says("UnknownStatus"), False),
    ],
)
def test_the_cache_is_shown(word: str, expected: dict[str, tuple[str, str]], moving: bool) -> None:
    """As the cloud describes it; nothing is written to the cloud."""
    known = {status.value: status for status in CacheStatus}
    decision = creates(built(known.get(word, word)), status=made(word="Creating", reason="Creating")).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == expected
    assert decision.in_motion is moving
    assert decision.status.cache_status == word


def test_from_creating_to_available() -> None:
    """Reconciling, then Ready; the wish is met for the generation at hand."""
    building = creates(built(CacheStatus.CREATING), status=made(word=None, reason="CreateRequested"))
    assert conditions(building.decide()) == says("Creating")
    ready = then(building, built()).decide()
    assert conditions(ready) == GOOD
    assert ready.status.observed_generation == building.resource.generation


def test_a_cloud_that_rewrites_the_fields_of_a_cache_that_was_told() -> None:
    """That is no difference: the id came from our own POST's answer."""
    rewritten = built(images=("rewritten",), size_gib=100, retention_days=3, cluster_id=None)
    assert conditions(creates(rewritten, status=made()).decide()) == GOOD


def test_observe_shows_it() -> None:
    """Observed, not Available."""
    decision = creates(built(), spec={"managementPolicy": "Observe"}, status=made()).decide()
    assert conditions(decision) == {"Ready": ("True", "Observed")}


def test_the_spec_is_another_and_may_not_replace() -> None:
    """Never Ready for a spec of which the cache was not made; the message says what to do."""
    decision = creates(built(), spec=OTHER_SPEC, status=made(intent(ago=999, answer="Accepted", spec=SPEC))).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert "SpecChanged" in message(decision)


def test_passing_trouble_leaves_a_true_ready_alone() -> None:
    """As for objects that bind."""
    case = creates(trouble(TroubleKind.THROTTLED), status=made())
    assert case.decide().status == case.resource.status


def test_it_has_vanished() -> None:
    """NotFound; it is not created anew without being asked for."""
    decision = creates(absent(), status=made()).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotFound", stalled=True)
    assert "recreateOn" in message(decision)
    assert decision.status.image_cache_id == ID
    assert decision.status.cache_status is None


# --- expiry


def test_the_retention_is_over_and_the_cache_is_gone() -> None:
    """Expired, not NotFound; not created anew without being asked for."""
    decision = creates(absent(), status=made(expiresAt="2026-03-01T11:00:00Z")).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Expired", stalled=True)


@pytest.mark.parametrize("word", [CacheStatus.AVAILABLE, CacheStatus.UNAVAILABLE])
def test_the_retention_is_over_and_the_cache_is_still_there(word: CacheStatus) -> None:
    """Expired, and left to the cloud."""
    spec = {"retentionDays": 7}
    status = made(intent(ago=7 * 86400, answer="Accepted", spec=SPEC | spec))
    decision = creates(built(word, created_at=WEEK_OLD, retention_days=7), spec=spec, status=status).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Expired", stalled=True)
    assert decision.notes == ()


def expiring(left: timedelta, told: str = "") -> tuple[float | None, bool]:
    """When the pass comes back, and whether the end is announced, so long before it."""
    spec = {"retentionDays": 7}
    status = made(intent(ago=86400, answer="Accepted", spec=SPEC | spec))
    cache = built(created_at=WEEK_OLD + left, retention_days=7)
    status["conditions"][0]["message"] = told
    decision = creates(cache, spec=spec, status=status).decide()
    assert conditions(decision) == GOOD
    assert decision.status.expires_at == NOW + left
    assert all((note.reason, note.warning) == ("Expired", True) for note in decision.notes)
    return decision.requeue_after, len(decision.notes) == 1


def test_the_end_is_announced_a_day_before_it() -> None:
    """Not sooner; the pass comes back for it, and then when the retention is over."""
    assert expiring(timedelta(hours=25)) == (3600.0, False)
    assert expiring(timedelta(hours=24)) == (86400.0, True)
    assert expiring(timedelta(hours=1)) == (3600.0, True)


def test_the_end_is_announced_once() -> None:
    """But again when it is another end."""
    left = timedelta(hours=1)
    assert expiring(left, told="It can be used. Its retention ends at 2026-03-01T13:00:00Z.") == (3600.0, False)
    assert expiring(left, told="It can be used. Its retention ends at 2026-03-01T12:00:00Z.") == (3600.0, True)


def test_what_is_taken_over_may_end_soon() -> None:
    """Both are told."""
    soon = built(created_at=WEEK_OLD + timedelta(hours=1), retention_days=7)
    decision = creates(soon, spec={"retentionDays": 7, "adoptionPolicy": "IfIdentical"}).decide()
    assert [note.reason for note in decision.notes] == ["Adopted", "Expired"]


def test_what_is_taken_over_is_not_built_anew_because_of_an_old_annotation() -> None:
    """Who takes over what is there wants what is there."""
    decision = creates(built(), spec={"adoptionPolicy": "IfIdentical"}, recreate="2026-01").decide()
    assert decision.status.last_handled_recreate_at == "2026-01"


def test_a_cache_that_never_ends_is_not_announced() -> None:
    """Nor does anything come back for it."""
    decision = creates(built(), status=made()).decide()
    assert decision.notes == ()
    assert decision.requeue_after is None


def test_a_vanished_cache_does_not_free_the_name_by_itself() -> None:
    """An id in status forbids a POST, whatever the conditions say."""
    status = made() | {"conditions": [condition("Ready", "False", "NotFound")]}
    for observation in (absent(), built(), built(CacheStatus.DELETING)):
        assert not isinstance(creates(observation, status=status).decide().action, RequestCreation)
