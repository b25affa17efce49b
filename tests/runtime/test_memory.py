"""What a process remembers of an object beside its status: what it would write, and since when it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import ID, resource, rfc
from tests.runtime.fakes import CREATE
from tests.runtime.reconciler_kit import KEY, Kit
from tests.runtime.virtual_time import EPOCH, pass_time, settle

from imagecache_operator.answers import Created, DeleteAnswer, Lost, Refused
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.gathering import next_write
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.tracking import Tracked, Write, WriteTrouble

CREATING = {"images": ["nginx"]}
HAS_ID = {"imageCacheID": ID}


@pytest.mark.parametrize(
    ("changes", "write"),
    [
        pytest.param({"spec": CREATING, "status": {}}, Operation.CREATE, id="it wants a cache"),
        pytest.param({"spec": CREATING, "status": HAS_ID}, Operation.DELETE, id="its cache would be replaced"),
        pytest.param({"spec": CREATING, "status": {}, "deleted": EPOCH}, Operation.DELETE, id="it is deleted"),
        pytest.param({"spec": {"name": "web"}, "status": {}}, Operation.DELETE, id="it binds, and creates nothing"),
    ],
)
def test_what_would_be_written_next(changes: dict[str, Any], write: Operation) -> None:
    """A key that may not create may still delete, and the other way round."""
    assert next_write(resource(**changes)) is write


# --- the newest write of its kind


def answered(answer: DeleteAnswer, at: float) -> Write[DeleteAnswer]:
    """A DELETE that went out a second before it was answered."""
    write: Write[DeleteAnswer] = Write()
    write.begin()
    write.sent_at = at - 1.0
    write.end(answer, at)
    return write


def test_a_write_that_begins_knows_nothing_of_the_one_before() -> None:
    """Else one that never left would count as sent, and an old answer as its own."""
    write = answered(Refused("locked"), 10.0)
    assert (write.in_flight, write.went_out, write.answer) == (False, True, Refused("locked"))
    write.begin()
    assert (write.in_flight, write.went_out, write.answer) == (True, False, None)
    assert write.answered_at == 10.0


def test_an_answer_that_came_while_the_status_was_written_is_kept() -> None:
    """It is not in that status; only what is may be forgotten."""
    write = answered(Refused("locked"), 10.0)
    write.told(None)
    assert write.answer == Refused("locked")
    write.told(write.answer)
    assert write.answer is None


def test_looks_count_from_the_answer_to_the_newest_write() -> None:
    """Be it DELETE or POST: what was seen before may be stale."""
    tracked = Tracked("uid-1", first_seen=1.0)
    tracked.creation.end(Created(ID), 20.0)
    assert (tracked.write_answered, tracked.first_look_after) == (20.0, 20.0)
    tracked.deletion.end(Lost("cut off"), 30.0)
    assert (tracked.write_answered, tracked.first_look_after) == (30.0, 30.0)


@pytest.mark.parametrize(
    ("trouble", "holds"),
    [
        pytest.param(None, False, id="the last write was no trouble"),
        pytest.param((Operation.DELETE, 60.0, 0), True, id="its pause goes on"),
        pytest.param((Operation.CREATE, 60.0, 0), False, id="it was another kind of write"),
        pytest.param((Operation.DELETE, 50.0, 0), False, id="its pause is over"),
        pytest.param((Operation.DELETE, 60.0, -1), False, id="it was met with other credentials"),
    ],
)
async def test_what_holds_up_the_next_write(
    kit: Kit, trouble: tuple[Operation, float, int] | None, holds: bool
) -> None:
    """The same write, for its time, and under the same credentials."""
    kit.make()
    await settle()
    tracked = kit.reconciler.objects.tracked[KEY]
    assert tracked.account is not None
    if trouble is not None:
        operation, until, younger = trouble
        slow = Trouble(TroubleKind.THROTTLED, "429")
        tracked.trouble = WriteTrouble(operation, slow, until, tracked.account.generation + younger)
    assert (tracked.trouble_of(Operation.DELETE, 50.0) is not None) is holds


# --- how long ago a POST was


def since_creation(answer: str | None, *, ago: float) -> float:
    """Seconds since the POST, for a process that sees the object now."""
    creation = {"attemptID": "a-0", "requestedAt": rfc(EPOCH - timedelta(seconds=ago)), "specHash": "h"}
    told = {} if answer is None else {"answer": answer}
    tracked = Tracked("uid-1", first_seen=500.0)
    seen = resource(spec=CREATING, status={"creation": creation | told})
    tracked.notice(seen, now=EPOCH, monotonic=500.0)
    tracked.notice(seen, now=EPOCH + timedelta(seconds=10), monotonic=510.0)
    return tracked.since_creation(510.0)


@pytest.mark.parametrize("answer", ["Accepted", "Refused"])
def test_a_post_that_was_answered_counts_from_when_it_was_asked_for(answer: str) -> None:
    """A restart makes no pause longer."""
    assert since_creation(answer, ago=100.0) == 110.0


def test_a_post_that_was_answered_here_counts_from_its_answer() -> None:
    """It may have taken effect as late as that."""
    tracked = Tracked("uid-1", first_seen=500.0)
    creation = {"attemptID": "a-0", "requestedAt": rfc(EPOCH), "specHash": "h"}
    tracked.notice(resource(spec=CREATING, status={"creation": creation}), now=EPOCH, monotonic=500.0)
    tracked.creation.end(Lost("cut off"), 530.0)
    assert tracked.since_creation(540.0) == 10.0


@pytest.mark.parametrize("answer", [None, "Lost"])
def test_a_post_that_was_not_answered_counts_from_when_this_process_saw_it(answer: str | None) -> None:
    """It may have gone out long after its intent was written."""
    assert since_creation(answer, ago=100.0) == 10.0


def test_without_a_post_no_time_has_passed() -> None:
    """Nothing is waited for."""
    tracked = Tracked("uid-1", first_seen=500.0)
    tracked.notice(resource(spec=CREATING, status={}), now=EPOCH, monotonic=500.0)
    assert tracked.since_creation(900.0) == 0.0


async def test_after_a_restart_the_two_minutes_begin_anew(kit: Kit) -> None:
    """The POST of the former process, about which nothing is known, is given its whole time again."""
    await kit.post_that_waits_for_its_turn()
    await kit.restart(after=100.0)
    started = kit.clock.monotonic()
    await pass_time(115)
    assert kit.cloud.count(CREATE) == 0
    made = kit.cloud.build({**_body(), "name": "web"})
    await pass_time(10)
    assert (kit.status()["imageCacheID"], kit.cloud.count(CREATE)) == (made, 0)
    assert kit.clock.monotonic() - started < 130


def _body() -> dict[str, Any]:
    building = {"cluster": "cluster-1", "image_pull_secrets": []}
    return {"images": ["nginx"], "image_cache_size": 20, "retention_days": 0, "building_config": building}
