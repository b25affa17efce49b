"""The life table of objects that create: answers to the POST, and answers that were lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import (
    GET_AWAITED,
    HERE,
    ID,
    LIST_AWAITED,
    NOW,
    ROTATED,
    STRANGER,
    US,
    absent,
    conditions,
    message,
    says,
    trouble,
)
from tests.decision.creating import (
    FREE,
    OTHER_SPEC,
    SPEC,
    TOLD_ID,
    asked_for,
    built,
    creates,
    intent,
    made,
    posted,
    then,
)

from imagecache_operator.answers import CreateAnswer, Created, Lost, NotCreated, NotDone, Refusal
from imagecache_operator.decision import Confirm, Decision, Nothing
from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import CacheStatus, Observation, Present, Trouble, TroubleKind, Unlisted
from imagecache_operator.status import CreationAnswer

DENIED = Trouble(TroubleKind.ACCESS_DENIED, "no")
TAKEN = NotCreated(Refusal.NAME_TAKEN, "exists")
REFUSALS: list[CreateAnswer] = [TAKEN, NotCreated(Refusal.QUOTA, "full"), NotDone(DENIED)]
OPEN = [
    pytest.param(None, id="unanswered"),
    pytest.param("Lost", id="Lost"),
]


def answer_of(decision: Decision) -> CreationAnswer | None:
    """What the status tells of the newest intent."""
    assert decision.status.creation is not None
    return decision.status.creation.answer


# --- answers


@pytest.mark.parametrize("observation", [FREE, built(), LIST_AWAITED, trouble(TroubleKind.THROTTLED)])
def test_the_answer_told_the_id(observation: Observation) -> None:
    """Id, who saw it and Accepted are in the status at once; an older look says nothing of it."""
    case = creates(observation, status=asked_for(intent()), facts={"create_answer": Created(TOLD_ID)})
    decision = case.decide()
    assert decision.action == Nothing()
    assert decision.status.image_cache_id == TOLD_ID
    assert decision.status.seen_by == US.to_status()
    assert answer_of(decision) is CreationAnswer.ACCEPTED
    assert conditions(decision) == says("Creating")
    assert decision.in_motion
    assert decision.requeue_after == 0.0


def test_who_saw_the_cache_is_who_asked_for_it() -> None:
    """The credentials may have changed while the POST was on its way: an absence seen by others proves nothing."""
    case = creates(status=asked_for(intent()), facts={"create_answer": Created(TOLD_ID), "identity": STRANGER})
    assert case.decide().status.seen_by == US.to_status()


def test_an_intent_of_a_former_version_tells_nobody() -> None:
    """Then it is who looks now."""
    status = asked_for(intent()) | {"seenBy": None}
    case = creates(status=status, facts={"create_answer": Created(TOLD_ID), "identity": ROTATED})
    assert case.decide().status.seen_by == ROTATED.to_status()


@pytest.mark.parametrize("answer", [Created(None), Lost("time-out")], ids=["2xx without an id", "lost"])
def test_the_answer_did_not_tell_the_id(answer: CreateAnswer) -> None:
    """The cache is looked up by its name, and no second POST goes out."""
    decision = creates(status=asked_for(intent()), facts={"create_answer": answer}).decide()
    assert decision.action == Nothing()
    assert answer_of(decision) is CreationAnswer.LOST
    assert conditions(decision) == says("CreateRequested")
    assert "told no id" in message(decision)


@pytest.mark.parametrize("answer", REFUSALS, ids=lambda answer: type(answer).__name__)
def test_no_cache_came_of_it(answer: CreateAnswer) -> None:
    """Refused, never ours: a cache of that name is somebody else's, and nothing pins the location."""
    hindered = {"create_answer": answer, "write_trouble": DENIED}
    decision = creates(status=asked_for(intent()), facts=hindered).decide()
    assert answer_of(decision) is CreationAnswer.REFUSED
    assert decision.status.seen_by is None
    found = creates(built(), status=asked_for(intent()), facts=hindered).decide()
    assert answer_of(found) is CreationAnswer.REFUSED
    assert conditions(found) == says("Conflict", stalled=True)
    assert found.status.image_cache_id is None


@pytest.mark.parametrize("kind", list(TroubleKind))
def test_an_answer_is_written_also_while_the_cloud_cannot_be_looked_at(kind: TroubleKind) -> None:
    """What is not written with the next status is forgotten: a refusal would become a creation that is open."""
    decision = creates(trouble(kind), status=asked_for(intent()), facts={"create_answer": TAKEN}).decide()
    assert answer_of(decision) is CreationAnswer.REFUSED


