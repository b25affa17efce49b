"""From an access key to a session: the project, and whose account it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.cloud.kit import (
    ACCOUNT,
    BY_KEY,
    ID,
    PROJECT,
    REGION,
    UNTOLD,
    Source,
    calls,
    no_session,
    opened,
    sessions_of,
    trouble_in,
)

from cce_simulator.testing import DEFAULT_KEY, RunningSimulator
from imagecache_operator.cloud.account_ids import ACCOUNT_RETRY
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.identity import Identity, Location
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.placement import Placement


async def test_a_session_knows_who_and_where_it_is(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Location, account and fingerprint make the identity; the client works at once."""
    cloud.seed("a", id=ID)
    session = await opened(sessions_of(http, cloud, Source(BY_KEY)))
    assert session.identity == Identity(Location(cloud.url, REGION, PROJECT), ACCOUNT, BY_KEY.fingerprint)
    assert session.credentials == BY_KEY
    assert calls(cloud) == ["ListDomains"]
    listed = await session.client.list()
    assert isinstance(listed, tuple)
    assert [cache.id for cache in listed] == [ID]


async def test_the_project_is_looked_up_where_nobody_names_it(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """The project that bears the region's name is found in IAM, and every call names it from then on."""
    session = await opened(sessions_of(http, cloud, Source(BY_KEY)), UNTOLD)
    assert session.identity.location.project_id == PROJECT
    await session.client.list()
    reached = cloud.control("GET", "calls")["calls"]
    assert [(call["operation"], call["query"]) for call in reached] == [
        ("ListProjects", f"name={REGION}"),
        ("ListDomains", ""),
        ("ListImageCaches", ""),
    ]
    assert reached[-1]["project"] == PROJECT


PROJECTS = [
    pytest.param([("p-1", "elsewhere")], "IAM shows no project named cn-north-4 to", id="none"),
    pytest.param([("p-1", REGION), ("p-2", REGION)], "IAM shows 2 projects named cn-north-4 to", id="two"),
]


@pytest.mark.parametrize(("projects", "sentence"), PROJECTS)
async def test_a_project_that_cannot_be_told(
    start: Callable[[dict[str, Any]], RunningSimulator],
    http: httpx.AsyncClient,
    projects: list[tuple[str, str]],
    sentence: str,
) -> None:
    """None or several of that name: no session, and the sentence says what to look at, and which setting helps."""
    key = {"access_key": DEFAULT_KEY.access_key, "secret_key": DEFAULT_KEY.secret_key}
    known = [{"id": project_id, "name": name} for project_id, name in projects]
    account = {"domain_id": "d1", "domain_name": "one", "access_keys": [key], "projects": known}
    trouble = await no_session(sessions_of(http, start({"accounts": [account]}), Source(BY_KEY)), UNTOLD)
    assert trouble.kind is TroubleKind.REQUEST_REJECTED
    assert trouble.message.startswith(sentence)
    assert "check the region, or set spec.projectID, or IMAGECACHE_PROJECT_ID" in trouble.message


LOOK_UPS = [
    pytest.param({"kind": "status", "status": 403, "shape": "keystone"}, TroubleKind.ACCESS_DENIED, id="403"),
    pytest.param({"kind": "status", "status": 404}, TroubleKind.ENDPOINT_INVALID, id="404"),
    pytest.param({"kind": "status", "status": 429}, TroubleKind.THROTTLED, id="429"),
    pytest.param({"kind": "status", "status": 503}, TroubleKind.CLOUD_UNAVAILABLE, id="503"),
    pytest.param({"kind": "lost_answer"}, TroubleKind.CLOUD_UNAVAILABLE, id="cut"),
    pytest.param({"kind": "garbage"}, TroubleKind.ENDPOINT_INVALID, id="garbage"),
    pytest.param({"kind": "empty_200"}, TroubleKind.ENDPOINT_INVALID, id="nothing"),
    pytest.param({"kind": "redirect"}, TroubleKind.ENDPOINT_INVALID, id="a redirect"),
]


@pytest.mark.parametrize(("fault", "kind"), LOOK_UPS)
async def test_a_look_up_of_the_project_that_fails(
    cloud: RunningSimulator, http: httpx.AsyncClient, fault: dict[str, Any], kind: TroubleKind
) -> None:
    """What IAM says instead of the project is sorted like the answers of CCE, and nothing else is asked."""
    cloud.fault(operation="ListProjects", **fault)
    assert (await no_session(sessions_of(http, cloud, Source(BY_KEY)), UNTOLD)).kind is kind
    assert calls(cloud) == ["ListProjects"]


# --- whose account it is


async def test_sts_tells_the_account_where_iam_does_not(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """IAM may refuse the question; then STS is asked."""
    cloud.fault("status", operation="ListDomains", status=403, shape="keystone")
    session = await opened(sessions_of(http, cloud, Source(BY_KEY)))
    assert session.identity.account_id == ACCOUNT
    assert calls(cloud) == ["ListDomains", "GetCallerIdentity"]


async def test_an_account_that_nobody_tells_is_asked_for_again_later(
    cloud: RunningSimulator, http: httpx.AsyncClient
) -> None:
    """The session opens without it, does not ask again at each opening, and after ten minutes does."""
    cloud.fault("status", operation="ListDomains", status=403, times=1)
    cloud.fault("status", operation="GetCallerIdentity", status=403, times=1)
    sessions = sessions_of(http, cloud, Source(BY_KEY))
    assert (await opened(sessions)).identity.account_id is None
    assert (await opened(sessions)).identity.account_id is None
    assert calls(cloud) == ["ListDomains", "GetCallerIdentity"]
    cloud.clock.advance(ACCOUNT_RETRY + 1)
    assert (await opened(sessions)).identity.account_id == ACCOUNT
    assert calls(cloud) == ["ListDomains", "GetCallerIdentity", "ListDomains"]


@pytest.mark.parametrize("operation", ["ListDomains", "GetCallerIdentity"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 503}, id="503"),
        pytest.param({"kind": "status", "status": 429}, id="429"),
        pytest.param({"kind": "lost_answer"}, id="cut"),
    ],
)
async def test_an_account_is_asked_for_again_soon_where_nobody_answered(
    cloud: RunningSimulator, http: httpx.AsyncClient, operation: str, fault: dict[str, Any]
) -> None:
    """Whoever did not answer may know it: asked after half a minute, after pauses that double, and no more often."""
    cloud.fault(operation=operation, **fault)
    for other in ("ListDomains", "GetCallerIdentity"):
        cloud.fault("status", operation=other, status=403)
    sessions = sessions_of(http, cloud, Source(BY_KEY))
    pauses = [30, 60, 120, 240, 480, 600, 600]
    for number, pause in enumerate(pauses, start=1):
        session = await opened(sessions)
        assert (session.identity.account_id, session.reopen_at) == (None, cloud.clock.monotonic() + pause)
        cloud.clock.advance(pause - 1)
        assert (await opened(sessions)).reopen_at == session.reopen_at
        assert calls(cloud).count(operation) == number
        cloud.clock.advance(1)
    cloud.control("DELETE", "faults")
    session = await opened(sessions)
    assert (session.identity.account_id, session.reopen_at) == (ACCOUNT, float("inf"))


