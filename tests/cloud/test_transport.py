"""The HTTP client: every request is sent once at most, and nothing but request and answer goes over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeAlias

import aiohttp
import httpx
import pytest
from httpx_aiohttp.transport import map_aiohttp_exceptions

from imagecache_operator.cloud import transport
from imagecache_operator.cloud.transport import (
    AnswerLostError,
    _never_repeat,
    certainly_not_sent,
    fetch,
    open_client,
)

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Server:
    """A bare server: answers each request with the next bytes, and cuts the connection when there are none."""

    answers: list[bytes]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0) if self.answers else b""
                writer.write(answer)
                if not answer.startswith(b"HTTP") or answer.endswith(b"CUT"):
                    break
        writer.close()


Serve: TypeAlias = Callable[[list[bytes]], Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start bare servers."""
    with contextlib.ExitStack() as stack:

        async def start(answers: list[bytes]) -> Server:
            server = Server(answers)
            listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
            stack.callback(listening.close)
            server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/x"
            return server

        yield start


def _body(content: bytes, *headers: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(content)}", *headers])
    return head.encode() + b"\r\n\r\n" + content


# --- once at most


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
@pytest.mark.parametrize("kept", [False, True], ids=["a new connection", "a connection that was kept"])
async def test_a_cut_connection_is_not_tried_again(
    serve: Serve, http: httpx.AsyncClient, method: str, kept: bool
) -> None:
    """The server sees the request once, though aiohttp would repeat GET and DELETE on a kept connection."""
    server = await serve([GOOD] if kept else [])
    if kept:
        await fetch(http, http.build_request("GET", server.url), None)
    with pytest.raises(httpx.ReadError) as caught:
        await fetch(http, http.build_request(method, server.url), None)
    assert not certainly_not_sent(caught.value)
    assert [request.split()[0].decode() for request in server.requests] == [*["GET"] * kept, method]
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{CUT", id="in the middle of a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{CUT", id="in a chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-LenCUT", id="in the middle of the headers"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="something that is no HTTP"),
    ],
)
async def test_half_an_answer_is_an_error(serve: Serve, http: httpx.AsyncClient, answer: bytes) -> None:
    """An answer that is not whole is never taken for one, and is not asked for again."""
    server = await serve([answer, GOOD])
    with pytest.raises((httpx.HTTPError, aiohttp.ClientError)) as caught:
        await fetch(http, http.build_request("DELETE", server.url), None)
    assert not certainly_not_sent(caught.value)
    assert len(server.requests) == 1


async def test_a_refused_connection_was_certainly_not_used(serve: Serve, http: httpx.AsyncClient) -> None:
    """Where nobody listens, the request never left."""
    with contextlib.closing(await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)) as listening:
        port = listening.sockets[0].getsockname()[1]
    with pytest.raises(httpx.TransportError) as caught:
        await fetch(http, http.build_request("DELETE", f"http://127.0.0.1:{port}/"), None)
    assert certainly_not_sent(caught.value)


_NOWHERE: Any = SimpleNamespace(host="cce.example.com", port=443, ssl=True, is_ssl=True)
_CERTIFICATE = aiohttp.ClientConnectorCertificateError(_NOWHERE, OSError("self-signed"))


