"""The three verbs with a token: one that has ended, one that is not to be had, and an IAM that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from tests.cloud.kit import (
    ID,
    PROJECT,
    USER,
    WHO,
    Measured,
    SimulatorsClock,
    TurnedClock,
    calls,
    cloud_client,
    no_meter,
    trouble_in,
)

from cce_simulator.testing import RunningSimulator
from imagecache_operator.answers import Accepted, DeleteAnswer, Lost, NotDone
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.auth import TokenAuth
from imagecache_operator.cloud.client import CloudClient, TokenEnded
from imagecache_operator.cloud.credentials import UserPassword
from imagecache_operator.cloud.gate import IN_FLIGHT, SLOW_LANE, KeyGate, Operation
from imagecache_operator.cloud.iam import Token, issue_token
from imagecache_operator.observation import Trouble, TroubleKind

UNAVAILABLE = TroubleKind.CLOUD_UNAVAILABLE
INVALID = TroubleKind.CREDENTIALS_INVALID


def token_auth(http: httpx.AsyncClient, cloud: RunningSimulator, user: UserPassword = USER) -> TokenAuth:
    """Tokens of the simulator's IAM."""
    clock = SimulatorsClock(cloud)

    async def issue() -> Token:
        return await issue_token(http, cloud.url, user, scope={"id": PROJECT}, now=clock.now(), within=5.0)

    return TokenAuth(issue, clock, project_id=PROJECT)


def reached(cloud: RunningSimulator) -> list[tuple[str, int]]:
    """What reached the simulator, and how it answered."""
    return [(call["operation"], call["status"]) for call in cloud.control("GET", "calls")["calls"]]


def token_of(value: str, clock: Clock) -> Token:
    """A token that lives for long."""
    return Token(SecretStr(value), clock.now(), clock.now() + timedelta(days=1), PROJECT, None)


def client_of(http: httpx.AsyncClient, auth: TokenAuth, *, request_timeout: float = 5.0) -> CloudClient:
    """A client of a cloud in memory."""
    return CloudClient(
        http,
        "https://cce.example.com",
        auth,
        who=WHO,
        request_timeout=request_timeout,
        clock=TurnedClock(),
        meter=no_meter,
    )


# --- a token that has ended