def test_recording_twice_changes_nothing() -> None:
    """An answer that is still remembered after it was written says nothing of a closed intent."""
    status = asked_for(intent(answer="Lost"))
    decision = creates(status=status, facts={"create_answer": TAKEN}).decide()
    assert answer_of(decision) is CreationAnswer.LOST


# --- the cache that was told and is not seen yet


def test_a_cache_that_was_told_and_is_not_shown_yet() -> None:
    """After a POST an absence says nothing for 120 seconds."""
    case = creates(absent(), status=made(intent(ago=119, answer="Accepted"), word=None, reason="Creating"))
    decision = case.decide()
    assert conditions(decision) == says("Creating")
    assert decision.requeue_after == pytest.approx(1)
    assert decision.in_motion
    assert decision.status.image_cache_id == ID


def test_a_cache_that_was_told_and_never_shown() -> None:
    """Then it has vanished, and stays so."""
    case = creates(absent(), status=made(intent(ago=120, answer="Accepted"), word=None, reason="Creating"))
    assert conditions(case.decide()) == says("NotFound", stalled=True)


def test_a_young_cache_that_was_seen_and_vanished() -> None:
    """NotFound at once, and no way back to Creating within the 120 seconds."""
    case = creates(absent(), status=made(intent(ago=30, answer="Accepted")))
    assert conditions(case.decide()) == says("NotFound", stalled=True)
    assert conditions(then(case).decide()) == says("NotFound", stalled=True)


def test_a_get_must_confirm_that_it_is_gone() -> None:
    """A LIST that lacks the id is not the last word."""
    assert creates(GET_AWAITED, status=made()).decide().action == Confirm(ID)


# --- a creation that is open


@pytest.mark.parametrize("answer", OPEN)
@pytest.mark.parametrize("word", [CacheStatus.CREATING, CacheStatus.AVAILABLE, CacheStatus.FAILED])
def test_it_is_ours(answer: str | None, word: CacheStatus) -> None:
    """The id is taken and the creation is closed: Accepted."""
    decision = creates(built(word), status=asked_for(intent(answer=answer))).decide()
    assert decision.action == Nothing()
    assert decision.status.image_cache_id == ID
    assert answer_of(decision) is CreationAnswer.ACCEPTED
    assert conditions(decision)["Ready"][1] == word


@pytest.mark.parametrize("answer", OPEN)
@pytest.mark.parametrize(
    ("fields", "ours"),
    [
        pytest.param({"created_at": NOW - timedelta(seconds=10, minutes=15)}, True, id="at most 15 minutes older"),
        pytest.param({"created_at": NOW - timedelta(seconds=11, minutes=15)}, False, id="older"),
        pytest.param({"created_at": None}, True, id="a creation time that cannot be read"),
        pytest.param({"images": ("docker.io/library/busybox:1.36", "nginx:latest")}, True, id="images, rewritten"),
        pytest.param({"images": ("nginx",)}, False, id="other images"),
        pytest.param({"size_gib": 21}, False, id="another size"),
        pytest.param({"retention_days": 7}, False, id="another retention"),
        pytest.param({"cluster_id": "x"}, False, id="another cluster"),
        pytest.param({"pull_secrets": ("team-a:a",)}, False, id="other pull secrets"),
        pytest.param({"status": CacheStatus.DELETING}, False, id="being deleted"),
    ],
)
def test_what_is_ours(answer: str | None, fields: dict[str, Any], ours: bool) -> None:
    """Every field agrees, and it is not older than the intent but for the slack of clocks."""
    decision = creates(built(**fields), status=asked_for(intent(answer=answer))).decide()
    assert decision.action == Nothing()
    assert decision.status.image_cache_id == (ID if ours else None)


@pytest.mark.parametrize(("ago", "answer"), [(10, None), (119, None), (120, CreationAnswer.REFUSED)])
def test_a_cache_of_that_name_is_not_ours(ago: float, answer: CreationAnswer | None) -> None:
    """Conflict; the creation is open until 120 seconds have passed, and the pass comes back then."""
    decision = creates(built(size_gib=99), status=asked_for(intent(ago=ago))).decide()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert answer_of(decision) is answer
    assert decision.requeue_after == (None if answer else pytest.approx(120 - ago))


