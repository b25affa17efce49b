"""HTTP to the cloud: httpx over aiohttp's transport, which costs a third of the CPU (docs/dependencies.md).

aiohttp silently repeats a GET or DELETE whose connection was cut. A DELETE that may have been carried out must not be
repeated by anybody but the deletion table, so a middleware turns the cut into an error that aiohttp hands on.
"""

from __future__ import annotations

import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from imagecache_operator.fence import FencedConnector, FencedRequest, NotLeadingError

CONNECTIONS_MAX = 10
"""Connections to the cloud; more than 10 calls are never in flight."""

CONNECT_TIMEOUT_MAX = 10.0
"""Seconds for connecting, at most: a host that does not answer a SYN in that time will not do so later."""


BODY_BYTES_MAX = 32 * 2**20
"""Bytes of an answer that are read: 1,000 caches of 20 long images each fit, an endless body does not."""

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    NotLeadingError,
)

_OF_THE_WIRE = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
"""Headers that say how the body came, not what it is."""


class AnswerLostError(aiohttp.ClientPayloadError):
    """The connection broke after the request had gone out: nobody knows whether it was carried out."""


async def _never_repeat(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.SocketTimeoutError):
        raise
    except aiohttp.ClientConnectionError as error:
        # All of them, not only those that aiohttp repeats: httpx-aiohttp takes the others for failures to connect.
        raise AnswerLostError(f"connection lost: {type(error).__name__}") from error


def open_client(request_timeout: float, fence: aiohttp.TraceConfig | None = None) -> httpx.AsyncClient:
    """A client without redirects, cookies or proxies, that sends each request once at most.

    Args:
        request_timeout: seconds for each phase of a request; the whole of it is limited by the caller.
        fence: asked before each request (`fence.fenced`); None where nobody else acts.
    """
    tls = ssl.create_default_context()

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=FencedConnector(limit=CONNECTIONS_MAX, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=FencedRequest,
            middlewares=(_never_repeat,),
            trace_configs=[fence] if fence is not None else [],
        )

    return httpx.AsyncClient(
        transport=AiohttpTransport(verify=tls, client=session),
        timeout=httpx.Timeout(request_timeout, connect=min(request_timeout, CONNECT_TIMEOUT_MAX)),
        # httpx keeps cookies of its own beside aiohttp's.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


async def fetch(http: httpx.AsyncClient, request: httpx.Request, auth: httpx.Auth | None) -> httpx.Response:
    """Send, and read the body up to its limit; `httpx.Response.content` is then at hand.

    Raises:
        httpx.ReadError: the body is longer than `BODY_BYTES_MAX`, besides all that httpx raises.
    """
    response = await http.send(request, auth=auth, stream=True)
    try:
        body = bytearray()
        # Decoded: a small body that unfolds into a huge one must not fit either.
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise httpx.ReadError(f"the answer is larger than {BODY_BYTES_MAX >> 20} MiB")
    finally:
        await response.aclose()
    headers = httpx.Headers([(name, value) for name, value in response.headers.raw if name.lower() not in _OF_THE_WIRE])
    return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=request)


def certainly_not_sent(error: BaseException) -> bool:
    """Whether the request never left this machine, because no connection was made, or another replica leads."""
    return isinstance(error, _NEVER_SENT)