async def test_a_look_is_repeated_with_a_fresh_token_at_once(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """The caller notices nothing but a call that lasted longer."""
    client = cloud_client(http, cloud, auth=token_auth(http, cloud))
    assert await client.list() == ()
    cloud.set(revoke_tokens=True)
    assert await client.list() == ()
    assert reached(cloud)[2:] == [("ListImageCaches", 401), ("CreateToken", 201), ("ListImageCaches", 200)]


async def test_a_delete_is_not_repeated_within_the_call(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """One write per call, so that the limiter counts each; the next call brings the one fresh token with it."""
    cloud.seed("a", id=ID)
    measured = Measured()
    client = cloud_client(http, cloud, auth=token_auth(http, cloud), meter=measured)
    await client.list()
    cloud.set(revoke_tokens=True)
    ended = await client.delete(ID)
    assert isinstance(ended, TokenEnded)
    assert ended.trouble.kind is UNAVAILABLE
    assert reached(cloud)[2:] == [("DeleteImageCache", 401)]
    assert isinstance(await client.delete(ID), Accepted)
    assert reached(cloud)[3:] == [("CreateToken", 201), ("DeleteImageCache", 202)]
    assert measured.outcomes == ["200", "401", "202"]


class TokenCloud:
    """A client behind the gate of its user, and a cloud that takes the tokens in `good`; IAM gives what is wanted."""

    def __init__(self, clock: TurnedClock) -> None:
        self.good: set[str] = set()
        self.seen: list[str] = []
        self._issued = 0
        self._clock = clock
        self._gate = KeyGate(clock, asyncio.Semaphore(IN_FLIGHT))
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self._client = client_of(http, TokenAuth(self._issue, clock))

    async def list(self) -> object:
        """A LIST."""
        return await self._gate.run(Operation.LIST, "", self._client.list, trouble_in)

    async def delete(self) -> DeleteAnswer | Trouble:
        """A DELETE."""

        async def call() -> DeleteAnswer | Trouble:
            return await self._client.delete(ID)

        return await self._gate.run(Operation.DELETE, ID, call, lambda a: a.trouble if isinstance(a, NotDone) else None)

    async def _issue(self) -> Token:
        self._issued += 1
        return token_of(f"token-{self._issued}", self._clock)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["X-Auth-Token"]
        self.seen.append(f"{request.method} {token}")
        if token not in self.good:
            return httpx.Response(401, json={"error_code": "APIGW.0307", "error_msg": "token expired"})
        return httpx.Response(202 if request.method == "DELETE" else 200, json={"image_caches": []})


async def test_a_token_that_has_merely_ended_closes_no_lane(clock: TurnedClock) -> None:
    """The DELETE goes again when its sender likes, and so does everything else."""
    cloud = TokenCloud(clock)
    cloud.good = {"token-1"}
    await cloud.list()
    cloud.good = {"token-2"}
    assert isinstance(await cloud.delete(), TokenEnded)
    assert isinstance(await cloud.delete(), Accepted)
    assert await cloud.list() == ()
    assert cloud.seen == ["GET token-1", "DELETE token-1", "DELETE token-2", "GET token-2"]


@pytest.mark.parametrize("next_call", ["list", "delete"])
async def test_a_fresh_token_that_is_refused_closes_the_lane(clock: TurnedClock, next_call: str) -> None:
    """A second 401 is about the user: one attempt in five minutes, with one token each, until one is taken."""
    cloud = TokenCloud(clock)
    cloud.good = {"token-1"}
    await cloud.list()
    cloud.good = set()
    call = cloud.list if next_call == "list" else cloud.delete
    verb = "GET" if next_call == "list" else "DELETE"
    assert isinstance(await cloud.delete(), TokenEnded)
    for attempt in range(2, 5):
        for answer in [await call() for _ in range(3)]:
            trouble = answer.trouble if isinstance(answer, NotDone) else answer
            assert isinstance(trouble, Trouble)
            assert trouble.kind is INVALID
        assert cloud.seen[2:] == [f"{verb} token-{number}" for number in range(2, attempt + 1)]
        clock.advance(SLOW_LANE)
    cloud.good = {"token-5"}
    assert await cloud.list() == ()
    assert isinstance(await cloud.delete(), Accepted)


# --- no token


async def test_no_token_to_be_had(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """IAM's refusal comes out as trouble of the credentials, and the DELETE as certainly not done."""
    measured = Measured()
    auth = token_auth(http, cloud, replace(USER, username="nobody"))
    answer = await cloud_client(http, cloud, auth=auth, meter=measured).delete(ID)
    assert type(answer) is NotDone
    assert answer.trouble.kind is INVALID
    assert "the user nobody of example-domain" in answer.trouble.message
    assert (calls(cloud), measured.outcomes) == (["CreateToken"], ["iam"])


async def test_an_iam_that_hangs_before_a_delete(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """The DELETE never went out, so it is no attempt; the sentence names IAM."""
    cloud.fault("hang", operation="CreateToken")
    measured = Measured()
    auth = token_auth(http, cloud)
    answer = await cloud_client(http, cloud, auth=auth, request_timeout=0.1, meter=measured).delete(ID)
    assert answer == NotDone(Trouble(UNAVAILABLE, "IAM did not answer within 0.1 s."))
    assert (calls(cloud), measured.outcomes) == (["CreateToken"], ["iam"])


async def test_an_iam_that_hangs_after_a_401(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """The DELETE that was refused is answered without IAM; the next one never goes out."""
    auth = token_auth(http, cloud)
    await cloud_client(http, cloud, auth=auth).list()
    cloud.set(revoke_tokens=True)
    cloud.fault("hang", operation="CreateToken")
    client = cloud_client(http, cloud, auth=auth, request_timeout=0.1)
    assert isinstance(await client.delete(ID), TokenEnded)
    assert await client.delete(ID) == NotDone(Trouble(UNAVAILABLE, "IAM did not answer within 0.1 s."))
    assert calls(cloud)[2:] == ["DeleteImageCache", "CreateToken"]


async def test_a_delete_that_hangs_after_its_token_came(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Once it went out it is Lost, whatever was fetched before."""
    cloud.fault("hang", operation="DeleteImageCache")
    client = cloud_client(http, cloud, auth=token_auth(http, cloud), request_timeout=0.5)
    assert await client.delete(ID) == Lost("The cloud did not answer within 0.5 s.")
    assert calls(cloud) == ["CreateToken", "DeleteImageCache"]


async def test_an_answer_that_hangs_in_its_middle(clock: TurnedClock) -> None:
    """A status without the rest of its answer leaves a DELETE Lost as well."""

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, stream=Endless())

    async def issue() -> Token:
        return token_of("token", clock)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        lost = await client_of(http, TokenAuth(issue, clock), request_timeout=0.1).delete(ID)
    assert lost == Lost("The cloud did not answer within 0.1 s.")
