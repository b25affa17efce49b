"""The life table of objects that create: the cache is deleted, proven gone, and created anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.decision.builders import (
    GET_AWAITED,
    ID,
    LIST_AWAITED,
    NOW,
    STRANGER,
    US,
    Case,
    absent,
    asked,
    conditions,
    message,
    present,
    rfc,
    says,
    trouble,
)
from tests.decision.creating import (
    FREE,
    OTHER_SPEC,
    SPEC,
    asked_for,
    built,
    creates,
    hash_of,
    intent,
    made,
    posted,
    then,
)

from imagecache_operator.answers import Accepted, Lost, NotDone
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Confirm, Crd, Nothing, QueueWrite, Release, RequestCreation, RequestDeletion
from imagecache_operator.observation import CacheStatus, Observation, Trouble, TroubleKind

GOOD = {"Ready": ("True", "Available")}
OLD = NOW - timedelta(hours=1)
EXPIRED = built(created_at=NOW - timedelta(days=8), retention_days=7)


def wants(on: list[str], observation: Observation | None = None, **changes: Any) -> Case:
    """An object whose recreateOn is that."""
    spec = {"recreateOn": on} | changes.pop("spec", {})
    changes = {"status": made()} | changes
    return creates(observation or built(created_at=OLD), spec=spec, **changes)


def changed(observation: Observation | None = None, **changes: Any) -> Case:
    """An object whose spec has changed and may replace its cache."""
    return wants(["SpecChanged"], observation, **({"spec": OTHER_SPEC} | changes))


def replacing(observation: Observation, deletion: dict[str, Any] | None = None, **changes: Any) -> Case:
    """The same, with its DELETE asked for."""
    status = made(reason="Recreating", deletion=deletion or asked(ago=5, accepted=True))
    return changed(observation, **({"status": status} | changes))


STARTS = [
    pytest.param(changed(), "the spec has changed", id="SpecChanged"),
    pytest.param(wants([], recreate="now"), "annotation", id="the annotation"),
    pytest.param(wants(["Failed"], built(CacheStatus.FAILED)), "could not build it", id="Failed"),
    pytest.param(wants(["Expired"], EXPIRED), "retention is over", id="Expired"),
]


@pytest.mark.parametrize(("case", "why"), STARTS)
def test_the_old_cache_is_asked_to_go(case: Case, why: str) -> None:
    """Intent and DELETE as in a deletion; Recreating, and why."""
    decision = case.decide()
    assert decision.action == RequestDeletion(ID, 1)
    assert decision.status.deletion is not None
    assert decision.status.deletion.requested_at == NOW
    assert conditions(decision) == says("Recreating")
    assert why in message(decision)
    assert decision.status.observed_generation == case.resource.generation
    assert decision.status.image_cache_id == ID


@pytest.mark.parametrize(("case", "why"), STARTS)
@pytest.mark.parametrize("crd", list(Crd))
def test_the_crd_is_not_read_for_a_replacement(case: Case, why: str, crd: Crd) -> None:
    """While it is being deleted, every object has a deletionTimestamp."""
    facts = case.facts | {"crd": crd}
    assert isinstance(Case(case.resource, case.observation, facts).decide().action, RequestDeletion), why


@pytest.mark.parametrize(("case", "why"), STARTS)
def test_observe_replaces_nothing(case: Case, why: str) -> None:
    """Whatever is asked for."""
    spec = case.resource.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    observing = creates(case.observation, spec=spec | {"managementPolicy": "Observe"}, status=made(), recreate="now")
    assert observing.decide().action == Nothing(), why


@pytest.mark.parametrize(("case", "why"), STARTS)
def test_a_replacement_waits_for_a_write_slot(case: Case, why: str) -> None:
    """Recreating, and no intent yet."""
    decision = Case(case.resource, case.observation, case.facts | {"slot_granted": False}).decide()
    assert decision.action == QueueWrite()
    assert conditions(decision) == says("Recreating")
    assert decision.status.deletion is None, why


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(wants(["Failed", "Expired", "NotFound"], spec=OTHER_SPEC), id="the spec"),
        pytest.param(wants(["SpecChanged", "Expired", "NotFound"], built(CacheStatus.FAILED)), id="Failed"),
        pytest.param(wants(["SpecChanged", "Failed", "NotFound"], EXPIRED), id="Expired"),
        pytest.param(wants(["SpecChanged", "Failed", "Expired"], absent()), id="NotFound"),
        pytest.param(wants([], status=made(lastHandledRecreateAt="now"), recreate="now"), id="handled"),
        pytest.param(wants(["SpecChanged", "Failed", "Expired", "NotFound"]), id="nothing is wrong"),
        pytest.param(wants(["Failed"], built(CacheStatus.UNAVAILABLE)), id="Unavailable is not Failed"),
    ],
)
def test_nothing_is_replaced_that_was_not_allowed(case: Case) -> None:
    """Each word of recreateOn allows what it says, and no more."""
    decision = case.decide()
    assert decision.action == Nothing()
    assert decision.status.image_cache_id == ID


def test_the_cloud_deletes_the_old_cache() -> None:
    """Recreating, and when Deleting was first seen is kept."""
    decision = replacing(built(CacheStatus.DELETING)).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Recreating")
    assert decision.status.deletion is not None
    assert decision.status.deletion.seen_deleting_at == NOW


def test_the_answer_to_the_delete_is_written() -> None:
    """As in a deletion; also while the cloud cannot be looked at."""
    for observation in (built(CacheStatus.DELETING), trouble(TroubleKind.THROTTLED)):
        case = replacing(observation, asked(ago=5), facts={"answer": Accepted(NOW)})
        deletion = case.decide().status.deletion
        assert deletion is not None
        assert deletion.accepted_at == NOW


def test_a_replacement_that_the_cloud_gave_up_is_told_and_asked_for_again() -> None:
    """DeleteReverted first, then the second DELETE."""
    case = replacing(built(), asked(ago=60, accepted=True, seen=True))
    first = case.decide()
    assert first.action == Nothing()
    assert conditions(first) == says("DeleteReverted")
    assert then(case).decide().action == RequestDeletion(ID, 2)


def test_a_delete_that_may_have_been_carried_out_is_not_repeated_at_once() -> None:
    """The pauses of deletions hold."""
    for deletion in (asked(ago=59), asked(ago=119, attempts=2), asked(ago=59, accepted=True)):
        assert not isinstance(replacing(built(), deletion).decide().action, RequestDeletion)
    assert replacing(built(), asked(ago=60)).decide().action == RequestDeletion(ID, 2)


@pytest.mark.parametrize("attempts", [1, 2, 9])
def test_a_replacement_is_overdue_counted_from_its_own_beginning(attempts: int) -> None:
    """Not from when the object ceased to be Ready: a cache that had Failed for days is replaced in time."""
    status = made(reason="Failed", deletion=asked(ago=10, attempts=attempts, accepted=True))
    decision = changed(built(CacheStatus.DELETING), status=status).decide()
    overdue = attempts == 9
    assert conditions(decision) == says("DeleteOverdue" if overdue else "Recreating", stalled=overdue)


def test_the_old_cache_takes_too_long_to_go() -> None:
    """Stalled after the stall time, so that somebody looks."""
    decision = replacing(built(CacheStatus.DELETING), asked(ago=1800, accepted=True, seen=True)).decide()
    assert conditions(decision) == says("DeleteOverdue", stalled=True)


# --- the proof, and what comes after it

GONE = [
    pytest.param(replacing(absent()), id="deleted by us"),
    pytest.param(changed(absent()), id="the spec has changed, and it was gone already"),
    pytest.param(wants(["NotFound"], absent()), id="NotFound"),
    pytest.param(wants(["Expired"], absent(), status=made(expiresAt="2026-03-01T11:00:00Z")), id="Expired"),
    pytest.param(wants([], absent(), recreate="now"), id="the annotation"),
    pytest.param(wants(["NotFound"], absent(), status=made(intent(ago=30, answer="Accepted"))), id="young, seen"),
]


@pytest.mark.parametrize("case", GONE)
def test_one_patch_clears_the_old_cache(case: Case) -> None:
    """Id, deletion and what was shown of the cache go together; the POST is for the next pass."""
    decision = case.decide()
    assert decision.action == Nothing()
    status = decision.status
    assert (status.image_cache_id, status.deletion, status.cache_status) == (None, None, None)
    assert (status.expires_at, status.cache_message) == (None, None)
    assert status.seen_by == US.to_status()
    assert status.creation == case.resource.status.creation
    assert conditions(decision) == says("Recreating")
    assert decision.requeue_after == 0.0


@pytest.mark.parametrize("case", GONE)
def test_the_new_cache_is_asked_for_once_the_name_is_free(case: Case) -> None:
    """A new intent, for the spec as it is now; the annotation is handled with it."""
    after = then(case, FREE)
    posted(after)
    decision = after.decide()
    creation = decision.status.creation
    assert creation is not None
    assert creation.requested_at == NOW
    assert creation.open
    assert decision.status.last_handled_recreate_at == case.resource.recreate_requested
    assert conditions(decision) == says("Recreating")


def test_the_new_intent_is_about_the_new_spec() -> None:
    """So that observedGeneration tells the truth throughout."""
    decision = then(replacing(absent()), FREE).decide()
    assert decision.status.creation is not None
    assert decision.status.creation.spec_hash == hash_of(OTHER_SPEC)


@pytest.mark.parametrize("case", GONE)
def test_the_old_cache_in_a_stale_look_is_not_taken_for_the_new_one(case: Case) -> None:
    """No POST while a cache of that name is there, and its id is not taken."""
    for word in (CacheStatus.AVAILABLE, CacheStatus.DELETING):
        decision = then(case, built(word)).decide()
        assert decision.action == Nothing()
        assert decision.status.image_cache_id is None


@pytest.mark.parametrize("deleted_at", [None, NOW], ids=["live", "being deleted"])
@pytest.mark.parametrize(("seconds", "ours"), [(-1, False), (0, False), (1, True)])
def test_a_stale_look_while_the_answer_is_lost(deleted_at: datetime | None, seconds: float, ours: bool) -> None:
    """The old cache is known by when it was made: taking it would leave the new one behind."""
    made_at = NOW - timedelta(seconds=40)
    status = asked_for(intent(answer="Lost", spec=OTHER_SPEC)) | {"createdAt": rfc(made_at)}
    look = built(images=tuple(OTHER_SPEC["images"]), created_at=made_at + timedelta(seconds=seconds))
    decision = changed(look, status=status, deleted=deleted_at).decide()
    assert decision.status.image_cache_id == (ID if ours else None)
    assert not isinstance(decision.action, RequestCreation | Release)
    assert conditions(decision)["Ready"][1] != "Conflict"


@pytest.mark.parametrize("case", GONE)
def test_an_absence_that_another_identity_sees_proves_nothing(case: Case) -> None:
    """NotFound, naming both; nothing is cleared."""
    stranger = Case(case.resource, absent(STRANGER), case.facts | {"identity": STRANGER})
    decision = stranger.decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotFound", stalled=True)
    assert str(US) in message(decision)
    assert str(STRANGER) in message(decision)
    assert decision.status.image_cache_id == ID


def test_a_proof_that_is_older_than_the_answer_to_the_delete_is_none() -> None:
    """The cloud may still be about to carry it out."""
    decision = replacing(absent(), facts={"in_flight": True}).decide()
    assert decision.status.image_cache_id == ID
    assert conditions(decision) == says("Recreating")


def test_a_get_confirms_that_the_old_cache_is_gone() -> None:
    """As in a deletion."""
    assert replacing(GET_AWAITED).decide().action == Confirm(ID)


def test_an_answer_to_the_delete_is_told_with_the_look_that_follows() -> None:
    """One write for both, as in a deletion."""
    case = replacing(LIST_AWAITED, asked(ago=5), facts={"answer": Accepted(NOW)})
    assert case.decide().status == case.resource.status


@pytest.mark.parametrize(
    ("answer", "attempts"), [(Lost("cut"), 1), (NotDone(Trouble(TroubleKind.THROTTLED, "slow")), 0)]
)
def test_what_an_answer_to_the_delete_means(answer: Lost | NotDone, attempts: int) -> None:
    """Lost: it may have been carried out. Not done: no attempt."""
    case = replacing(present(), asked(ago=5), facts={"answer": answer, "slot_granted": False})
    deletion = case.decide().status.deletion
    assert deletion is not None
    assert deletion.attempts == attempts


def test_nothing_is_created_anew_because_of_a_delete_that_never_went_out() -> None:
    """A cache that vanished by itself is NotFound, unless NotFound is allowed to replace it."""
    status = made(reason="Recreating", deletion={"attempts": 0, "lastError": "slow"})
    decision = wants(["SpecChanged"], absent(), status=status).decide()
    assert conditions(decision) == says("NotFound", stalled=True)
    assert (decision.status.image_cache_id, decision.status.deletion) == (ID, None)


def test_a_spec_of_which_the_cache_is_made_is_no_change() -> None:
    """Another form of the same references replaces nothing."""
    same = {"images": ["docker.io/library/busybox:1.36", "nginx:latest"]}
    assert conditions(wants(["SpecChanged"], spec=SPEC | same).decide()) == GOOD


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param({"desired": Verdict(Reason.NOT_ALLOWED, "No.")}, "NotAllowed", id="what it wants is not allowed"),
        pytest.param(
            {"create_trouble": Trouble(TroubleKind.CREDENTIALS_INVALID, "Gone.")},
            "CredentialsInvalid",
            id="its credentials may create nothing any more",
        ),
        pytest.param(
            {"create_trouble": Trouble(TroubleKind.ACCESS_DENIED, "403")}, "AccessDenied", id="nobody lets it create"
        ),
    ],
)
def test_a_cache_that_could_not_be_built_anew_is_not_given_up(facts: dict[str, Any], reason: str) -> None:
    """The old one stays until the new one could be asked for; what is in the way is told."""
    case = changed()
    decision = replace(case, facts=case.facts | facts).decide()
    assert not isinstance(decision.action, RequestDeletion)
    assert conditions(decision) == says(reason, stalled=True)
    assert isinstance(case.decide().action, RequestDeletion)


@pytest.mark.parametrize(
    "obstacle",
    [
        {"create_trouble": Trouble(TroubleKind.CREDENTIALS_INVALID, "the Secret is gone")},
        {"desired": Verdict(Reason.NOT_ALLOWED, "forbidden")},
    ],
    ids=["credentials", "settings"],
)
def test_a_delete_that_was_not_carried_out_does_not_give_the_old_cache_up(obstacle: dict[str, Any]) -> None:
    """A 429 to the first DELETE, and then the new cache could not be built: the old one stays."""
    throttled = then(changed(), answer=NotDone(Trouble(TroubleKind.THROTTLED, "429")), since_request=1.0)
    decision = replace(throttled, facts=throttled.facts | obstacle).decide()
    assert decision.action == Nothing()
    assert "Stalled" in conditions(decision)


def test_a_delete_that_was_not_carried_out_allows_no_fourth_build() -> None:
    """Three builds failed; the spec was changed, the DELETE met a 429, and the spec was put back."""
    status = made(intent(ago=3600, answer="Accepted", failures=3), word="Failed", reason="Failed")
    failed = built(CacheStatus.FAILED, created_at=OLD)
    back = wants(["Failed", "SpecChanged"], failed, status=status | {"deletion": {"attempts": 0, "lastError": "429"}})
    assert not isinstance(back.decide().action, RequestDeletion)


def test_not_found_does_not_stand_for_expired() -> None:
    """What the cloud removes because its retention is over has expired."""
    status = made() | {"expiresAt": rfc(NOW - timedelta(hours=1))}
    decision = wants(["NotFound"], absent(), status=status).decide()
    assert conditions(decision) == says("Expired", stalled=True)
    assert decision.status.image_cache_id == ID
