"""The operator's own HTTP: metrics, probes, and addresses that cannot be used."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from imagecache_operator.http_server import AddressTakenError, HttpServer

REAL_TIME = True

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Kit:
    """A server with metrics and a check whose answer a test sets."""

    def __init__(self) -> None:
        self.port = free_port()
        self.wrong: str | None = None
        self.registry = CollectorRegistry()
        self.counter = Counter("things", "Things.", registry=self.registry)
        self.server = HttpServer(HOST, self.port)
        self.server.metrics(self.registry)
        self.server.check("/readyz", lambda: self.wrong)
        self.server.check("/livez", lambda: None)

    async def get(self, path: str, method: str = "GET") -> tuple[int, str, str]:
        """Status, content type, and body."""
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://{HOST}:{self.port}{path}") as response,
        ):
            return response.status, response.headers["Content-Type"], await response.text()


@pytest.fixture
async def kit() -> AsyncIterator[Kit]:
    """A server that listens."""
    made = Kit()
    await made.server.start()
    yield made
    await made.server.stop()


async def test_metrics(kit: Kit) -> None:
    """As Prometheus reads them, counted when they are asked for."""
    kit.counter.inc(3)
    status, kind, body = await kit.get("/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert "things_total 3.0" in body
    kit.counter.inc()
    assert "things_total 4.0" in (await kit.get("/metrics"))[2]


async def test_a_check_tells_what_is_wrong(kit: Kit) -> None:
    """200 `ok`, or 503 with the sentence; it is asked each time, and each for itself."""
    assert (await kit.get("/readyz"))[::2] == (200, "ok\n")
    kit.wrong = "The objects were not listed yet."
    assert (await kit.get("/readyz"))[::2] == (503, "The objects were not listed yet.\n")
    assert (await kit.get("/livez"))[::2] == (200, "ok\n")
    kit.wrong = None
    assert (await kit.get("/readyz"))[0] == 200


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/livez", "POST", 405)])
async def test_nothing_else_is_served(kit: Kit, path: str, method: str, status: int) -> None:
    """No index, and no writing."""
    assert (await kit.get(path, method))[0] == status


async def test_an_address_that_is_taken(kit: Kit) -> None:
    """One sentence that names the address and the way out."""
    with pytest.raises(AddressTakenError) as caught:
        await HttpServer(HOST, kit.port).start()
    sentence = str(caught.value)
    assert sentence.startswith(f"Cannot listen on {HOST}:{kit.port}: ")
    assert sentence.endswith(". Choose another address, or `off`.")
    assert (await kit.get("/livez"))[0] == 200


async def test_an_address_of_another_machine() -> None:
    """192.0.2.1 is nobody's (RFC 5737)."""
    with pytest.raises(AddressTakenError, match=r"Cannot listen on 192\.0\.2\.1:\d+: "):
        await HttpServer("192.0.2.1", free_port()).start()


async def test_all_addresses_are_shown_as_a_star() -> None:
    """An empty host listens on all of this machine's addresses."""
    port = free_port()
    server = HttpServer("", port)
    await server.start()
    with pytest.raises(AddressTakenError, match=rf"Cannot listen on \*:{port}: "):
        await HttpServer("", port).start()
    await server.stop()


async def test_stop_frees_the_address(kit: Kit) -> None:
    """A restart finds it free; a server that never started can be stopped, too."""
    await kit.server.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await kit.get("/livez")
    socket.create_server((HOST, kit.port)).close()
    await HttpServer(HOST, kit.port).stop()
