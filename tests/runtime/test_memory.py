"""What a process remembers of an object beside its status: what it would write, and since when it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import ID, resource, rfc
from tests.runtime.fakes import CREATE
from tests.runtime.reconciler_kit import Kit
from tests.runtime.virtual_time import EPOCH, pass_time

from imagecache_operator.cloud.gate import Operation
from imagecache_operator.gathering import next_write
from imagecache_operator.tracking import Tracked

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
