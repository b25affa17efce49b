"""A simulator in this process, the operator's own HTTP client, and the official SDK kept away from the real home."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from cce_simulator.testing import RunningSimulator, running
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


@pytest.fixture(scope="package", autouse=True)
def home_without_traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Parts of the SDK write $HOME/.huaweicloud/application_id as soon as they are imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield
