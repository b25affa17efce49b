"""The deletion table, rows for objects that create: in every state of a creation and of a replacement."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.decision.builders import (
    ELSEWHERE,
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
    rfc,
    says,
    trouble,
)
from tests.decision.creating import FREE, OTHER_SPEC, SPEC, TOLD_ID, asked_for, built, deleted, intent, made, then

from imagecache_operator.answers import Created, Lost, NotCreated, NotDone, Refusal
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Crd, Nothing, Outcome, QueueWrite, ReadCrd, Release, RequestDeletion
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import Awaited, CacheStatus, Look, Observation, Trouble, TroubleKind, Unlisted
from imagecache_operator.status import CreationAnswer

OPEN = [pytest.param(None, id="unanswered"), pytest.param("Lost", id="Lost")]
OTHER = Key("team-a", "older")
OLD = NOW - timedelta(days=3)
ANY_LOOK: list[Observation] = [
    FREE,
    built(),
    built(CacheStatus.DELETING),
    built(size_gib=99),
    LIST_AWAITED,
    trouble(TroubleKind.THROTTLED),
    trouble(TroubleKind.ACCESS_DENIED),
]
LET_GO = [
    pytest.param({"spec": {"deletionPolicy": "Retain"}}, id="Retain"),
    pytest.param({"spec": {"managementPolicy": "Observe"}}, id="Observe"),
    pytest.param({"facts": {"crd": Crd.DELETING}}, id="the CRD is being deleted"),
]


def outcome(case: Case) -> Outcome:
    """How the object is let go; fails where it is held."""
    action = case.decide().action
    assert isinstance(action, Release)
    return action.outcome


# --- nothing was asked for, or it came to nothing


@pytest.mark.parametrize("observation", ANY_LOOK)
@pytest.mark.parametrize("status", [{}, asked_for(intent(answer="Refused"))], ids=["never asked", "refused"])
def test_nothing_was_ever_created(observation: Observation, status: dict[str, Any]) -> None:
    """Released at once: a cache of that name is somebody else's."""
    assert outcome(deleted(observation, status=status)) is Outcome.NEVER_CREATED


@pytest.mark.parametrize(
    "answer", [NotCreated(Refusal.NAME_TAKEN, "exists"), NotDone(Trouble(TroubleKind.THROTTLED, "slow"))]
)
def test_the_refusal_is_not_written_yet(answer: NotCreated | NotDone) -> None:
    """It counts all the same."""
    case = deleted(built(), status=asked_for(intent()), facts={"create_answer": answer})
    assert outcome(case) is Outcome.NEVER_CREATED


# --- a creation is open


@pytest.mark.parametrize("observation", ANY_LOOK)
@pytest.mark.parametrize("other", [None, OTHER])
def test_a_post_is_on_its_way(observation: Observation, other: Key | None) -> None:
    """No release before it is answered, by whatever row."""
    case = deleted(
        observation,
        status=asked_for(intent(ago=999)),
        facts={"creating": True, "other_holder": other, "name_holder": other},
    )
    assert case.decide().action == Nothing()
    assert conditions(case.decide()) == says("DeleteRequested")
    assert case.decide().in_motion


@pytest.mark.parametrize("answer", OPEN)
@pytest.mark.parametrize("observation", [FREE, built(size_gib=99, created_at=OLD)], ids=["absent", "an older one"])
def test_what_was_lost_may_yet_appear(answer: str | None, observation: Observation) -> None:
    """Held for 120 seconds, then released: it came to nothing."""
    early = deleted(observation, status=asked_for(intent(ago=119, answer=answer))).decide()
    assert early.action == Nothing()
    assert conditions(early) == says("DeleteRequested")
    assert early.requeue_after == pytest.approx(1)
    late = deleted(observation, status=asked_for(intent(ago=120, answer=answer)))
    assert outcome(late) is Outcome.NEVER_CREATED


@pytest.mark.parametrize("answer", OPEN)
@pytest.mark.parametrize("created_at", [None, NOW], ids=["age unknown", "younger"])
def test_what_may_have_come_of_a_lost_post_is_told(answer: str | None, created_at: datetime | None) -> None:
    """A cloud that rewrites fields hides whose it is: never deleted, and never left without a word either."""
    rewritten = built(images=("swr.example/lib/nginx:latest",), created_at=created_at)
    decision = deleted(rewritten, status=asked_for(intent(ago=120, answer=answer))).decide()
    assert isinstance(decision.action, Release)
    assert (decision.action.outcome, decision.action.cache_id) == (Outcome.RETAINED, ID)
    assert decision.action.note.warning
    assert ID in decision.action.note.message


