"""The simulator on a port."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from cce_simulator.simulator import Simulator

# Section 5: a token may have 16,384 bytes, which is over aiohttp's default for a header.
_MAX_HEADER = 32_768
_SHUTDOWN_SECONDS = 0.1


@contextlib.asynccontextmanager
async def listening(simulator: Simulator, host: str, port: int) -> AsyncIterator[int]:
    """Listen while the block runs; gives the port, which is a free one when 0 was asked for."""
    server = web.Server(simulator.handle, access_log=None, max_field_size=_MAX_HEADER)
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
