"""From a user to a session: tokens, their scope and their renewal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from tests.cloud.kit import (
    ACCOUNT,
    BY_USER,
    HERE,
    ID,
    PROJECT,
    REGION,
    UNTOLD,
    USER,
    Source,
    calls,
    clock_off,
    no_session,
    opened,
    sessions_of,
)

from cce_simulator.testing import RunningSimulator
from imagecache_operator.answers import Accepted
from imagecache_operator.cloud.credentials import Credentials
from imagecache_operator.cloud.gate import SLOW_LANE
from imagecache_operator.identity import Identity, Location
from imagecache_operator.observation import TroubleKind
from imagecache_operator.placement import Placement


async def test_a_session_with_a_token(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """One token opens the session, tells project and account, and serves the calls."""
    cloud.seed("a", id=ID)
    session = await opened(sessions_of(http, cloud, Source(BY_USER)), UNTOLD)
    assert session.identity == Identity(Location(cloud.url, REGION, PROJECT), ACCOUNT, BY_USER.fingerprint)
    assert isinstance(await session.client.delete(ID), Accepted)
    assert calls(cloud) == ["CreateToken", "DeleteImageCache"]


async def test_a_token_of_a_session_is_renewed_in_time(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """After four fifths of its day the next call brings a new token; no call ever meets an expired one."""
    session = await opened(sessions_of(http, cloud, Source(BY_USER)))
    for hours in (0, 19, 1, 19, 1):
        cloud.clock.advance(hours * 3600)
        assert await session.client.list() == ()
    reached = cloud.control("GET", "calls")["calls"]
    assert [call["operation"] for call in reached].count("CreateToken") == 3
    assert {call["status"] for call in reached} == {200, 201}


@pytest.mark.parametrize("hours", [-30, 30])
async def test_the_life_of_a_token_is_measured_by_the_clock_of_iam(
    cloud: RunningSimulator, http: httpx.AsyncClient, hours: int
) -> None:
    """Nothing is signed with a token, so a clock that is a day off does no harm, and must not in this way either."""
    clock = clock_off(cloud, hours * 60)
    session = await opened(sessions_of(http, cloud, Source(BY_USER), clock=clock))
    issued = []
    for passed in (19, 1):
        cloud.clock.advance(passed * 3600)
        clock.advance(passed * 3600)
        assert await session.client.list() == ()
        issued.append(calls(cloud).count("CreateToken"))
    assert issued == [1, 2]


@pytest.mark.parametrize(
    ("placement", "scope"),
    [
        pytest.param(UNTOLD, {"name": REGION}, id="no project is named: that of the region"),
        pytest.param(HERE, {"id": PROJECT}, id="a project is named: that one"),
    ],
)
async def test_the_scope_of_a_token(
    cloud: RunningSimulator, http: httpx.AsyncClient, placement: Placement, scope: dict[str, str]
) -> None:
    """The token is for one project, which decides whose caches are meant."""
    seen: list[Any] = []

    async def spy(request: httpx.Request) -> None:
        if request.url.path == "/v3/auth/tokens":
            seen.append((request.url.query, httpx.Response(200, content=request.content).json()["auth"]["scope"]))

    http.event_hooks = {"request": [spy]}
    await opened(sessions_of(http, cloud, Source(BY_USER)), placement)
    assert seen == [(b"nocatalog=true", {"project": scope})]


TOKENS = [
    pytest.param({"kind": "status", "status": 401, "shape": "keystone"}, TroubleKind.CREDENTIALS_INVALID, id="401"),
    pytest.param({"kind": "status", "status": 403, "shape": "keystone"}, TroubleKind.ACCESS_DENIED, id="403"),
    pytest.param({"kind": "status", "status": 500}, TroubleKind.CLOUD_UNAVAILABLE, id="500"),
    pytest.param({"kind": "empty_200"}, TroubleKind.ENDPOINT_INVALID, id="200 without a token"),
    pytest.param({"kind": "status", "status": 201, "shape": "empty"}, TroubleKind.ENDPOINT_INVALID, id="201 without"),
    pytest.param({"kind": "lost_answer"}, TroubleKind.CLOUD_UNAVAILABLE, id="cut"),
]


@pytest.mark.parametrize(("fault", "kind"), TOKENS)
async def test_a_token_that_is_not_to_be_had(
    cloud: RunningSimulator, http: httpx.AsyncClient, fault: dict[str, Any], kind: TroubleKind
) -> None:
    """Without a token there is no session; the sentence says why, and shows no password."""
    cloud.fault(**fault)
    trouble = await no_session(sessions_of(http, cloud, Source(BY_USER)))
    assert trouble.kind is kind
    assert USER.password.get_secret_value() not in trouble.message
    assert calls(cloud) == ["CreateToken"]


async def test_a_wrong_password_is_tried_once_in_five_minutes(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Openings share the slow lane of their user, so that IAM does not lock it."""
    sessions = sessions_of(http, cloud, Source(Credentials(replace(USER, password=SecretStr("guess")))))
    troubles = [await no_session(sessions) for _ in range(5)]
    assert {trouble.kind for trouble in troubles} == {TroubleKind.CREDENTIALS_INVALID}
    assert "the user example-user of example-domain" in troubles[0].message
    assert len(calls(cloud)) == 1
    cloud.clock.advance(SLOW_LANE)
    await asyncio.gather(*(no_session(sessions) for _ in range(5)))
    assert len(calls(cloud)) == 2


async def test_a_token_without_a_project(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """A token that names no project opens nothing, and the sentence says which setting helps."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, headers={"X-Subject-Token": "t"}, json={"token": {"project": None}})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as mocked:
        trouble = await no_session(sessions_of(mocked, cloud, Source(BY_USER)), UNTOLD)
    assert trouble.kind is TroubleKind.ENDPOINT_INVALID
    assert "names no project: set spec.projectID or IMAGECACHE_PROJECT_ID" in trouble.message