@pytest.mark.parametrize(
    ("error", "not_sent"),
    [
        pytest.param(aiohttp.ClientConnectorError(_NOWHERE, OSError(111, "refused")), True, id="refused"),
        pytest.param(aiohttp.ClientConnectorDNSError(_NOWHERE, OSError(-2, "unknown")), True, id="no such name"),
        pytest.param(aiohttp.ClientConnectorSSLError(_NOWHERE, OSError(1, "TLS")), True, id="no TLS"),
        pytest.param(_CERTIFICATE, True, id="a bad certificate"),
        pytest.param(aiohttp.ConnectionTimeoutError("slow"), True, id="no connection in time"),
        pytest.param(aiohttp.ServerDisconnectedError(), False, id="disconnected"),
        pytest.param(aiohttp.ClientOSError(104, "reset"), False, id="reset"),
        pytest.param(aiohttp.ClientConnectionResetError("closing"), False, id="reset while writing"),
        pytest.param(aiohttp.ClientConnectionError("Failed to send bytes"), False, id="a failure while writing"),
        pytest.param(aiohttp.SocketTimeoutError("slow"), False, id="no answer in time"),
        pytest.param(aiohttp.ClientPayloadError("half"), False, id="half a body"),
        pytest.param(aiohttp.ClientResponseError(_NOWHERE, ()), False, id="an answer that is no HTTP"),
        pytest.param(ConnectionResetError(104, "reset"), False, id="a reset below aiohttp"),
    ],
)
async def test_what_certainly_never_left(error: Exception, not_sent: bool) -> None:
    """Only a failure to connect proves that nothing was sent; everything later may have been carried out."""

    async def fail(request: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
        raise error

    request: Any = None
    with pytest.raises((httpx.HTTPError, aiohttp.ClientError, OSError)) as caught, map_aiohttp_exceptions():
        await _never_repeat(request, fail)
    assert certainly_not_sent(caught.value) is not_sent


def test_the_loss_of_an_answer_is_nothing_that_is_repeated() -> None:
    """The library repeats ClientOSError and ServerDisconnectedError by itself; ours is neither."""
    assert not issubclass(AnswerLostError, (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError))


# --- nothing else


async def test_no_redirect_is_followed(serve: Serve, http: httpx.AsyncClient) -> None:
    """The answer to a redirect is the redirect; where it leads, nobody is asked."""
    other = await serve([GOOD])
    server = await serve([b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + other.url.encode() + b"\r\n\r\n"])
    response = await fetch(http, http.build_request("GET", server.url, headers={"X-Auth-Token": "t"}), None)
    assert response.status_code == 302
    assert (len(server.requests), other.requests) == (1, [])


async def test_no_cookie_is_kept(serve: Serve, http: httpx.AsyncClient) -> None:
    """What the cloud sets as a cookie does not come back with the next request."""
    server = await serve([_body(b"{}", "Set-Cookie: session=1; Path=/"), GOOD])
    for _ in range(2):
        await fetch(http, http.build_request("GET", server.url), None)
    assert len(server.requests) == 2
    assert all(b"cookie" not in request.lower() for request in server.requests)


async def test_no_proxy_of_the_environment_is_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and its like do not divert what carries credentials."""
    proxy, server = await serve([GOOD]), await serve([GOOD])
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with open_client(5.0) as http:
        await fetch(http, http.build_request("GET", server.url), None)
    assert (len(server.requests), proxy.requests) == (1, [])


# --- bodies


async def test_a_body_is_read_whole(serve: Serve, http: httpx.AsyncClient) -> None:
    """The answer that comes out has status, headers and the whole body."""
    server = await serve([_body(b"x" * 300_000, "X-Request-Id: r-1")])
    response = await fetch(http, http.build_request("GET", server.url), None)
    assert (response.status_code, response.headers["X-Request-Id"], len(response.content)) == (200, "r-1", 300_000)


async def test_a_compressed_body_is_read_though_nobody_asked_for_it(serve: Serve, http: httpx.AsyncClient) -> None:
    """Some proxies compress whatever they are told."""
    server = await serve([_body(gzip.compress(b'{"image_caches":[]}'), "Content-Encoding: gzip")])
    response = await fetch(http, http.build_request("GET", server.url), None)
    assert response.json() == {"image_caches": []}
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "compressed to next to nothing"])
async def test_an_endless_body_is_refused(
    serve: Serve, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    """What is larger than the limit is an error, however small it was on the wire."""
    monkeypatch.setattr(transport, "BODY_BYTES_MAX", 2 * 2**20)
    huge = b" " * (3 * 2**20)
    server = await serve([_body(gzip.compress(huge), "Content-Encoding: gzip") if packed else _body(huge)])
    with pytest.raises(httpx.ReadError, match=r"^the answer is larger than 2 MiB$"):
        await fetch(http, http.build_request("GET", server.url), None)


async def test_a_body_that_is_not_compressed_as_it_says_is_an_error(serve: Serve, http: httpx.AsyncClient) -> None:
    """A wrong Content-Encoding is told as an error of HTTP, as the client expects it."""
    server = await serve([_body(b"no gzip at all", "Content-Encoding: gzip")])
    with pytest.raises(httpx.HTTPError):
        await fetch(http, http.build_request("GET", server.url), None)
