"""A simulator in this process, the operator's own HTTP client, and the official SDK kept away from the real home."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.cloud.gated import GOOD, Gated
from tests.cloud.kit import TurnedClock

from cce_simulator.testing import RunningSimulator, running
from imagecache_operator.cloud.gate import IN_FLIGHT, KeyGate
from imagecache_operator.cloud.transport import open_client


@pytest.fixture
def cloud() -> Iterator[RunningSimulator]:
    """A simulator with the built-in scenario and without the limit on writes."""
    with running({"writes_per_minute": 0}) as simulator:
        yield simulator


@pytest.fixture
def start() -> Iterator[Callable[[dict[str, Any]], RunningSimulator]]:
    """Start simulators with scenarios of one's own."""
    with contextlib.ExitStack() as stack:
        yield lambda scenario: stack.enter_context(running(scenario))


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """The client that the operator uses."""
    async with open_client(5.0) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def home_without_traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Parts of the SDK write $HOME/.huaweicloud/application_id as soon as they are imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


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
