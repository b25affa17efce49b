"""`imagecache-operator run`: the program around its terms: signals, probes, the election, and a stop in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp

from imagecache_operator import __version__
from imagecache_operator.clock import SystemClock
from imagecache_operator.cloud.credentials import CredentialsError, CredentialsSource
from imagecache_operator.cloud.credentials_source import source_from
from imagecache_operator.cloud.session import Gates
from imagecache_operator.cloud.transport import open_client
from imagecache_operator.election import Election
from imagecache_operator.fence import fenced
from imagecache_operator.http_server import HttpServer
from imagecache_operator.kubernetes_client import KubernetesClient
from imagecache_operator.kubernetes_config import load_configuration
from imagecache_operator.metrics import Metrics
from imagecache_operator.settings import Settings
from imagecache_operator.settings_values import Address
from imagecache_operator.term import Means, Term

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        KubernetesConfigError: no access to an API server is configured.
        AddressTakenError: an address of the settings cannot be listened on.
    """
    stop = asyncio.Event()
    take_signals = _signal_taker(stop)
    take_signals()
    configuration = await load_configuration()
    async with contextlib.AsyncExitStack() as stack:
        clock, metrics = SystemClock(), Metrics()

        def api_server(fence: aiohttp.TraceConfig | None = None) -> KubernetesClient:
            client = KubernetesClient(configuration, fence)
            stack.push_async_callback(client.close)
            return client

        election = Election(api_server(), settings.lease, _identity(), clock) if settings.lease is not None else None
        fence = fenced(election.leading) if election is not None else None
        source = source_from(settings)
        means = Means(
            settings=settings,
            configuration=configuration,
            kubernetes=api_server(fence),
            http=await stack.enter_async_context(open_client(settings.request_timeout, fence)),
            source=source,
            gates=Gates(clock),
            metrics=metrics,
            clock=clock,
            take_signals=take_signals,
        )
        if election is not None:
            metrics.lead(election.leading)
        replica = _Replica(means, election)
        await _serve(stack, settings, metrics, replica)
        logger.info("imagecache-operator %s is starting", __version__)
        _tell_credentials(source)
        await replica.run(stop)
    logger.info("imagecache-operator has stopped")


class _Replica:
    """Leads whenever it may, and stands by otherwise.

    Args:
        means: for each term.
        election: None where this is the only one.
    """

    def __init__(self, means: Means, election: Election | None) -> None:
        self._means = means
        self._election = election
        self._term: Term | None = None

    def not_ready(self) -> str | None:
        """Why this replica is of no use yet; one that stands by is ready to take over."""
        if self._term is not None:
            return self._term.not_ready()
        return self._election.obstacle if self._election is not None else "It is being started."

    def stuck(self) -> str | None:
        """What stands still, so that a restart is better; None when all goes on."""
        standing = self._election.pulse.wrong() if self._election is not None else None
        return standing or (self._term.stuck() if self._term is not None else None)

    async def run(self, stop: asyncio.Event) -> None:
        """Term after term, until told to stop; a part that ends by itself is a fault, which is raised."""
        stopped = asyncio.create_task(stop.wait(), name="stop")
        try:
            while not stopped.done():
                if self._election is not None:
                    campaign = asyncio.create_task(self._election.campaign(), name="campaign")
                    await _first(stopped, campaign)
                if not stopped.done():
                    await self._lead(stopped)
        finally:
            stopped.cancel()
            if self._election is not None:
                await self._election.release()

    async def _lead(self, stopped: asyncio.Task[Any]) -> None:
        """Act until told to stop, or until the Lease is lost."""
        term = self._term = Term(self._means)
        acting = asyncio.create_task(term.run(), name="term")
        # Renewed until all that acts has ended; only then may another replica begin.
        keeping = asyncio.create_task(self._keep(), name="lease")
        try:
            await _first(stopped, keeping, acting)
        finally:
            self._term = None

    async def _keep(self) -> None:
        if self._election is None:
            await asyncio.Event().wait()
        else:
            lost = await self._election.keep()
            logger.warning("This replica leads no more and stands by: %s", lost)


async def _first(*tasks: asyncio.Task[Any]) -> None:
    """Wait for the first of them to end; then end the others, but the first named, one by one from the last."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in reversed(tasks[1:]):
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    for task in tasks[1:]:
        if not task.cancelled():
            task.result()


async def _serve(stack: contextlib.AsyncExitStack, settings: Settings, metrics: Metrics, replica: _Replica) -> None:
    """Listen for scrapes and probes; one server when both have the same address."""
    servers: dict[Address, HttpServer] = {}

    def server_at(address: Address) -> HttpServer:
        return servers.setdefault(address, HttpServer(*address))

    if settings.metrics_address is not None:
        server_at(settings.metrics_address).metrics(metrics.registry)
    if settings.health_address is not None:
        health = server_at(settings.health_address)
        health.check("/livez", replica.stuck)
        health.check("/readyz", replica.not_ready)
    for server in servers.values():
        await server.start()
        stack.push_async_callback(server.stop)


def _identity() -> str:
    """Names this replica; another start on the same host is another one."""
    return f"{socket.gethostname()}_{uuid.uuid4().hex[:12]}"


def _tell_credentials(source: CredentialsSource) -> None:
    try:
        logger.info("Using %s", source.current().who)
    except CredentialsError as error:
        logger.warning("%s", error)


def _signal_taker(stop: asyncio.Event) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def take(*_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

    return take