async def test_an_account_that_is_known_is_asked_for_once(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Ten openings at once, and one a day later, share one look-up."""
    sessions = sessions_of(http, cloud, Source(BY_KEY))
    all_of_them = await asyncio.gather(*(opened(sessions) for _ in range(10)))
    cloud.clock.advance(24 * 3600)
    all_of_them.append(await opened(sessions))
    assert {session.identity.account_id for session in all_of_them} == {ACCOUNT}
    assert calls(cloud) == ["ListDomains"]


async def test_a_bad_key_in_many_regions_does_not_come_near_its_lock_out(cloud: RunningSimulator) -> None:
    """Each region has an IAM of its own; a refused key fails once for the account and once for a LIST, not for each."""
    reached: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        reached.append(request.url.host.partition(".")[0])
        return httpx.Response(401, json={"error_code": "APIGW.0301", "error_msg": "ak not exist"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        sessions = sessions_of(http, cloud, Source(BY_KEY), cce_template=None, iam_template=None, sts_template=None)

        async def look(region: str) -> object:
            session = await opened(sessions, Placement(region, PROJECT))
            assert (session.identity.account_id, session.reopen_at) == (None, cloud.clock.monotonic() + ACCOUNT_RETRY)
            return await session.gate.run(Operation.LIST, "", session.client.list, trouble_in)

        regions = ["cn-north-1", "cn-north-4", "cn-north-9", "cn-east-2", "cn-east-3", "cn-south-1", "af-south-1"]
        troubles = await asyncio.gather(*(look(region) for region in regions))
    assert all(isinstance(trouble, Trouble) for trouble in troubles)
    assert sorted(reached) == ["cce", "iam"]
