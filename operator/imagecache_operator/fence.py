"""The fence: a process that does not lead sends nothing to the cloud and changes nothing in the cluster.

A process that was frozen, or cut off, may find out late that another one acts. So each request asks again at the last
moment, when its connection is at hand: whatever it waited for before (a turn, a token, a handshake) counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp

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
    trace.on_connection_create_end.append(ask)
    trace.on_connection_reuseconn.append(ask)
    return trace
