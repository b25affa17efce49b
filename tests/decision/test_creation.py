"""The life table of objects that create: no cache yet, and a name that is free."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.decision.builders import ELSEWHERE, LIST_AWAITED, NOW, PASSING, US, conditions, message, says, trouble
from tests.decision.creating import CLUSTER, FREE, built, creates, hash_of, intent, made, posted

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import AddFinalizer, AwaitRoom, Nothing, QueueWrite, RequestCreation, Room
from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.status import CreationAnswer

FOREIGN_SECRET = {"build": {"pullSecretRefs": [{"name": "a", "namespace": "other"}]}}


def test_no_finalizer() -> None:
    """It is put on, and nothing else is done in that pass."""
    case = creates(finalizers=["a/x"])
    decision = case.decide()
    assert decision.action == AddFinalizer()
    assert decision.status == case.resource.status


def test_the_name_is_free() -> None:
    """The POST goes out, with the fields of the spec."""
    desired = posted(creates())
    assert (desired.name, desired.images, desired.size_gib) == ("web", ("nginx", "busybox:1.36"), 20)
    assert desired.cluster_id == CLUSTER


def test_the_intent_is_written_in_the_same_decision_as_the_post() -> None:
    """Attempt, time and hash are in the status that is written before the POST; nothing tells an answer."""
    case = creates()
    decision = case.decide()
    assert isinstance(decision.action, RequestCreation)
    creation = decision.status.creation
    assert creation is not None
    assert creation.attempt_id
    assert creation.requested_at == NOW
    assert creation.spec_hash == hash_of({"images": ["nginx", "busybox:1.36"]})
    assert creation.answer is None
    assert creation.open
    assert decision.status.name == "web"
    assert decision.status.image_cache_id is None
    assert conditions(decision) == says("CreateRequested")
    assert decision.status.observed_generation == case.resource.generation
    assert decision.in_motion


def test_the_intent_tells_who_asks_and_where() -> None:
    """Else a setting that changes while the answer is lost would have the cache sought, and missed, elsewhere."""
    assert creates().decide().status.seen_by == US.to_status()
    unknown_yet = creates(facts={"identity": None}).decide()
    assert unknown_yet.status.seen_by == US.to_status()


def test_each_attempt_has_its_own_id() -> None:
    """Of two objects, and of two times of one object."""
    ids = {
        case.decide().status.creation.attempt_id  # type: ignore[union-attr]
        for case in (creates(), creates(uid="uid-2"), creates(now=NOW + timedelta(seconds=1)))
    }
    assert len(ids) == 3


def test_a_recreate_annotation_that_is_there_from_the_start_is_handled_by_the_first_creation() -> None:
    """It must not replace the cache as soon as that is there."""
    assert creates(recreate="now").decide().status.last_handled_recreate_at == "now"


@pytest.mark.parametrize("named", [{}, {"name": "other-name"}], ids=["metadata.name", "spec.name"])
def test_the_name_in_the_cloud(named: dict[str, str]) -> None:
    """spec.name, else the object's own."""
    assert posted(creates(spec=named)).name == named.get("name", "web")


