"""Tests of this folder run in virtual time, but for those files that talk to sockets and say so with REAL_TIME."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from tests.runtime.account_kit import Started
from tests.runtime.election_kit import World
from tests.runtime.kubernetes_server import Server
from tests.runtime.reconciler_kit import Kit
from tests.runtime.virtual_time import LoopClock, VirtualTimeLoop
from tests.runtime.workqueue_kit import Passes

from imagecache_operator.kubernetes_client import KubernetesClient

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """The loop for the asynchronous tests of the file."""
    module = item.getparent(pytest.Module)
    assert module is not None
    if getattr(module.obj, "REAL_TIME", False):
        return {"real time": asyncio.new_event_loop}
    return {"virtual time": VirtualTimeLoop}


@pytest.fixture
def clock() -> LoopClock:
    """The clock of the loop that the test runs in."""
    return LoopClock()


@pytest.fixture
async def world(clock: LoopClock) -> AsyncIterator[World]:
    """Where replicas may start; no replica yet."""
    made = World(clock)
    yield made
    for replica in made.replicas:
        await replica.kill()


@pytest.fixture
async def started(clock: LoopClock) -> AsyncIterator[Started]:
    """An account whose poller starts as soon as the test waits, and ends after the test."""
    kit = Started(clock)

    async def poll() -> None:
        await asyncio.sleep(1e-7)
        await kit.account.run()

    poller = asyncio.create_task(poll())
    yield kit
    poller.cancel()
    await asyncio.wait([poller])


@pytest.fixture
async def kit(clock: LoopClock) -> AsyncIterator[Kit]:
    """A reconciler that works from the beginning, with ten writes a minute."""
    made = Kit(clock)
    yield made
    await made.stop()


@pytest.fixture
def passes() -> Passes:
    """Work that records."""
    return Passes()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server on this machine."""
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
def configuration(server: Server) -> Configuration:
    """Access to the server with a token."""
    made = Configuration(host=f"http://127.0.0.1:{server.port}")
    made.api_key["BearerToken"] = "Bearer made-up"
    return made


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[KubernetesClient]:
    """The client."""
    made = KubernetesClient(configuration)
    yield made
    await made.close()
