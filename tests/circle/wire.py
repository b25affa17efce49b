"""The way from the operator's HTTP client to the simulator: no sockets, so that time can be virtual.

All else is real: the client with its signatures and its reading of answers, the simulator from the parsing of requests
to the writing of answers, its faults included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import httpx
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from tests.runtime.virtual_time import LoopClock

from cce_simulator.incoming import read_incoming
from cce_simulator.simulator import Simulator

LATENCY = 0.01
"""Seconds for each way."""


class CloudClock:
    """The simulator's clock, which shows the loop's time as the operator's does."""

    def __init__(self, clock: LoopClock) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        """See `cce_simulator.clock.Clock`."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """See `cce_simulator.clock.Clock`."""
        moment: datetime = self._clock.now()
        return moment.timestamp()

    async def sleep(self, seconds: float) -> None:
        """See `cce_simulator.clock.Clock`."""
        await asyncio.sleep(seconds)


class _Connection(asyncio.Transport):
    """All that the simulator does with a connection is to cut it."""

    def __init__(self) -> None:
        super().__init__()
        self.was_cut = False

    def abort(self) -> None:
        self.was_cut = True


class Wire(httpx.AsyncBaseTransport):
    """Carries requests to one simulator; `before` has something happen right before one arrives."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._before: dict[str, Callable[[], None]] = {}

    def before(self, operation: str, do: Callable[[], None]) -> None:
        """Have that happen when the next such request is about to arrive: too late for its sender to know."""
        self._before[operation] = do

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`."""
        await asyncio.sleep(LATENCY)
        path = request.url.raw_path.decode()
        operation = read_incoming(request.method, path, request.headers, b"").operation
        if (do := self._before.pop(operation, None)) is not None:
            do()
        connection = _Connection()
        body = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16)
        body.feed_data(await request.aread())
        body.feed_eof()
        answer = await self._simulator.handle(
            make_mocked_request(request.method, path, dict(request.headers), transport=connection, payload=body)
        )
        await asyncio.sleep(LATENCY)
        if connection.was_cut:
            raise httpx.ReadError("the connection was cut", request=request)
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes | None)
        return httpx.Response(answer.status, headers=list(answer.headers.items()), content=answer.body or b"")
