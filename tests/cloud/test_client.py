"""The three verbs against the simulator: what every answer of the cloud means, and that each call is one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.cloud.kit import (
    ID,
    OTHER_ID,
    PROJECT,
    SimulatorsClock,
    calls,
    cloud_client,
)

from cce_simulator.testing import RunningSimulator
from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.cloud.client import CloudClient, NotThere
from imagecache_operator.observation import Cache, CacheStatus, Trouble, TroubleKind

THROTTLED = TroubleKind.THROTTLED
UNAVAILABLE = TroubleKind.CLOUD_UNAVAILABLE
INVALID = TroubleKind.CREDENTIALS_INVALID
DENIED = TroubleKind.ACCESS_DENIED
ENDPOINT = TroubleKind.ENDPOINT_INVALID
REJECTED = TroubleKind.REQUEST_REJECTED


@pytest.fixture
def client(cloud: RunningSimulator, http: httpx.AsyncClient) -> CloudClient:
    """A client of a simulator that has one cache."""
    cloud.seed("a", id=ID, retention_days=7)
    return cloud_client(http, cloud)


def _fault(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind} | fields


def _status(status: int, shape: str = "gateway", **fields: Any) -> dict[str, Any]:
    return _fault("status", status=status, shape=shape, **fields)


# --- the plain course of things


async def test_list_and_get_show_the_cache(client: CloudClient, cloud: RunningSimulator) -> None:
    """Both verbs read the same cache."""
    listed, got = await client.list(), await client.get(ID)
    assert isinstance(got, Cache)
    assert listed == (got,)
    assert (got.id, got.name, got.status, got.retention_days) == (ID, "a", CacheStatus.AVAILABLE, 7)
    assert got.created_at is not None
    assert abs(got.created_at - SimulatorsClock(cloud).now()) < timedelta(minutes=1)


async def test_a_deletion_from_202_to_404(client: CloudClient, cloud: RunningSimulator) -> None:
    """202 is accepted at the clock's time with the request id; then Deleting, then the cloud's own 404."""
    answer = await client.delete(ID)
    (call,) = cloud.control("GET", "calls")["calls"]
    assert answer == Accepted(SimulatorsClock(cloud).now(), call["request_id"])
    got = await client.get(ID)
    assert isinstance(got, Cache)
    assert got.status is CacheStatus.DELETING
    cloud.clock.advance(3)
    assert await client.get(ID) == NotThere()
    assert await client.list() == ()
    gone = await client.delete(ID)
    assert isinstance(gone, Gone)
    assert gone.message.startswith("404 CCE.01404001: ")
    assert gone.request_id is not None


async def test_the_project_goes_along(client: CloudClient, cloud: RunningSimulator) -> None:
    """Every verb names the project, so a key with several projects looks at the right one."""
    await client.list()
    await client.get(ID)
    await client.delete(ID)
    assert [call["project"] for call in cloud.control("GET", "calls")["calls"]] == [PROJECT] * 3


@pytest.mark.parametrize("cache_id", ["a b", "ä/../b", "x?name=y", "x#y", "%2F", OTHER_ID])
async def test_an_id_stays_one_segment_of_the_path(client: CloudClient, cloud: RunningSimulator, cache_id: str) -> None:
    """Whatever an id holds, it cannot lead the call elsewhere: it is escaped, and just not found."""
    await client.delete(cache_id)
    await client.get(cache_id)
    reached = cloud.control("GET", "calls")["calls"]
    assert [call["operation"] for call in reached] == ["DeleteImageCache", "ShowImageCache"]
    assert [call["cache_id"] for call in reached] == [cache_id] * 2


# --- DELETE

DELETES = [
    pytest.param(_status(404, "errorCode"), Gone, None, None, id="404 of CCE"),
    pytest.param(_status(404, "error_code"), Gone, None, None, id="404 of CCE in the other spelling"),
    pytest.param(_status(404, "kubernetes"), Gone, None, None, id="404 of Kubernetes"),
    pytest.param(_status(404, "empty"), Gone, None, None, id="404 without a body"),
    pytest.param(_fault("gateway_404"), NotDone, ENDPOINT, None, id="404 of the gateway"),
    pytest.param(_status(404, "gateway", code="APIG.0101"), NotDone, ENDPOINT, None, id="404 of the gateway, APIG"),
    pytest.param(_status(404, "html"), NotDone, ENDPOINT, None, id="404 of a proxy"),
    pytest.param(_status(404, "keystone"), NotDone, ENDPOINT, None, id="404 in IAM's shape"),
    pytest.param(_status(409, "errorCode"), Refused, None, None, id="409"),
    pytest.param(_status(423, "errorCode"), Refused, None, None, id="423"),
    pytest.param(_status(400, "errorCode"), Refused, None, None, id="400"),
    pytest.param(_status(401), NotDone, INVALID, None, id="401"),
    pytest.param(_status(403, "errorCode"), NotDone, DENIED, None, id="403"),
    pytest.param(_status(405), NotDone, ENDPOINT, None, id="405"),
    pytest.param(_status(429), NotDone, THROTTLED, None, id="429"),
    pytest.param(_status(429, retry_after="56.818"), NotDone, THROTTLED, 56.818, id="429 with a decimal Retry-After"),
    pytest.param(_status(429, retry_after="soon"), NotDone, THROTTLED, None, id="429 with a Retry-After of garbage"),
    pytest.param(_status(429, "errorCode"), NotDone, THROTTLED, None, id="429, locked by another request"),
    pytest.param(_status(500, "errorCode"), Lost, None, None, id="500"),
    pytest.param(_status(503, retry_after="5"), Lost, None, None, id="503"),
    pytest.param(_status(504), Lost, None, None, id="504"),
    pytest.param(_status(408), Lost, None, None, id="408"),
    pytest.param(_fault("html"), Lost, None, None, id="a page with 502"),
    pytest.param(_fault("html", status=200), Lost, None, None, id="a page with 200"),
    pytest.param(_fault("garbage"), Lost, None, None, id="garbage with 200"),
    pytest.param(_status(502, "empty"), Lost, None, None, id="502 without a body"),
    pytest.param(_fault("redirect"), NotDone, ENDPOINT, None, id="a redirect"),
    pytest.param(_fault("truncated"), Lost, None, None, id="202 cut in the middle of its body"),
    pytest.param(_fault("truncated", cut="content"), Accepted, None, None, id="202 with half a body"),
    pytest.param(_fault("lost_answer"), Lost, None, None, id="cut after the work"),
    pytest.param(_fault("refused"), Lost, None, None, id="cut before the work"),
]


@pytest.mark.parametrize(("fault", "kind", "trouble", "wait"), DELETES)
async def test_what_an_answer_to_delete_proves(
    client: CloudClient,
    cloud: RunningSimulator,
    fault: dict[str, Any],
    kind: type[DeleteAnswer],
    trouble: TroubleKind | None,
    wait: float | None,
) -> None:
    """Each answer is sorted by what it proves, and after each the cloud has seen exactly one DELETE."""
    cloud.fault(**fault)
    answer = await client.delete(ID)
    assert type(answer) is kind
    if isinstance(answer, NotDone):
        assert (answer.trouble.kind, answer.trouble.retry_after) == (trouble, wait)
    assert calls(cloud) == ["DeleteImageCache"]


@pytest.mark.parametrize("code", [204, 202])
async def test_both_successes_are_accepted(client: CloudClient, cloud: RunningSimulator, code: int) -> None:
    """204 is no more than 202: that it is gone must still be seen."""
    cloud.switch(delete_answer=str(code))
    assert isinstance(await client.delete(ID), Accepted)


async def test_a_lost_delete_was_carried_out(client: CloudClient, cloud: RunningSimulator) -> None:
    """The connection is cut after the work: the answer is Lost, and only a look tells what became of it."""
    cloud.fault("lost_answer", times=1)
    assert isinstance(await client.delete(ID), Lost)
    got = await client.get(ID)
    assert isinstance(got, Cache)
    assert got.status is CacheStatus.DELETING


# --- LIST and GET

READS = [
    pytest.param(_status(404, "errorCode"), ENDPOINT, None, id="404 of CCE"),
    pytest.param(_status(404, "kubernetes"), ENDPOINT, None, id="404 of Kubernetes"),
    pytest.param(_status(404, "empty"), ENDPOINT, None, id="404 without a body"),
    pytest.param(_fault("gateway_404"), ENDPOINT, ENDPOINT, id="404 of the gateway"),
    pytest.param(_status(404, "html"), ENDPOINT, ENDPOINT, id="404 of a proxy"),
    pytest.param(_status(404, "keystone"), ENDPOINT, ENDPOINT, id="404 in IAM's shape"),
    pytest.param(_status(400, "errorCode"), REJECTED, REJECTED, id="400"),
    pytest.param(_fault("unauthorized"), INVALID, INVALID, id="401"),
    pytest.param(_status(403, "errorCode"), DENIED, DENIED, id="403"),
    pytest.param(_status(429), THROTTLED, THROTTLED, id="429"),
    pytest.param(_status(500), UNAVAILABLE, UNAVAILABLE, id="500"),
    pytest.param(_fault("html"), UNAVAILABLE, UNAVAILABLE, id="a page with 502"),
    pytest.param(_fault("html", status=200), ENDPOINT, ENDPOINT, id="a page with 200"),
    pytest.param(_fault("redirect"), ENDPOINT, ENDPOINT, id="a redirect"),
    pytest.param(_fault("truncated"), UNAVAILABLE, UNAVAILABLE, id="cut in the middle of the body"),
    pytest.param(_fault("truncated", cut="content"), UNAVAILABLE, UNAVAILABLE, id="half a body"),
    pytest.param(_fault("lost_answer"), UNAVAILABLE, UNAVAILABLE, id="cut before the answer"),
    pytest.param(_fault("empty_200"), ENDPOINT, ENDPOINT, id="200 without a body"),
    pytest.param(_status(204, "empty"), ENDPOINT, ENDPOINT, id="204"),
    pytest.param(_status(202, "empty"), ENDPOINT, ENDPOINT, id="202"),
    pytest.param(_fault("garbage"), ENDPOINT, ENDPOINT, id="garbage"),
    pytest.param(_fault("wrong_shape", variant="error_in_200"), UNAVAILABLE, UNAVAILABLE, id="an error with 200"),
    pytest.param(_fault("wrong_shape", variant="array"), UNAVAILABLE, UNAVAILABLE, id="an array"),
    pytest.param(_fault("wrong_shape", variant="null"), ENDPOINT, ENDPOINT, id="null"),
    pytest.param(_fault("wrong_shape", variant="wrong_types"), UNAVAILABLE, UNAVAILABLE, id="wrong types"),
]


@pytest.mark.parametrize(("fault", "listed", "got"), READS)
async def test_what_is_no_good_look(
    client: CloudClient, cloud: RunningSimulator, fault: dict[str, Any], listed: TroubleKind, got: TroubleKind | None
) -> None:
    """Every fault of a look is trouble, never an absence; only CCE's own 404 to a GET says that nothing is there."""
    cloud.fault(**fault)
    answer = await client.list()
    assert isinstance(answer, Trouble)
    assert answer.kind is listed
    found = await client.get(ID)
    if got is None:
        assert found == NotThere()
    else:
        assert isinstance(found, Trouble)
        assert found.kind is got
    assert calls(cloud) == ["ListImageCaches", "ShowImageCache"]