@pytest.mark.parametrize("answer", OPEN)
@pytest.mark.parametrize("look", [LIST_AWAITED, trouble(TroubleKind.THROTTLED), trouble(TroubleKind.ACCESS_DENIED)])
def test_only_a_look_settles_it(answer: str | None, look: Observation) -> None:
    """Neither a LIST that is older than the answer nor trouble releases, however long ago the POST was."""
    decision = deleted(look, status=asked_for(intent(ago=99999, answer=answer))).decide()
    assert decision.action == Nothing()


@pytest.mark.parametrize("answer", OPEN)
def test_what_was_lost_is_found_and_deleted(answer: str | None) -> None:
    """The id is taken, the creation closed, and the DELETE asked for, in one patch."""
    decision = deleted(built(), status=asked_for(intent(answer=answer))).decide()
    assert decision.action == RequestDeletion(ID, 1)
    assert decision.status.image_cache_id == ID
    assert decision.status.seen_by == US.to_status()
    assert decision.status.creation is not None
    assert decision.status.creation.answer is CreationAnswer.ACCEPTED
    assert decision.status.deletion is not None


@pytest.mark.parametrize(
    ("facts", "action"), [({"slot_granted": False}, QueueWrite()), ({"crd": Crd.UNREAD}, ReadCrd())]
)
def test_what_was_lost_is_found_and_waits(facts: dict[str, Any], action: QueueWrite | ReadCrd) -> None:
    """All that must be true before a DELETE is so for this one; the id is kept meanwhile."""
    decision = deleted(built(), status=asked_for(intent()), facts=facts).decide()
    assert decision.action == action
    assert decision.status.image_cache_id == ID


def test_what_was_lost_is_found_though_the_spec_has_changed() -> None:
    """Ours is what the intent asked for, not what the spec says now."""
    case = deleted(built(), spec=OTHER_SPEC, status=asked_for(intent(spec=SPEC)))
    assert case.decide().action == RequestDeletion(ID, 1)


def test_what_was_lost_is_found_and_another_object_holds_it() -> None:
    """Only the holder may delete it: no call to the cloud."""
    case = deleted(built(), status=asked_for(intent()), facts={"other_holder": OTHER})
    assert outcome(case) is Outcome.NOT_OWNER


@pytest.mark.parametrize("ago", [10, 99999])
def test_what_was_lost_may_be_in_deletion_already(ago: float) -> None:
    """The cloud may give that up, so it is waited for, as long as it takes."""
    status = asked_for(intent(ago=ago))
    case = deleted(built(CacheStatus.DELETING, created_at=NOW - timedelta(seconds=ago)), status=status)
    assert case.decide().action == Nothing()
    assert conditions(case.decide()) == says("Deleting")
    assert then(case, built(created_at=NOW)).decide().action == RequestDeletion(ID, 1)


