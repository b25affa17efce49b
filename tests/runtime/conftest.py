"""Tests of this folder run in virtual time, but for those files that talk to sockets and say so with REAL_TIME."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from tests.runtime.account_kit import Started
from tests.runtime.reconciler_kit import Kit
from tests.runtime.virtual_time import LoopClock, VirtualTimeLoop

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