async def test_a_get_of_the_wrong_cache_is_no_absence(client: CloudClient, cloud: RunningSimulator) -> None:
    """A 200 without a cache in it says nothing about the one that was asked for; a list without the key is empty."""
    cloud.fault("wrong_shape", variant="missing_key")
    found = await client.get(ID)
    assert isinstance(found, Trouble)
    assert found.kind is UNAVAILABLE
    assert await client.list() == ()


@pytest.mark.parametrize("form", ["decimal", "integer", "date"])
async def test_retry_after_reaches_the_caller(cloud: RunningSimulator, http: httpx.AsyncClient, form: str) -> None:
    """A write too many is told how long to wait, in whatever form the cloud says it (refused ones count there, too)."""
    cloud.set(writes_per_minute=1, retry_after=form)
    client = cloud_client(http, cloud)
    assert isinstance(await client.delete(ID), Gone)
    answer = await client.delete(ID)
    assert isinstance(answer, NotDone)
    assert answer.trouble.retry_after is not None
    assert 59 <= answer.trouble.retry_after <= 62


# --- once

VERBS: dict[str, Callable[[CloudClient], Awaitable[Any]]] = {
    "ListImageCaches": lambda client: client.list(),
    "ShowImageCache": lambda client: client.get(ID),
    "DeleteImageCache": lambda client: client.delete(ID),
}


@pytest.mark.parametrize("operation", VERBS)
async def test_a_kept_connection_that_the_cloud_cuts(
    client: CloudClient, cloud: RunningSimulator, operation: str
) -> None:
    """Each verb on a connection that was used before, and is cut now, is exactly one request."""
    assert isinstance(await client.list(), tuple)
    cloud.control("DELETE", "calls")
    cloud.fault("lost_answer", operation=operation, times=1)
    assert isinstance(await VERBS[operation](client), Trouble | Lost)
    assert calls(cloud) == [operation]
