"""The life table of objects that create: repeated failures, and changes of mind in the middle of a replacement."""

from __future__ import annotations

from typing import Any

import pytest
from tests.decision.builders import ID, NOW, Case, absent, asked, conditions, message, says
from tests.decision.creating import FREE, OTHER_SPEC, SPEC, built, creates, intent, made, posted, then

from imagecache_operator.answers import NotCreated, Refusal
from imagecache_operator.decision import AwaitRoom, Nothing, RequestCreation, RequestDeletion, Room
from imagecache_operator.observation import CacheStatus, Observation

GOOD = {"Ready": ("True", "Available")}
FAILED = built(CacheStatus.FAILED)
ON_FAILED = {"recreateOn": ["Failed"]}
ON_CHANGE = {"recreateOn": ["SpecChanged"]}


def failed(*, ago: float, failures: int, **changes: Any) -> Case:
    """A build that failed, asked for so long ago, after so many that failed before it."""
    status = made(intent(ago=ago, answer="Accepted", failures=failures), word="Creating", reason="Creating")
    return creates(FAILED, **({"spec": ON_FAILED, "status": status} | changes))


# --- builds that fail


@pytest.mark.parametrize(("failures", "pause"), [(0, 60), (1, 300), (2, 900)])
def test_a_failed_build_is_replaced_after_a_pause_that_grows(failures: int, pause: float) -> None:
    """Shown as Failed until then, and the pass comes back in time."""
    waiting = failed(ago=pause - 1, failures=failures).decide()
    assert waiting.action == Nothing()
    assert conditions(waiting) == says("Failed", stalled=True)
    assert waiting.requeue_after == pytest.approx(1)
    assert failed(ago=pause, failures=failures).decide().action == RequestDeletion(ID, 1)


@pytest.mark.parametrize("failures", [3, 4])
def test_a_build_is_repeated_three_times_at_most(failures: int) -> None:
    """Then a person must act."""
    decision = failed(ago=1e6, failures=failures).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Failed", stalled=True)
    assert decision.requeue_after is None


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_failures_are_counted_through_the_replacement(failures: int) -> None:
    """Once per build, whatever becomes of the DELETEs; the new intent carries the count."""
    case = failed(ago=1e6, failures=failures)
    begun = then(case, built(CacheStatus.FAILED), since_request=60.0)
    again = then(begun, absent())
    asked_anew = then(again, FREE)
    assert isinstance(begun.decide().action, RequestDeletion)
    posted(asked_anew)
    creation = asked_anew.decide().status.creation
    assert creation is not None
    assert creation.attempt_id.endswith(f"-{failures + 1}")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"recreate": "now"}, id="a person asked by annotation"),
        pytest.param({"spec": ON_CHANGE | OTHER_SPEC}, id="another spec"),
    ],
)
def test_the_count_begins_anew(changes: dict[str, Any]) -> None:
    """Failures of the past say nothing of what a person asks for now."""
    case = failed(ago=1e6, failures=3, **changes)
    assert case.decide().action == RequestDeletion(ID, 1)
    creation = then(then(case, absent()), FREE).decide().status.creation
    assert creation is not None
    assert creation.attempt_id.endswith("-0")


def test_a_refused_post_in_between_loses_no_count() -> None:
    """The next intent carries it on."""
    status = made(intent(answer="Refused", failures=2)) | {"imageCacheID": None}
    creation = creates(spec=ON_FAILED, status=status).decide().status.creation
    assert creation is not None
    assert creation.attempt_id.endswith("-2")


@pytest.mark.parametrize("attempt", ["", "x", "x-", "x-y", "x-99999", "x-²"])
def test_an_attempt_that_another_hand_wrote_counts_as_none(attempt: str) -> None:
    """It must not make the object stumble."""
    status = made(intent(ago=60, answer="Accepted") | {"attemptID": attempt})
    assert creates(FAILED, spec=ON_FAILED, status=status).decide().action == RequestDeletion(ID, 1)


# --- changes of mind


def changes_mind(observation: Observation, deletion: dict[str, Any], **changes: Any) -> Case:
    """The spec was changed, the DELETE was asked for, and then the spec was put back."""
    status = made(reason="Recreating", deletion=deletion)
    return creates(observation, **({"spec": ON_CHANGE, "status": status} | changes))


WITHDRAWN = [
    pytest.param({}, id="the spec was put back"),
    pytest.param({"spec": {"recreateOn": []}}, id="and the policy was withdrawn"),
    pytest.param({"spec": {"managementPolicy": "Observe"} | ON_CHANGE}, id="and Observe was set"),
]


@pytest.mark.parametrize("changes", WITHDRAWN)
def test_no_second_delete_is_sent(changes: dict[str, Any]) -> None:
    """Whatever the cloud shows."""
    for word in [*CacheStatus, "Frozen"]:
        for deletion in (asked(ago=1), asked(ago=3000, accepted=True, seen=True), {"attempts": 0}):
            action = changes_mind(built(word), deletion, **changes).decide().action
            assert action == Nothing()


