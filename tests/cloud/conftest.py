"""A simulator in this process, the operator's own HTTP client, and the official SDK kept away from the real home."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from tests.cloud.gated import GOOD, Gated
from tests.cloud.kit import TurnedClock
from tests.simulated import cloud, home_without_traces, start

from imagecache_operator.cloud.gate import IN_FLIGHT, KeyGate
from imagecache_operator.cloud.transport import open_client

__all__ = ["cloud", "home_without_traces", "start"]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """The client that the operator uses."""
    async with open_client(5.0) as client:
        yield client


# --- gates


@pytest.fixture
def clock() -> TurnedClock:
    """A clock that stands still until a test turns it."""
    return TurnedClock()


@pytest.fixture
async def cloud_of(clock: TurnedClock) -> Callable[..., Gated]:
    """Makes clouds with a key each, all under one limit of calls in flight; they answer at once."""
    total = asyncio.Semaphore(IN_FLIGHT)

    def make() -> Gated:
        cloud = Gated(KeyGate(clock, total))
        cloud.open.set()
        return cloud

    return make


@pytest.fixture
async def one(cloud_of: Callable[..., Gated]) -> Gated:
    """A cloud whose key has proven good."""
    cloud = cloud_of()
    assert await cloud.ask() == GOOD
    cloud.sent.clear()
    return cloud
