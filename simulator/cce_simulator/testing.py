"""The simulator inside a test's own process: a thread that serves, a clock that the test moves, a small client."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import http.client
import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from cce_simulator import signatures
from cce_simulator.answers import NO_HEADERS
from cce_simulator.incoming import CACHES_PATH
from cce_simulator.scenario import DEFAULT_ACCOUNTS, AccessKeySeed, parse_scenario
from cce_simulator.server import listening
from cce_simulator.simulator import Simulator

DEFAULT_KEY = DEFAULT_ACCOUNTS[0].access_keys[0]
DEFAULT_AGENCY = DEFAULT_ACCOUNTS[0].agencies[0]
DEFAULT_PROJECT = DEFAULT_ACCOUNTS[0].projects[0]
_HOST = "127.0.0.1"
_START_SECONDS = 10.0


class ManualClock:
    """A clock that moves only when told to, and that moves itself instead of sleeping."""

    def __init__(self, wall: float | None = None) -> None:
        self._elapsed = 0.0
        # The time of day by default, because the official SDK signs with it.
        self._wall = time.time() if wall is None else wall

    def monotonic(self) -> float:
        """Seconds moved so far."""
        return self._elapsed

    def wall(self) -> float:
        """The given start plus the seconds moved so far."""
        return self._wall + self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Move forward at once; others get their turn as in a real sleep."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self._elapsed += seconds


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class RunningSimulator:
    """A client of a simulator in this process; every call has a connection of its own."""

    def __init__(self, clock: ManualClock, port: int) -> None:
        self.clock = clock
        self.port = port
        self.url = f"http://{_HOST}:{port}"

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        timeout: float = 10.0,
    ) -> Reply:
        """Send it as it stands."""
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=timeout)
        try:
            connection.request(method, path, body or None, {"Connection": "close", **headers})
            response = connection.getresponse()
            received = response.read()
        finally:
            connection.close()
        return Reply(response.status, response.headers, received)

    def signed(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: AccessKeySeed = DEFAULT_KEY,
        project: str | None = None,
        skew: float = 0.0,
        unsigned: Mapping[str, str] = NO_HEADERS,
        timeout: float = 10.0,
    ) -> Reply:
        """Sign it with an access key at the simulator's time of day plus `skew`, then add what is `unsigned`."""
        content = b"" if body is None else json.dumps(body).encode()
        moment = time.gmtime(self.clock.wall() + skew)
        headers = {
            "content-type": "application/json",
            "host": f"{_HOST}:{self.port}",
            signatures.DATE_HEADER: time.strftime("%Y%m%dT%H%M%SZ", moment),
        }
        if project is not None:
            headers["x-project-id"] = project
        if key.security_token is not None:
            headers["x-security-token"] = key.security_token
        bare, _, query = path.partition("?")
        names = tuple(sorted(headers))
        canonical = signatures.canonical_request(
            method, bare, query, headers, names, hashlib.sha256(content).hexdigest()
        )
        signature = signatures.sign(key.secret_key, headers[signatures.DATE_HEADER], canonical)
        headers["authorization"] = (
            f"{signatures.ALGORITHM} Access={key.access_key}, SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return self.send(method, path, content, {**headers, **unsigned}, timeout=timeout)

    def list(self, query: str = "") -> Reply:
        """ListImageCaches."""
        return self.signed("GET", CACHES_PATH + query)

    def show(self, cache_id: str) -> Reply:
        """ShowImageCache."""
        return self.signed("GET", f"{CACHES_PATH}/{cache_id}")

    def delete(self, cache_id: str) -> Reply:
        """DeleteImageCache."""
        return self.signed("DELETE", f"{CACHES_PATH}/{cache_id}")

    def create(self, name: str, **fields: Any) -> Reply:
        """CreateImageCache with the least body, and what is given."""
        body = {"name": name, "images": ["busybox:latest"], "building_config": {"cluster": "c-1"}} | fields
        return self.signed("POST", CACHES_PATH, body)

    def control(self, method: str, what: str, body: Any = None) -> Any:
        """Use the control path; what it refuses is an AssertionError with its sentence."""
        reply = self.send(method, f"/_control/{what}", b"" if body is None else json.dumps(body).encode())
        assert reply.status < 400, reply.body.decode()
        return reply.json if reply.body else None

    def seed(self, name: str, **fields: Any) -> str:
        """Put a cache there by the control path; gives its id."""
        added = self.control("POST", "caches", {"name": name} | fields)
        return str(added["caches"][0]["id"])

    def fault(self, kind: str, **fields: Any) -> None:
        """Order a fault."""
        self.control("POST", "faults", {"kind": kind} | fields)

    def set(self, **settings: Any) -> None:
        """Change settings."""
        self.control("PATCH", "settings", settings)

    def switch(self, **switches: Any) -> None:
        """Turn switches."""
        self.set(switches=switches)


@contextlib.contextmanager
def running(scenario: Mapping[str, Any] = NO_HEADERS, clock: ManualClock | None = None) -> Iterator[RunningSimulator]:
    """Serve the scenario, given as in its file, while the block runs."""
    clock = clock or ManualClock()
    server = _ServingThread(Simulator(parse_scenario(dict(scenario)), clock))
    server.start()
    try:
        yield RunningSimulator(clock, server.port())
    finally:
        server.stop()


class _ServingThread(threading.Thread):
    """An event loop that serves one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(name="cce-simulator", daemon=True)
        self._simulator = simulator
        self._bound: queue.Queue[int | OSError] = queue.Queue()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()

    def run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def port(self) -> int:
        """The port, as soon as it is open."""
        bound = self._bound.get(timeout=_START_SECONDS)
        if isinstance(bound, OSError):
            raise bound
        return bound

    def stop(self) -> None:
        """End the serving and the thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopping.set)
        self.join()

    async def _serve(self) -> None:
        try:
            async with listening(self._simulator, _HOST, 0) as port:
                self._bound.put(port)
                await self._stopping.wait()
        except OSError as error:
            self._bound.put(error)