def test_what_was_lost_may_be_deleted_by_somebody_else() -> None:
    """It is not given up while the cloud may change its mind: then it is ours."""
    case = creates(built(CacheStatus.DELETING), status=asked_for(intent(ago=600)))
    decision = case.decide()
    assert decision.status.creation is not None
    assert decision.status.creation.open
    assert conditions(decision) == says("CreateRequested")
    assert then(case, built(created_at=NOW - timedelta(seconds=599))).decide().status.image_cache_id == ID


@pytest.mark.parametrize("answer", OPEN)
def test_it_is_absent_so_far(answer: str | None) -> None:
    """Nothing is sent again before 120 seconds have passed."""
    decision = creates(status=asked_for(intent(ago=119, answer=answer))).decide()
    assert decision.action == Nothing()
    assert decision.requeue_after == pytest.approx(1)
    assert decision.status.creation is not None
    assert decision.status.creation.open


@pytest.mark.parametrize("answer", OPEN)
def test_it_came_to_nothing(answer: str | None) -> None:
    """After 120 seconds the creation is closed, and only then the POST goes out again."""
    case = creates(status=asked_for(intent(ago=120, answer=answer)))
    decision = case.decide()
    assert decision.action == Nothing()
    assert answer_of(decision) is CreationAnswer.REFUSED
    assert decision.requeue_after == 0.0
    posted(then(case))


def test_another_identity_misses_what_the_lost_answer_made() -> None:
    """What one account does not show may be in the other: nothing is closed, nothing sent again."""
    case = creates(Unlisted(STRANGER), status=asked_for(intent(ago=999)), facts={"identity": STRANGER})
    decision = case.decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotFound", stalled=True)
    assert str(US) in message(decision)
    assert str(STRANGER) in message(decision)
    assert decision.status.creation == case.resource.status.creation
    assert then(case).decide().action == Nothing()


def test_a_rotated_key_of_the_same_account_sees_the_same() -> None:
    """So the creation is closed after 120 seconds as ever."""
    case = creates(Unlisted(ROTATED), status=asked_for(intent(ago=120)), facts={"identity": ROTATED})
    assert answer_of(case.decide()) is CreationAnswer.REFUSED


def test_the_location_moved_while_the_answer_was_lost() -> None:
    """Conflict; nobody looks elsewhere."""
    moved = Identity(replace(HERE, region="eu-west-102"), "account-1", "key-aaaa")
    decision = creates(Unlisted(moved), status=asked_for(intent(ago=999)), facts={"identity": moved}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Conflict", stalled=True)


def test_the_name_holder_does_not_matter_while_a_creation_is_open() -> None:
    """What was made must be found, whoever has a better claim by now."""
    facts = {"name_holder": Key("team-a", "older")}
    assert creates(built(), status=asked_for(intent()), facts=facts).decide().status.image_cache_id == ID


@pytest.mark.parametrize(
    ("on", "expected"),
    [([], says("Conflict", stalled=True)), (["SpecChanged"], says("Recreating"))],
    ids=["kept", "replaced"],
)
def test_the_spec_changed_while_the_answer_was_lost(on: list[str], expected: dict[str, tuple[str, str]]) -> None:
    """The cache of the former spec is ours, but never Ready for the new one."""
    spec = OTHER_SPEC | {"recreateOn": on}
    case = creates(built(), spec=spec, status=asked_for(intent(answer="Lost", spec=SPEC)))
    decision = case.decide()
    assert decision.status.image_cache_id == ID
    assert conditions(decision) == expected


@pytest.mark.parametrize("observation", [built(), FREE])
def test_a_person_made_it_observe_while_the_answer_was_lost(observation: Present | Unlisted) -> None:
    """The cache is found and shown; what came to nothing is not asked for again."""
    case = creates(observation, spec={"managementPolicy": "Observe"}, status=asked_for(intent(ago=120)))
    assert case.decide().action == Nothing()
    assert then(case).decide().action == Nothing()


def test_where_the_settings_name_the_cluster_their_present_one_counts() -> None:
    """The hash covers what the spec says; the cluster of the cache must be that of the settings."""
    status = asked_for(intent())
    assert creates(built(), status=status).decide().status.image_cache_id == ID
    other = creates(built(), status=status, facts={"default_cluster_id": "another"}).decide()
    assert other.status.image_cache_id is None
