"""The three verbs against the simulator: no answer at all, or credentials that are no good."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from tests.cloud.kit import (
    ID,
    PROJECT,
    WHO,
    WRONG_KEY,
    Measured,
    SimulatorsClock,
    calls,
    cloud_client,
)

from cce_simulator.testing import RunningSimulator
from imagecache_operator.answers import Lost, NotDone
from imagecache_operator.cloud.auth import SignatureAuth
from imagecache_operator.cloud.client import CloudClient
from imagecache_operator.cloud.credentials import CredentialsError
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.observation import Trouble, TroubleKind

UNAVAILABLE = TroubleKind.CLOUD_UNAVAILABLE
INVALID = TroubleKind.CREDENTIALS_INVALID
DENIED = TroubleKind.ACCESS_DENIED


@pytest.fixture
def client(cloud: RunningSimulator, http: httpx.AsyncClient) -> CloudClient:
    """A client of a simulator that has one cache."""
    cloud.seed("a", id=ID, retention_days=7)
    return cloud_client(http, cloud)


# --- no answer at all


async def _verbs(client: CloudClient) -> tuple[Any, Any, Any]:
    return await client.list(), await client.get(ID), await client.delete(ID)


async def test_a_cloud_that_hangs(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """After the time-out a look is trouble that passes and a DELETE is Lost: it may still be carried out."""
    cloud.fault("hang")
    measured = Measured()
    listed, got, deleted = await _verbs(cloud_client(http, cloud, request_timeout=0.1, meter=measured))
    trouble = Trouble(UNAVAILABLE, "The cloud did not answer within 0.1 s.")
    assert (listed, got, deleted) == (trouble, trouble, Lost(trouble.message))
    assert measured.outcomes == ["timeout"] * 3
    assert calls(cloud) == ["ListImageCaches", "ShowImageCache", "DeleteImageCache"]


async def test_nobody_listens(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Without a connection a DELETE is certainly not done, and is no attempt."""
    with contextlib.closing(await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)) as listening:
        port = listening.sockets[0].getsockname()[1]
    nowhere = cloud_client(http, cloud, endpoint=f"http://127.0.0.1:{port}")
    listed, got, deleted = await _verbs(nowhere)
    assert isinstance(listed, Trouble)
    assert listed.kind is UNAVAILABLE
    assert listed.message.startswith("The cloud could not be reached: ")
    assert (got, deleted) == (listed, NotDone(listed))


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1\x00", "ftp://127.0.0.1", "x"])
async def test_an_endpoint_that_cannot_be_one(cloud: RunningSimulator, http: httpx.AsyncClient, endpoint: str) -> None:
    """Whatever the endpoint, no verb raises, and a DELETE that could not even be put down was not carried out."""
    for answer in await _verbs(cloud_client(http, cloud, endpoint=endpoint)):
        trouble = answer.trouble if isinstance(answer, NotDone) else answer
        assert isinstance(trouble, Trouble)
        assert "could not be reached" in trouble.message


# --- credentials


async def test_a_wrong_secret_key(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """401 on every verb; the sentence names the identity and never the secret."""
    client = cloud_client(http, cloud, auth=SignatureAuth(WRONG_KEY, PROJECT, SimulatorsClock(cloud)))
    listed, got, deleted = await _verbs(client)
    assert isinstance(listed, Trouble)
    assert listed.kind is INVALID
    assert listed.message.startswith(f"The cloud does not accept {WHO} (401 APIGW.0301: ")
    assert "SKWRONG" not in listed.message
    assert isinstance(got, Trouble)
    assert got == listed
    assert isinstance(deleted, NotDone)
    assert deleted.trouble == listed


@pytest.mark.parametrize("verb", [Operation.LIST, Operation.GET, Operation.DELETE])
async def test_a_missing_permission_is_named(client: CloudClient, cloud: RunningSimulator, verb: Operation) -> None:
    """403 names the very action that must be granted, and the cloud's id of the request; the other verbs go on."""
    cloud.set(denied_actions=[verb.value])
    answers = dict(zip((Operation.LIST, Operation.GET, Operation.DELETE), await _verbs(client), strict=True))
    denied = answers.pop(verb)
    trouble = denied.trouble if isinstance(denied, NotDone) else denied
    assert isinstance(trouble, Trouble)
    assert trouble.kind is DENIED
    assert f"does not allow {verb.value} to {WHO}" in trouble.message
    made = cloud.control("GET", "calls")["calls"]
    assert [call["status"] for call in made if call["request_id"] == trouble.request_id] == [403]
    assert not any(isinstance(answer, Trouble | NotDone) for answer in answers.values())


@pytest.mark.parametrize("body", ["<html>", '{"image_caches": ['])
async def test_an_answer_that_cannot_be_read_has_its_id(cloud: RunningSimulator, body: str) -> None:
    """The support of the cloud can be asked where a 200 came from that is not CCE's, or is cut off."""
    answer = httpx.Response(200, headers={"X-Request-Id": "req-1"}, text=body)
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: answer)) as http:
        listed = await cloud_client(http, cloud).list()
    assert isinstance(listed, Trouble)
    assert listed.request_id == "req-1"


async def test_credentials_that_cannot_be_read(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Should the credentials fail in the middle, their sentence comes out and nothing is sent."""

    class Broken(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Any:
            raise CredentialsError("No credentials today.")

    measured = Measured()
    answer = await cloud_client(http, cloud, auth=Broken(), meter=measured).delete(ID)
    assert answer == NotDone(Trouble(INVALID, "No credentials today."))
    assert (calls(cloud), measured.outcomes) == ([], ["credentials"])


async def test_every_request_is_measured(client: CloudClient, cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Operation and HTTP status of each call reach the meter, or what came instead."""
    measured = Measured()
    await _verbs(cloud_client(http, cloud, meter=measured))
    cloud.fault("lost_answer")
    await _verbs(cloud_client(http, cloud, meter=measured))
    operations = [Operation.LIST, Operation.GET, Operation.DELETE] * 2
    outcomes = ["200", "200", "202", "error", "error", "error"]
    assert [(operation, outcome) for operation, outcome, _ in measured.calls] == list(
        zip(operations, outcomes, strict=True)
    )
    assert all(seconds >= 0 for _, _, seconds in measured.calls)