def test_another_object_holds_the_name() -> None:
    """The younger of two shows Conflict, names the other one of its own namespace, and writes nothing."""
    decision = creates(facts={"name_holder": Key("team-a", "older")}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert "the ImageCache older" in message(decision)
    assert decision.status.creation is None


def test_the_tenant_is_full() -> None:
    """QuotaExceeded with how many are used, in the cloud's words; no POST is wasted, and the object waits its turn."""
    decision = creates(facts={"room": Room(used=50, limit=50, free=False, words="403: quota")}).decide()
    assert decision.action == AwaitRoom()
    assert conditions(decision) == says("QuotaExceeded", stalled=True)
    assert "50 caches" in message(decision)
    assert "(403: quota)" in message(decision)
    assert decision.status.creation is None


@pytest.mark.parametrize("limit", [50, None], ids=["room for others", "in doubt"])
def test_older_objects_go_first(limit: int | None) -> None:
    """Who waits for them does not say that the tenant is full, and names no number that others change."""
    decision = creates(facts={"room": Room(used=48, limit=limit, free=False)}).decide()
    assert decision.action == AwaitRoom()
    assert conditions(decision) == says("QuotaExceeded", stalled=True)
    assert "older objects" in message(decision)
    assert "48" not in message(decision)
    assert "is full" not in message(decision)


def test_there_is_room_again() -> None:
    """The limit that was learnt holds nobody up once there is room."""
    posted(creates(facts={"room": Room(used=49, limit=50, free=True)}))


def test_no_write_slot() -> None:
    """The object queues with the limiter and says so; the intent is not written yet."""
    decision = creates(facts={"slot_granted": False}).decide()
    assert decision.action == QueueWrite()
    assert conditions(decision) == says("CreateRequested")
    assert "write slot" in message(decision)
    assert decision.status.creation is None
    assert decision.in_motion


@pytest.mark.parametrize("kind", list(TroubleKind))
def test_a_post_cannot_be_sent_now(kind: TroubleKind) -> None:
    """What stands in the way is the reason; no intent is written."""
    decision = creates(facts={"write_trouble": Trouble(kind, "what the cloud said")}).decide()
    assert decision.action == Nothing()
    passing = kind in PASSING
    assert conditions(decision) == says(kind.value, stalled=not passing)
    assert message(decision) == "what the cloud said"
    assert decision.in_motion is passing
    assert decision.status.creation is None


def test_who_observes_takes_no_name_over() -> None:
    """It is not promised that it will."""
    observes = {"managementPolicy": "Observe"}
    decision = creates(FREE, spec=observes, facts={"name_holder": Key("team-a", "x")}).decide()
    assert conditions(decision) == says("Conflict", stalled=True)
    assert "takes nothing over" in message(decision)


def test_no_cluster_is_known_that_builds_the_cache() -> None:
    """RequestRejected, with the settings that would name one."""
    refused = Verdict(Reason.REQUEST_REJECTED, "No cluster.")
    decision = creates(facts={"desired": refused}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("RequestRejected", stalled=True)


def test_a_pull_secret_of_a_forbidden_namespace() -> None:
    """NotAllowed, with the setting that would allow it."""
    decision = creates(spec=FOREIGN_SECRET).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotAllowed", stalled=True)
    assert "IMAGECACHE_PULL_SECRET_NAMESPACES" in message(decision)


def test_the_settings_refuse_the_object() -> None:
    """Nothing is asked for."""
    decision = creates(facts={"obstacle": Verdict(Reason.NOT_ALLOWED, "No.")}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotAllowed", stalled=True)


def test_the_location_moved_after_the_intent() -> None:
    """A different resolution is a Conflict, also while no cache is known."""
    status = made(intent(answer="Accepted")) | {"imageCacheID": None}
    decision = creates(status=status, facts={"identity": Identity(ELSEWHERE, "account-1", "key-aaaa")}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("Conflict", stalled=True)


def test_observe_creates_nothing() -> None:
    """NotFound, whatever else would allow it."""
    decision = creates(spec={"managementPolicy": "Observe"}).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says("NotFound", stalled=True)
    assert decision.status.creation is None


def test_a_post_is_on_its_way() -> None:
    """No second one, whatever a look shows meanwhile."""
    for observation in (FREE, built(), LIST_AWAITED, trouble(TroubleKind.THROTTLED)):
        decision = creates(observation, facts={"creating": True}).decide()
        assert decision.action == Nothing()
        assert conditions(decision) == says("CreateRequested")
        assert "on its way" in message(decision)


def test_no_look_has_ended_yet() -> None:
    """A POST needs a LIST of the object's own time that lacks the name."""
    decision = creates(LIST_AWAITED).decide()
    assert decision.action == Nothing()
    assert decision.in_motion


@pytest.mark.parametrize("kind", list(TroubleKind))
def test_the_cloud_cannot_be_looked_at(kind: TroubleKind) -> None:
    """Nothing is asked for blindly."""
    decision = creates(trouble(kind)).decide()
    assert decision.action == Nothing()
    assert conditions(decision)["Ready"][1] == kind.value


def test_after_a_refusal_the_post_goes_out_again() -> None:
    """As soon as what stood in the way is gone."""
    case = creates(status=made(intent(answer="Refused")) | {"imageCacheID": None, "cacheStatus": None})
    posted(case)
    creation = case.decide().status.creation
    assert creation is not None
    assert creation.requested_at == NOW
    assert creation.answer is not CreationAnswer.REFUSED
