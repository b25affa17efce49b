"""The fence: a process that does not lead sends nothing to the cloud and changes nothing in the cluster.

A process that was frozen, or cut off, may find out late that another one acts. So each request asks again at the last
moment, when its connection is at hand: whatever it waited for before (a turn, a token, a handshake) counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

Leading = Callable[[], bool]
"""Whether this process may act now; asked for each request."""


class NotLeadingError(aiohttp.ClientError):
    """The request was held back, because this process does not lead (any more). It never left."""

    def __init__(self) -> None:
        super().__init__("this replica does not lead any more, so nothing was sent")


def fenced(leading: Leading) -> aiohttp.TraceConfig:
    """What makes a session of aiohttp ask before each request."""

    async def ask(*_: Any) -> None:
        if not leading():
            raise NotLeadingError

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(ask)
    return trace


class FencedConnector(aiohttp.TCPConnector):
    """Asks once more when the connection is at hand, and closes one that is not to be used.

    A trace that raises there would leave it open for nobody: aiohttp takes it off its books and does not close it.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp calls it so)
    ) -> Connection:
        """See `aiohttp.BaseConnector`."""
        connection = await super().connect(req, traces, timeout)
        try:
            await _ask_again(traces, req)
        except BaseException:
            connection.close()
            raise
        return connection


class FencedRequest(aiohttp.ClientRequest):
    """Asks a last time before the first byte: aiohttp writes what has a body in a later turn of the loop.

    A process may be frozen between the two, and thaw when another one acts.
    """

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """See `aiohttp.ClientRequest`."""
        try:
            await _ask_again(self._traces, self)
        except NotLeadingError as error:
            # Whoever waits for the answer gets this one; the headers are still in the writer, and stay there.
            assert conn.protocol is not None
            conn.protocol.set_exception(error)
            return
        await super().write_bytes(writer, conn, content_length)


async def _ask_again(traces: list[Trace], request: aiohttp.ClientRequest) -> None:
    """What was asked when the request began."""
    for trace in traces:
        await trace.send_request_start(request.method, request.url, request.headers)