@pytest.mark.parametrize("changes", WITHDRAWN)
def test_a_cache_that_survives_is_shown_as_it_is(changes: dict[str, Any]) -> None:
    """The DELETE is forgotten once it has had its time, and not before."""
    early = changes_mind(built(), asked(ago=59, accepted=True), **changes).decide()
    assert early.status.deletion is not None
    assert early.requeue_after == pytest.approx(1)
    late = changes_mind(built(), asked(ago=60, accepted=True), **changes).decide()
    assert late.status.deletion is None
    for decision in (early, late):
        assert conditions(decision)["Ready"][0] == "True"


def test_a_delete_that_never_went_out_is_forgotten_at_once() -> None:
    """There is nothing to wait for."""
    decision = changes_mind(built(), {"attempts": 0, "lastError": "slow"}).decide()
    assert decision.status.deletion is None
    assert conditions(decision) == GOOD


@pytest.mark.parametrize("changes", WITHDRAWN)
def test_a_cache_that_the_cloud_is_deleting_cannot_be_saved(changes: dict[str, Any]) -> None:
    """It is looked at until it is gone."""
    decision = changes_mind(built(CacheStatus.DELETING), asked(ago=5, accepted=True), **changes).decide()
    assert conditions(decision)["Ready"][0] == "False"
    assert decision.in_motion
    assert decision.status.deletion is not None


def test_the_spec_was_put_back_and_the_cache_is_gone() -> None:
    """We deleted it, and it may be replaced: it is created anew, of the spec as it is now."""
    case = changes_mind(absent(), asked(ago=5, accepted=True))
    assert case.decide().status.image_cache_id is None
    posted(then(case, FREE))


@pytest.mark.parametrize("changes", WITHDRAWN[1:])
def test_the_policy_was_withdrawn_and_the_cache_is_gone(changes: dict[str, Any]) -> None:
    """NotFound: nothing may be created anew."""
    case = changes_mind(absent(), asked(ago=5, accepted=True), **changes)
    assert conditions(case.decide()) == says("NotFound", stalled=True)
    assert case.decide().status.image_cache_id == ID
    assert then(case).decide().action == Nothing()


def test_the_policy_was_withdrawn_and_the_changed_spec_stays() -> None:
    """The old cache stays as well, and is never Ready for the new spec."""
    status = made(reason="Recreating", deletion=asked(ago=5))
    for since in (5.0, 60.0):
        decision = creates(built(), spec=OTHER_SPEC, status=status, facts={"since_request": since}).decide()
        assert decision.action == Nothing()
        assert conditions(decision) == says("Conflict", stalled=True)


def test_the_policy_is_withdrawn_after_the_proof() -> None:
    """The old cache is gone for good: an object that creates has a cache made."""
    case = then(changes_mind(absent(), asked(ago=5, accepted=True)))
    withdrawn = creates(FREE, spec={"recreateOn": []}, status=case.resource.status.to_json())
    posted(withdrawn)


def test_observe_is_set_after_the_proof() -> None:
    """Nothing is created."""
    case = then(changes_mind(absent(), asked(ago=5, accepted=True)))
    observing = creates(FREE, spec={"managementPolicy": "Observe"}, status=case.resource.status.to_json())
    assert observing.decide().action == Nothing()
    assert conditions(observing.decide()) == says("NotFound", stalled=True)


def test_the_spec_changes_again_after_the_proof() -> None:
    """The new cache is made of what the spec says when it is asked for."""
    case = then(changes_mind(absent(), asked(ago=5, accepted=True)))
    newest = creates(FREE, spec={"images": ["third"]} | ON_CHANGE, status=case.resource.status.to_json())
    assert posted(newest).images == ("third",)


def test_the_tenant_filled_up_in_the_middle() -> None:
    """QuotaExceeded, not Recreating for ever."""
    case = then(changes_mind(absent(), asked(ago=5, accepted=True)), FREE)
    decision = Case(case.resource, FREE, case.facts | {"room": Room(50, 50, free=False)}).decide()
    assert decision.action == AwaitRoom()
    assert conditions(decision) == says("QuotaExceeded", stalled=True)


def test_somebody_took_the_name_in_the_middle() -> None:
    """Conflict: what came after the proof is not ours."""
    case = then(changes_mind(absent(), asked(ago=5, accepted=True)), built(created_at=NOW))
    assert conditions(case.decide()) == says("Conflict", stalled=True)
    assert "did not create" in message(case.decide())
    taken = NotCreated(Refusal.NAME_TAKEN, "exists")
    lost_the_race = then(then(changes_mind(absent(), asked(ago=5)), FREE), built(created_at=NOW), create_answer=taken)
    assert conditions(lost_the_race.decide()) == says("Conflict", stalled=True)


def test_a_live_object_that_creates_without_a_reason_never_deletes() -> None:
    """An old record of a DELETE in its status asks for nothing."""
    for word in CacheStatus:
        case = creates(built(word), spec=SPEC, status=made(deletion=asked(ago=9999)))
        assert not isinstance(case.decide().action, RequestDeletion | RequestCreation)
