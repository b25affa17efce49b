"""What holds for every decision about an object that creates. Written from the design, not from the tables."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from tests.decision.builders import Case
from tests.decision.creating import hash_of
from tests.decision.generated import reached
from tests.decision.generated_creations import creating_cases

from imagecache_operator.answers import Created, NotCreated, NotDone
from imagecache_operator.decision import (
    AddFinalizer,
    Confirm,
    Crd,
    Decision,
    Facts,
    Outcome,
    Release,
    RequestCreation,
    RequestDeletion,
)
from imagecache_operator.desired import Desired, spec_hash
from imagecache_operator.identity import identity_of
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import Absent, CacheStatus, Present, Unlisted
from imagecache_operator.patches import status_patch
from imagecache_operator.status import CreationAnswer, ImageCacheStatus

many = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
LIVE = creating_cases(deleted=False)
DELETED = creating_cases(deleted=True)


def test_the_generated_cases_reach_what_the_properties_are_about() -> None:
    """Else they would hold of nothing."""

    def what_happens(case: Case) -> set[object]:
        decision = case.decide()
        action, status = decision.action, decision.status
        happens: set[object] = {action.outcome if isinstance(action, Release) else type(action)}
        if case.resource.status.image_cache_id is not None and status.image_cache_id is None:
            happens.add("cleared")
        if (ready := status.condition("Ready")) is not None and status.observed_generation == case.resource.generation:
            happens.add(ready.status)
        return happens

    outcomes = {Outcome.DELETED, Outcome.RETAINED, Outcome.NEVER_CREATED, Outcome.ALREADY_GONE, Outcome.NOT_OWNER}
    wanted = outcomes | {AddFinalizer, Confirm, RequestDeletion, RequestCreation, "cleared", "True"}
    assert reached(creating_cases(), what_happens, wanted) >= wanted


def open_before(case: Case) -> bool:
    """Whether an intent is unanswered or Lost, when what is known of its answer is counted."""
    creation, answer = case.resource.status.creation, case.facts["create_answer"]
    if creation is None or creation.answer in {CreationAnswer.ACCEPTED, CreationAnswer.REFUSED}:
        return False
    if creation.answer is CreationAnswer.LOST:
        return True
    told = isinstance(answer, Created) and answer.cache_id is not None
    return not told and not isinstance(answer, NotCreated | NotDone)


@many
@given(creating_cases())
def test_never_a_post_while_a_cache_of_that_name_might_be_ours(case: Case) -> None:
    """A POST needs a LIST that lacks the name, no open intent, no id, a slot, room, and the right to write."""
    decision = case.decide()
    if not isinstance(decision.action, RequestCreation):
        return
    resource, facts = case.resource, Facts(**case.facts)
    assert isinstance(case.observation, Unlisted)
    assert not open_before(case)
    assert not facts.creating
    assert resource.status.image_cache_id is None
    assert not (isinstance(facts.create_answer, Created) and resource.status.creation and open_before(case))
    assert facts.slot_granted
    assert facts.room.free
    assert facts.write_trouble is None
    assert facts.obstacle is None
    assert facts.name_holder is None
    assert facts.other_holder is None
    assert isinstance(facts.desired, Desired)
    assert decision.action.desired is facts.desired
    assert resource.spec.management_policy == "Manage"
    assert not resource.deleting
    assert FINALIZER in resource.finalizers
    # The intent is in the status that is written before the request.
    creation = decision.status.creation
    assert creation is not None
    assert creation.requested_at == case.now
    assert creation.spec_hash == spec_hash(resource)
    assert creation.answer is None
    assert decision.status.seen_by is not None
    assert decision.status.deletion is None


@many
@given(creating_cases())
def test_never_a_delete_of_a_cache_that_this_object_does_not_hold(case: Case) -> None:
    """Only of an id that is pinned, or found and ours; never with Observe, or while another object holds it."""
    decision = case.decide()
    if not isinstance(decision.action, RequestDeletion):
        return
    resource, facts = case.resource, Facts(**case.facts)
    assert facts.other_holder is None
    assert facts.obstacle is None
    assert facts.slot_granted
    assert facts.write_trouble is None
    assert not facts.in_flight
    assert resource.spec.management_policy == "Manage"
    assert FINALIZER in resource.finalizers
    assert isinstance(case.observation, Present)
    cache = case.observation.cache
    assert cache.id == decision.action.cache_id == decision.status.image_cache_id
    assert cache.status != CacheStatus.DELETING
    assert decision.status.deletion is not None
    assert decision.status.deletion.requested_at == case.now
    if resource.status.image_cache_id is None:
        assert resource.deleting
        assert open_before(case)
        creation = resource.status.creation
        assert creation is not None
        asked = {"images": list(cache.images), "sizeGiB": cache.size_gib, "retentionDays": cache.retention_days}
        assert creation.spec_hash == hash_of(asked)
    if resource.deleting:
        assert resource.spec.deletion_policy == "Delete"
        assert facts.crd is not Crd.DELETING
    else:
        assert resource.spec.recreate_on or resource.recreate_pending


@many
@given(DELETED)
def test_no_release_while_a_creation_is_open(case: Case) -> None:
    """But by a word; or 120 seconds after, by a look of who asked that has no cache that might be ours."""
    action, facts = case.decide().action, Facts(**case.facts)
    by_a_word = case.resource.spec.retain or facts.crd is Crd.DELETING
    if not isinstance(action, Release) or by_a_word or not open_before(case):
        return
    assert not facts.creating
    assert isinstance(case.observation, Unlisted | Present)
    if action.outcome is Outcome.NOT_OWNER:
        assert facts.other_holder is not None
        assert isinstance(case.observation, Present)
        return
    # Deleted: a cache that was replaced. Retained: somebody's, which is told in case the lost POST made it.
    assert action.outcome in {Outcome.NEVER_CREATED, Outcome.DELETED, Outcome.RETAINED}
    assert facts.since_creation >= 120
    seen_by = case.resource.status.seen_by
    assert seen_by is None or case.observation.identity.same_as(identity_of(seen_by))


@many
@given(DELETED)
def test_a_cache_that_is_known_is_released_only_by_proof(case: Case) -> None:
    """The sentence above all rows (design, section 1), for objects that create."""
    action, facts, status = case.decide().action, Facts(**case.facts), case.resource.status
    if not isinstance(action, Release) or action.outcome in {Outcome.RETAINED, Outcome.NOT_OWNER}:
        return
    if status.image_cache_id is None:
        assert action.outcome in {Outcome.NEVER_CREATED, Outcome.DELETED}
        return
    assert isinstance(case.observation, Absent)
    assert not facts.in_flight
    assert status.seen_by is not None
    assert case.observation.identity.same_as(identity_of(status.seen_by))
    assert status.cache_status is not None or facts.since_creation >= 120


@many
@given(LIVE)
def test_an_id_is_given_up_only_by_proof(case: Case) -> None:
    """What is cleared in a replacement is proven gone by who saw it; the deletion record goes with it."""
    status, after = case.resource.status, case.decide().status
    if status.image_cache_id is None or after.image_cache_id is not None:
        return
    assert isinstance(case.observation, Absent)
    assert not case.facts["in_flight"]
    assert status.seen_by is not None
    assert case.observation.identity.same_as(identity_of(status.seen_by))
    assert after.deletion is None
    assert case.resource.spec.management_policy == "Manage"


@many
@given(creating_cases())
def test_ready_is_true_only_for_the_spec_of_which_the_cache_is_made(case: Case) -> None:
    """At the generation that the status says it is about."""
    status = case.decide().status
    ready = status.condition("Ready")
    if ready is None or ready.status != "True" or status.observed_generation != case.resource.generation:
        return
    assert isinstance(case.observation, Present)
    assert case.observation.cache.status == CacheStatus.AVAILABLE
    assert status.image_cache_id == case.observation.cache.id
    assert status.creation is not None
    assert not status.creation.open
    assert status.creation.spec_hash == spec_hash(case.resource)


@many
@given(creating_cases())
def test_a_decision_depends_on_nothing_else_and_never_raises(case: Case) -> None:
    """The same arguments give the same decision; and its status fits into the schema."""
    decision = case.decide()
    assert case.decide() == decision
    assert ImageCacheStatus.model_validate(decision.status.to_json()) == decision.status


@many
@given(creating_cases())
def test_an_answer_is_never_dropped(case: Case) -> None:
    """Whatever is written next has the answers in it: memory forgets them then."""
    before, decision = case.resource.status, case.decide()
    creation = before.creation
    if case.facts["create_answer"] is None or creation is None or creation.answer is not None:
        return
    if decision.status != before:
        assert decision.status.creation is not None
        assert decision.status.creation.answer is not None or isinstance(decision.action, RequestCreation)


def settled(case: Case, decision: Decision) -> Case:
    """The same case once the decision's status is written."""
    written = ImageCacheStatus.model_validate(decision.status.to_json())
    facts = case.facts | {"answer": None, "create_answer": None}
    return replace(case, resource=replace(case.resource, status=written), facts=facts)


@many
@given(creating_cases())
def test_deciding_again_on_what_was_shown_comes_to_an_end(case: Case) -> None:
    """No status flaps: after a few passes on the same look nothing is written any more."""
    for _ in range(4):
        decision = case.decide()
        if isinstance(decision.action, RequestDeletion | RequestCreation | AddFinalizer | Release):
            return
        case, before = settled(case, decision), case
        if before.resource.status.image_cache_id is not None and case.resource.status.image_cache_id is None:
            return  # the look was one at the former cache
        if status_patch(before.resource, case.resource.status) is None:
            return
    raise AssertionError(case)


@many
@given(LIVE)
def test_the_finalizer_comes_before_anything_else(case: Case) -> None:
    """And is never taken off a live object."""
    action = case.decide().action
    assert isinstance(action, AddFinalizer) is (FINALIZER not in case.resource.finalizers)
    assert not isinstance(action, Release)
