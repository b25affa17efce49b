"""The simulator on a port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from cce_simulator.simulator import Simulator

# Section 5: a token may have 16,384 bytes, which is over aiohttp's default for a header.
_MAX_HEADER = 32_768
# Section 6: the gateway's limit for a body.
_MAX_BODY = 12 * 1024 * 1024
_SHUTDOWN_SECONDS = 0.1


class ListeningPort:
    """A TCP port that can be closed for a while: the kernel then refuses connections, as for a server that is down."""

    def __init__(self, runner: web.ServerRunner, host: str, number: int) -> None:
        self._runner = runner
        self._host = host
        self.number = number
        self._site: web.TCPSite | None = None
        self._reopening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen; port 0 becomes a free one, which stays the same from then on."""
        self._site = web.TCPSite(self._runner, self._host, self.number, backlog=1024)
        await self._site.start()
        self.number = int(self._runner.addresses[0][1])

    async def close_for(self, seconds: float, *, spared: object) -> None:
        """Close the port and all connections but one. The seconds are real ones, whatever the simulator's clock."""
        if self._site is None:
            return
        await self._site.stop()
        self._site = None
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection is not spared and connection.transport is not None:
                connection.transport.abort()
        self._reopening = asyncio.create_task(self._open_after(seconds))

    async def stop(self) -> None:
        """Forget an opening that is still to come."""
        if self._reopening is not None:
            self._reopening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reopening

    async def _open_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.open()


@contextlib.asynccontextmanager
async def listening(simulator: Simulator, host: str, port: int) -> AsyncIterator[int]:
    """Listen while the block runs; gives the port, which is a free one when 0 was asked for."""
    server = web.Server(
        simulator.handle,
        request_factory=_request,
        access_log=None,
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    opened = ListeningPort(runner, host, port)
    try:
        await opened.open()
        simulator.control.port = opened
        yield opened.number
    finally:
        simulator.control.port = None
        await opened.stop()
        await runner.cleanup()


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """What aiohttp makes by itself, but for the size of the body."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)
