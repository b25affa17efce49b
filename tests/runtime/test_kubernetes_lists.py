"""Lists in chunks, and how many connections there are."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from tests.runtime.kubernetes_server import KEY, OBJECTS, Server, listed, status

from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError

REAL_TIME = True


async def test_an_answer_that_is_cut_off(client: KubernetesClient, server: Server) -> None:
    """The connection ends before the body does."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"items": []')
        assert request.transport is not None
        request.transport.close()
        return response

    server.answer = cut
    with pytest.raises(KubernetesError) as caught:
        await listed(client)
    assert caught.value.status is None


@pytest.mark.parametrize("namespace", [None, "team-a"])
async def test_lists_come_in_chunks(client: KubernetesClient, server: Server, namespace: str | None) -> None:
    """All of them, in order, each asked for with the token of the one before."""
    pages = {"": (["a", "b"], "t/1&x"), "t/1&x": ([], "t2"), "t2": (["c"], "")}

    async def answer(request: web.Request) -> web.StreamResponse:
        names, token = pages[request.query.get("continue", "")]
        items = [{"metadata": {"name": name}} for name in names]
        return web.json_response({"metadata": {"continue": token}, "items": items})

    server.answer = answer
    found = [body["metadata"]["name"] async for body in client.list_objects(namespace)]
    assert found == ["a", "b", "c"]
    within = "/namespaces/team-a" if namespace else ""
    assert {request.path for request in server.requests} == {f"{OBJECTS}{within}/imagecaches"}
    assert [request.query["limit"] for request in server.requests] == ["500"] * 3


async def test_a_list_that_breaks_off_is_an_error(client: KubernetesClient, server: Server) -> None:
    """A part must never pass for all: what is missing would look gone."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            return web.Response(status=410, text=status(410, "Expired"))
        return web.json_response({"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "a"}}]})

    server.answer = answer
    with pytest.raises(KubernetesError) as caught:
        await listed(client)
    assert caught.value.status == 410


async def test_connections_are_limited(configuration: Configuration, server: Server) -> None:
    """Eight at a time, however many passes write."""
    inside, most, queued = 0, 0, 0
    full, waiting, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def count(*_: Any) -> None:
        nonlocal queued
        queued += 1
        if queued == 60 - 8:
            waiting.set()

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 8:
            full.set()
        await go.wait()
        inside -= 1
        return await server.ok(request)

    server.answer = answer
    trace = aiohttp.TraceConfig()
    trace.on_connection_queued_start.append(count)
    client = KubernetesClient(configuration, trace)
    asked = asyncio.gather(*(client.get_object(KEY) for _ in range(60)))
    async with asyncio.timeout(10):
        await full.wait()
        await waiting.wait()
    go.set()
    await asked
    await client.close()
    assert (most, len(server.requests)) == (8, 60)
