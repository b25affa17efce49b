"""What holds for every decision, whatever goes in. Written from the design, not from the tables of the code."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.decision.builders import ID, US, Case
from tests.decision.generated import cases, near_misses, reached

from imagecache_operator.answers import Accepted
from imagecache_operator.decision import (
    AddFinalizer,
    Confirm,
    Crd,
    Decision,
    Facts,
    Nothing,
    Outcome,
    QueueWrite,
    ReadCrd,
    Release,
    RequestDeletion,
)
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import Absent, CacheStatus, Present, Unlisted
from imagecache_operator.patches import status_patch
from imagecache_operator.placement import moved
from imagecache_operator.status import ImageCacheStatus, SeenBy

many = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
DELETED_OBJECTS = cases(finalizing=True)
watchful = settings(many, max_examples=200)


def test_the_generated_cases_reach_every_action_and_every_way_out() -> None:
    """Else the properties below would hold of nothing."""

    def action_or_outcome(case: Case) -> set[object]:
        action = case.decide().action
        return {action.outcome if isinstance(action, Release) else type(action)}

    wanted = {Nothing, ReadCrd, QueueWrite, Confirm, RequestDeletion, *Outcome}
    assert reached(DELETED_OBJECTS | near_misses(), action_or_outcome, wanted) == wanted


def sees_the_same(saw: SeenBy, absent: Absent) -> bool:
    """Design, section 3: equal location and equal account, or equal credential where an account is unknown."""
    place = absent.identity.location
    if (saw.endpoint, saw.region, saw.project_id) != (place.endpoint, place.region, place.project_id):
        return False
    if saw.account_id and absent.identity.account_id:
        return saw.account_id == absent.identity.account_id
    return saw.credential == absent.identity.credential


def may_be_let_go(case: Case) -> set[Outcome]:
    """Under which outcomes design sections 1 and 4 allow to release the object at all."""
    resource, facts, spec = case.resource, Facts(**case.facts), case.resource.spec
    status, observation = resource.status, case.observation
    ready = status.condition("Ready")
    allowed: set[Outcome] = set()
    if spec.deletion_policy == "Retain" or spec.management_policy == "Observe" or facts.crd is Crd.DELETING:
        allowed.add(Outcome.RETAINED)
    pinned = status.seen_by
    here = facts.identity.location if facts.identity is not None else None
    if facts.obstacle is not None or (
        pinned is not None
        and here is not None
        and (pinned.endpoint, pinned.region, pinned.project_id) != (here.endpoint, here.region, here.project_id)
    ):
        return allowed
    if facts.other_holder is not None:
        allowed.add(Outcome.NOT_OWNER)
    if (status.image_cache_id or spec.image_cache_id) is None:
        if spec.images is not None:
            allowed.add(Outcome.NEVER_CREATED)
        elif isinstance(observation, Unlisted) or (ready is not None and ready.reason == "NotFound"):
            allowed.add(Outcome.NEVER_SEEN)
    elif isinstance(observation, Absent):
        if pinned is None:
            allowed.add(Outcome.NEVER_SEEN)
        elif sees_the_same(pinned, observation):
            allowed |= {Outcome.DELETED, Outcome.ALREADY_GONE}
    return allowed


@watchful
@given(DELETED_OBJECTS | near_misses())
def test_the_finalizer_goes_only_by_proof_by_word_or_when_there_never_was_anything(case: Case) -> None:
    """The sentence above all rows (design, section 1)."""
    action = case.decide().action
    if isinstance(action, Release):
        assert action.outcome in may_be_let_go(case)
        assert case.resource.deleting
        assert FINALIZER in case.resource.finalizers
        assert action.note.message
        assert action.note.reason in {"Deleted", "Retained", "NeverSeen", "Conflict"}


@watchful
@given(DELETED_OBJECTS | near_misses())
def test_an_object_that_may_go_does_go(case: Case) -> None:
    """Nothing is left behind: what the rows allow to release is released in the same pass."""
    assume(case.resource.deleting and FINALIZER in case.resource.finalizers and may_be_let_go(case))
    # A proof that is older than the answer to our DELETE is none; the table has a test of its own for that.
    assume(not case.facts["in_flight"])
    assert isinstance(case.decide().action, Release)


@watchful
@given(DELETED_OBJECTS | near_misses())
def test_a_delete_goes_out_only_when_all_that_must_be_true_is(case: Case) -> None:
    """Never for a cache in Deleting, a live object, one without our finalizer, or one that retains."""
    decision = case.decide()
    action, resource, facts = decision.action, case.resource, Facts(**case.facts)
    if not isinstance(action, RequestDeletion):
        return
    assert resource.deleting
    assert FINALIZER in resource.finalizers
    assert resource.spec.deletion_policy == "Delete"
    assert resource.spec.management_policy == "Manage"
    assert isinstance(case.observation, Present)
    assert case.observation.cache.status != CacheStatus.DELETING
    assert case.observation.cache.id == action.cache_id == decision.status.image_cache_id
    assert facts.slot_granted
    assert not facts.in_flight
    assert facts.write_trouble is None
    assert facts.obstacle is None
    assert facts.other_holder is None
    assert facts.crd is not Crd.DELETING
    before = resource.status.deletion
    if before is None or before.requested_at is None:
        assert facts.crd is Crd.ALIVE
    else:
        retry = case.policy.delete_retry_after
        not_done = type(facts.answer).__name__ == "NotDone"
        assert not_done or facts.since_request >= min(retry * 2 ** (max(before.attempts, 1) - 1), 10 * retry)
    # The intent is in the status that is written before the request.
    assert decision.status.deletion is not None
    assert decision.status.deletion.requested_at == case.now
    assert decision.status.deletion.attempts == action.attempt >= 1
    assert decision.status.deletion.accepted_at is None
    assert decision.status.seen_by is not None


@watchful
@given(DELETED_OBJECTS | near_misses())
def test_attempts_are_counted_one_by_one_and_never_forgotten(case: Case) -> None:
    """Only a DELETE that was certainly not carried out is taken back."""
    before, shown = case.resource.status.deletion, case.decide().status.deletion
    old, new = (before.attempts if before else 0), (shown.attempts if shown else 0)
    assert abs(new - old) <= 1
    if new < old:
        assert type(case.facts["answer"]).__name__ == "NotDone"
    if new > old:
        assert isinstance(case.decide().action, RequestDeletion)


@many
@given(cases() | DELETED_OBJECTS)
def test_every_status_is_complete_and_about_the_object_as_it_is(case: Case) -> None:
    """Ready once, at most one of Reconciling and Stalled, all about this generation; or nothing is written."""
    decision = case.decide()
    status = decision.status
    if status == case.resource.status:
        return
    assert status.observed_generation == case.resource.generation
    kinds = [condition.type for condition in status.conditions]
    assert kinds in (["Ready"], ["Ready", "Reconciling"], ["Ready", "Stalled"])
    ready = status.conditions[0]
    assert (ready.status == "True") is (kinds == ["Ready"])
    assert ready.status != "True" or ready.reason in {"Available", "Observed"}
    if case.resource.deleting:
        assert ready.status == "False"
    for condition in status.conditions:
        assert condition.observed_generation == case.resource.generation
        assert (condition.reason, condition.message) == (ready.reason, ready.message)
        assert condition.last_transition_time is not None


@many
@given(cases() | DELETED_OBJECTS)
def test_what_is_written_fits_into_the_schema(case: Case) -> None:
    """The API server refuses what is too long, and with it all the rest of the status."""
    status = case.decide().status
    assert ImageCacheStatus.model_validate(status.to_json()) == status


@many
@given(cases())
def test_a_transition_time_moves_only_with_its_status(case: Case) -> None:
    """Kubernetes API conventions."""
    former = {condition.type: condition for condition in case.resource.status.conditions}
    for condition in case.decide().status.conditions:
        before = former.get(condition.type)
        if before is not None and before.status == condition.status:
            assert condition.last_transition_time == before.last_transition_time
        else:
            assert condition.last_transition_time == case.now.replace(microsecond=0)


def settled(case: Case, decision: Decision) -> Case:
    """The same case once the decision's status is written: the answer is in it, and a granted slot is used."""
    written = ImageCacheStatus.model_validate(decision.status.to_json())
    kept: ImageCache = replace(case.resource, status=written)
    return replace(case, resource=kept, facts=case.facts | {"answer": None})