@pytest.mark.parametrize("observation", [Unlisted(STRANGER), built(size_gib=99, identity=STRANGER)])
def test_another_identity_misses_what_was_lost(observation: Observation) -> None:
    """Held, naming both and the way out: the cache may be in the other account."""
    decision = deleted(observation, status=asked_for(intent(ago=99999)), facts={"identity": STRANGER}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotFound", stalled=True)
    for word in (str(US), str(STRANGER), "Retain"):
        assert word in message(decision)


def test_the_location_moved_while_the_answer_was_lost() -> None:
    """Conflict; no look elsewhere lets go."""
    there = replace(US, location=ELSEWHERE)
    decision = deleted(Unlisted(there), status=asked_for(intent(ago=99999)), facts={"identity": there}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Conflict", stalled=True)


def test_the_settings_refuse_the_object_while_the_answer_was_lost() -> None:
    """Held, as always."""
    facts = {"obstacle": Verdict(Reason.NOT_ALLOWED, "No.")}
    decision = deleted(FREE, status=asked_for(intent(ago=99999)), facts=facts).decide()
    assert conditions(decision) == says("NotAllowed", stalled=True)


@pytest.mark.parametrize("changes", LET_GO)
@pytest.mark.parametrize("status", [asked_for(intent()), made(), made(deletion=asked(accepted=True))])
@pytest.mark.parametrize("facts", [{}, {"creating": True}, {"in_flight": True}])
def test_a_word_lets_go_at_once(changes: dict[str, Any], status: dict[str, Any], facts: dict[str, Any]) -> None:
    """Also while a creation is open or a call is in flight."""
    facts = facts | changes.get("facts", {})
    for observation in ANY_LOOK:
        case = deleted(observation, status=status, **(changes | {"facts": facts}))
        assert outcome(case) is Outcome.RETAINED


# --- the answer to the POST comes during the deletion


@pytest.mark.parametrize("observation", [*ANY_LOOK, absent()])
def test_the_answer_has_just_told_the_id(observation: Observation) -> None:
    """It is written first: a look from before says nothing of that cache."""
    case = deleted(observation, status=asked_for(intent()), facts={"create_answer": Created(TOLD_ID)})
    decision = case.decide()
    assert decision.action == Nothing()
    assert decision.status.image_cache_id == TOLD_ID
    assert decision.requeue_after == 0.0


@pytest.mark.parametrize("answer", [Created(None), Lost("cut")])
def test_the_answer_told_nothing(answer: Created | Lost) -> None:
    """Lost is written, and the cache is looked for."""
    decision = deleted(FREE, status=asked_for(intent()), facts={"create_answer": answer}).decide()
    assert decision.action == Nothing()
    assert decision.status.creation is not None
    assert decision.status.creation.answer is CreationAnswer.LOST


@pytest.mark.parametrize("seen", [{}, {"seenBy": None}], ids=["seen", "by nobody"])
def test_a_cache_that_was_told_and_is_not_shown_yet(seen: dict[str, None]) -> None:
    """An absence releases only when 120 seconds have passed since the POST."""
    status = made(intent(ago=119, answer="Accepted"), word=None, reason="Creating") | seen
    early = deleted(absent(), status=status).decide()
    assert early.action == Nothing()
    assert early.requeue_after == pytest.approx(1)
    status = made(intent(ago=120, answer="Accepted"), word=None, reason="Creating") | seen
    assert outcome(deleted(absent(), status=status)) in {Outcome.ALREADY_GONE, Outcome.NEVER_SEEN}


def test_a_cache_that_was_seen_is_believed_to_be_gone() -> None:
    """However young it was."""
    assert outcome(deleted(absent(), status=made(intent(ago=5, answer="Accepted")))) is Outcome.ALREADY_GONE


# --- the cache is there; a replacement is under way


@pytest.mark.parametrize("word", [CacheStatus.CREATING, CacheStatus.AVAILABLE, CacheStatus.FAILED])
def test_a_cache_that_is_there_is_deleted(word: CacheStatus) -> None:
    """Also while it is being built."""
    assert deleted(built(word), status=made()).decide().action == RequestDeletion(ID, 1)


@pytest.mark.parametrize("spec", [SPEC, OTHER_SPEC | {"recreateOn": ["SpecChanged"]}])
def test_the_delete_of_a_replacement_is_that_of_the_deletion(spec: dict[str, Any]) -> None:
    """It is not sent twice, and its proof releases."""
    status = made(reason="Recreating", deletion=asked(accepted=True, seen=True))
    waiting = deleted(built(CacheStatus.DELETING), spec=spec, status=status).decide()
    assert waiting.action == Nothing()
    assert conditions(waiting) == says("Deleting")
    assert deleted(built(), spec=spec, status=status).decide().action == Nothing()
    assert outcome(deleted(absent(), spec=spec, status=status)) is Outcome.DELETED


@pytest.mark.parametrize("observation", [FREE, LIST_AWAITED, built(), Awaited(Look.LIST)])
def test_deleted_in_the_middle_of_a_replacement_after_the_proof(observation: Observation) -> None:
    """The old cache is deleted, and no other was created."""
    status = made(intent(answer="Accepted"), word=None, reason="Recreating") | {"imageCacheID": None}
    assert outcome(deleted(observation, status=status)) is Outcome.DELETED


def test_a_deleted_object_creates_nothing() -> None:
    """Whatever recreateOn and the annotation say."""
    spec = OTHER_SPEC | {"recreateOn": ["SpecChanged", "NotFound", "Expired", "Failed"]}
    for observation in (*ANY_LOOK, absent()):
        action = deleted(observation, spec=spec, status=made(), recreate="now").decide().action
        assert isinstance(action, Nothing | RequestDeletion | Release)


def test_a_replacement_whose_post_was_refused_had_a_cache_once() -> None:
    """It is not said that nothing was ever created."""
    status = asked_for(intent(answer="Refused")) | {"createdAt": rfc(OLD)}
    status.pop("seenBy")
    case = deleted(FREE, status=status)
    assert outcome(case) is Outcome.DELETED
