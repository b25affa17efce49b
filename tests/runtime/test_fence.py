"""The fence: what does not lead sends nothing, wherever it was when it lost."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from tests.runtime.kubernetes_server import Server
from tests.runtime.term_kit import means_of_a_term

from imagecache_operator.fence import fenced
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError

REAL_TIME = True


def open_descriptors() -> int:
    """Of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_who_does_not_lead_sends_nothing() -> None:
    """Neither to the API server nor to the cloud; who leads does."""
    leads = True
    async with means_of_a_term(lambda: leads) as (servers, means):
        await means.kubernetes.request("GET", "/api")
        assert servers.asked.total() == 1
        leads = False
        with pytest.raises(KubernetesError, match="does not lead any more, so nothing was sent"):
            await means.kubernetes.request("GET", "/api")
        with pytest.raises(Exception, match="does not lead any more"):
            await means.http.get(f"{means.configuration.host}/v5/imagecaches")
        assert servers.asked.total() == 1


@pytest.mark.parametrize("reused", [False, True], ids=["a new connection", "a connection that is there"])
async def test_what_had_passed_before_a_freeze_is_not_sent_after_it(reused: bool) -> None:
    """The process is frozen when its connection is at hand, and before the first byte is written."""
    frozen, asked, armed = False, 0, False

    def leading() -> bool:
        nonlocal asked
        asked += armed and not frozen
        if asked == 2:
            asyncio.get_running_loop().call_soon(freeze)
        return not frozen

    def freeze() -> None:
        nonlocal frozen
        frozen = True

    async with means_of_a_term(leading) as (servers, means):
        if reused:
            await means.kubernetes.request("GET", "/api")
        armed, before = True, servers.asked.total()
        with pytest.raises(KubernetesError, match="does not lead any more"):
            await means.kubernetes.create_event("team-a", {"reason": "x"})
        await asyncio.sleep(0.2)  # so long for a request that went out all the same
        assert servers.asked.total() == before


async def test_a_request_that_is_held_back_gives_its_connection_back() -> None:
    """A replica that flaps must not run out of descriptors."""
    asked = 0

    def leading() -> bool:
        nonlocal asked
        asked += 1
        return asked % 2 == 1  # yes when the request begins, no when its connection is at hand

    async with means_of_a_term(leading) as (_, means):
        before = open_descriptors()
        for _ in range(30):
            with pytest.raises(KubernetesError, match="does not lead"):
                await means.kubernetes.get_crd()
        gc.collect()
        await asyncio.sleep(0.1)
        assert open_descriptors() <= before + 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(("leads_on", "sent"), [(True, 2), (False, 1)], ids=["leads on", "leads no more"])
async def test_what_aiohttp_repeats_by_itself_asks_again(
    server: Server, configuration: Configuration, method: str, leads_on: bool, sent: int
) -> None:
    """Where a connection that was kept is cut, aiohttp sends such a request once more, to those who lead."""
    leads = True

    async def cut(request: web.Request) -> web.StreamResponse:
        nonlocal leads
        leads = leads_on
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    client = KubernetesClient(configuration, fenced(lambda: leads))
    try:
        await client.request("GET", "/api")
        server.answer, before = cut, len(server.requests)
        with pytest.raises(KubernetesError, match="disconnected" if leads_on else "does not lead any more"):
            await client.request(method, "/api", {"a": "b"} if method == "PUT" else None)
        assert len(server.requests) - before == sent
    finally:
        await client.close()