@many
@given(cases() | DELETED_OBJECTS, st.sampled_from([0.0, 0.001, 1.0]))
def test_deciding_again_on_what_was_shown_changes_nothing(case: Case, later: float) -> None:
    """No status flaps, so an idle operator writes nothing."""
    first = case.decide()
    assume(not isinstance(first.action, RequestDeletion | AddFinalizer))
    assume(first.requeue_after != 0.0)  # a word that is told first, and acted on in the next pass
    again = settled(case, first)
    now = case.now + timedelta(seconds=later)
    if first.requeue_after is not None and later >= first.requeue_after:
        now = case.now
    second = replace(again, now=now).decide()
    assert type(second.action) is type(first.action)
    assert status_patch(again.resource, second.status) is None


@many
@given(DELETED_OBJECTS)
def test_an_answer_is_recorded_once(case: Case) -> None:
    """An answer that is still remembered after its status was written changes nothing more."""
    first = case.decide()
    assume(not isinstance(first.action, RequestDeletion | Release))
    assume(first.status != case.resource.status)
    written = replace(case, resource=replace(case.resource, status=first.status)).decide()
    assert written.status.deletion == first.status.deletion or isinstance(written.action, RequestDeletion)


@many
@given(cases())
def test_live_objects_never_write_to_the_cloud(case: Case) -> None:
    """Without a deletionTimestamp the table of objects that bind has no write."""
    assume(not case.resource.deleting)
    assert isinstance(case.decide().action, Nothing | AddFinalizer | Confirm)


@many
@given(cases())
def test_the_finalizer_comes_first_for_live_objects_and_only_for_them(case: Case) -> None:
    """Put on before anything else; never put on under a deletionTimestamp."""
    held = FINALIZER in case.resource.finalizers
    adds = isinstance(case.decide().action, AddFinalizer)
    assert adds is (not case.resource.deleting and not held)


@many
@given(DELETED_OBJECTS)
def test_a_deletion_that_waits_comes_back_or_is_woken(case: Case) -> None:
    """No time-out is missed: before the stall time is over there is a time to come back."""
    resource, decision = case.resource, case.decide()
    assume(resource.deleting and FINALIZER in resource.finalizers and not isinstance(decision.action, Release))
    assert resource.deleted_at is not None
    remaining = case.policy.stalled_after - (case.now - resource.deleted_at).total_seconds()
    if decision.status == resource.status or decision.status.condition("Stalled") is not None:
        return
    assert remaining > 0
    assert decision.requeue_after is not None
    # At once only when what is told now must be told before what is done next.
    assert 0 <= decision.requeue_after <= remaining


@many
@given(cases())
def test_confirming_asks_for_the_very_id(case: Case) -> None:
    """A GET is sent for the pinned id, else for the id of the spec."""
    action = case.decide().action
    if isinstance(action, Confirm):
        assert action.cache_id == ID


@many
@given(DELETED_OBJECTS)
def test_only_writes_queue_and_only_what_is_not_going_by_itself_reads_the_crd(case: Case) -> None:
    """Neither is asked for a cache that the cloud is deleting; the CRD is read where the object waits for others."""
    action = case.decide().action
    if isinstance(action, QueueWrite):
        assert isinstance(case.observation, Present)
    if isinstance(action, ReadCrd | QueueWrite):
        assert case.resource.deleting
        assert case.facts.get("obstacle") or not (
            isinstance(case.observation, Present)
            and case.observation.cache.status == CacheStatus.DELETING
            and moved(case.resource.status.seen_by, case.facts.get("identity", US)) is None
        )


@many
@given(DELETED_OBJECTS)
def test_an_acceptance_survives_until_the_next_delete(case: Case) -> None:
    """A restart must find what the cloud answered."""
    before = case.resource.status.deletion
    decision = case.decide()
    assume(before is not None and before.accepted_at is not None)
    assume(not isinstance(decision.action, RequestDeletion))
    assert decision.status.deletion is not None
    if isinstance(case.facts["answer"], Accepted):
        return
    assert before is not None
    assert decision.status.deletion.accepted_at == before.accepted_at
