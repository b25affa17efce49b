"""`imagecache-operator run`: puts the parts together, starts them in order, and stops them in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from imagecache_operator import __version__
from imagecache_operator.account import CREDENTIALS_CHECK, Intervals
from imagecache_operator.accounts import OWN_CREDENTIALS, Accounts, Tenant
from imagecache_operator.clock import SystemClock
from imagecache_operator.cloud.credentials import CredentialsError, CredentialsSource
from imagecache_operator.cloud.credentials_source import source_from
from imagecache_operator.cloud.session import Gates, Session, Sessions
from imagecache_operator.cloud.transport import open_client
from imagecache_operator.crd_state import CrdReader
from imagecache_operator.decision import Policy
from imagecache_operator.events import Events
from imagecache_operator.http_server import HttpServer
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient
from imagecache_operator.kubernetes_config import Login, load_configuration
from imagecache_operator.ledger import Ledger
from imagecache_operator.metrics import Metrics
from imagecache_operator.placement import Defaults
from imagecache_operator.reconciler import Reconciler
from imagecache_operator.relist import Relister
from imagecache_operator.secret_credentials import Secrets
from imagecache_operator.settings import Settings
from imagecache_operator.settings_values import Address
from imagecache_operator.tenants import tenant_of_secret
from imagecache_operator.watcher import Watcher

GRACE = 1.5
"""Seconds for passes and cloud calls that are on their way when the program is told to stop."""

LAST_WORDS = 0.3
"""Seconds for Events that wait at the end."""

KOPF_GRACE = 0.5
"""Seconds for kopf to let go; it would take five for its own tasks."""

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
        source = source_from(settings)
        http = await stack.enter_async_context(open_client(settings.request_timeout))
        kubernetes = KubernetesClient(configuration)
        stack.push_async_callback(kubernetes.close)

        gates = Gates(clock)

        def open_sessions(
            source: CredentialsSource,
            label: str,
            *,
            trusted: bool,
            worked: Callable[[Session], None] = lambda _session: None,
        ) -> Sessions:
            return Sessions(
                http,
                settings.endpoints,
                source,
                gates=gates,
                request_timeout=settings.request_timeout,
                clock=clock,
                meter=partial(metrics.request, label),
                trusted=trusted,
                worked=worked,
            )

        def tenant_of(ref: Key) -> Tenant:
            return tenant_of_secret(
                secrets,
                ref,
                lambda source, worked: open_sessions(source, str(ref), trusted=False, worked=worked),
                replace(settings.defaults, namespaces=None),
            )

        sessions = open_sessions(source, OWN_CREDENTIALS, trusted=True)
        secrets = Secrets(kubernetes, settings.namespaces)
        credentials = _Credentials(sessions, settings.defaults)
        accounts = Accounts(
            sessions,
            credentials.defaults,
            clock=clock,
            intervals=Intervals(settings.active_interval, settings.idle_interval),
            writes_per_minute=settings.writes_per_minute,
            tenant_of=tenant_of if settings.namespaced_credentials else None,
        )
        events = Events(kubernetes, clock)
        ledger = Ledger(kubernetes, settings.own_namespace, clock)
        reconciler = Reconciler(
            kubernetes=kubernetes,
            accounts=accounts,
            crd=CrdReader(kubernetes, clock),
            events=events,
            ledger=ledger,
            metrics=metrics,
            clock=clock,
            policy=Policy(settings.stalled_after, settings.delete_retry_after),
        )
        metrics.watch(reconciler.store, reconciler.queue, accounts, clock)
        relister = Relister(kubernetes, reconciler, settings.namespaces, clock)
        watcher = Watcher(
            Login(configuration),
            settings.namespaces,
            upsert=reconciler.objects.upsert,
            vanished=reconciler.objects.vanished,
            started=take_signals,
        )
        await _serve(stack, settings, metrics, relister, watcher)
        logger.info("imagecache-operator %s is starting", __version__)
        _tell_credentials(source)
        background = [
            asyncio.create_task(events.run(), name="events"),
            asyncio.create_task(ledger.run(), name="ledger"),
            asyncio.create_task(
                _work(relister, reconciler, watcher, credentials, secrets if settings.namespaced_credentials else None),
                name="work",
            ),
        ]
        try:
            await _until_stopped(stop, background)
        finally:
            await reconciler.stop(GRACE)
            await accounts.stop()
            await ledger.flush(LAST_WORDS)
            await events.flush(LAST_WORDS)
            for task in background:
                task.cancel()
            await asyncio.wait(background, timeout=KOPF_GRACE)
    logger.info("imagecache-operator has stopped")


class _Credentials:
    """What the credentials say beside the settings, looked at every now and then instead of at each pass."""

    def __init__(self, sessions: Sessions, settings: Defaults) -> None:
        self._sessions = sessions
        self._settings = settings
        self._defaults = sessions.defaults(settings)

    def defaults(self) -> Defaults:
        """What holds where a spec is silent."""
        return self._defaults

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look for ever, and tell when region or project have changed, or credentials have come."""
        while True:
            await asyncio.sleep(CREDENTIALS_CHECK)
            defaults = self._sessions.defaults(self._settings)
            if defaults != self._defaults:
                self._defaults = defaults
                changed()


async def _work(
    relister: Relister,
    reconciler: Reconciler,
    watcher: Watcher,
    credentials: _Credentials,
    secrets: Secrets | None,
) -> None:
    # No write to the cloud before all objects are known: an older holder, or a write of a former process, might be
    # among those that are not.
    await relister.complete()
    if secrets is not None:
        await secrets.look()
    reconciler.objects.seed_limiters()
    reconciler.queue.start()
    logger.info("Serving %d objects", len(reconciler.store))
    async with asyncio.TaskGroup() as group:
        group.create_task(relister.run(), name="relist")
        group.create_task(watcher.run(relister.complete), name="watch")
        group.create_task(credentials.watch(reconciler.objects.look_at_all), name="credentials")
        if secrets is not None:
            group.create_task(secrets.run(reconciler.objects.look_at_all), name="secrets")


async def _until_stopped(stop: asyncio.Event, background: list[asyncio.Task[None]]) -> None:
    """Wait for a signal; a part that ends by itself is a fault, and a restart is better than half a program."""
    signalled = asyncio.create_task(stop.wait(), name="stop")
    try:
        ended, _ = await asyncio.wait([signalled, *background], return_when=asyncio.FIRST_COMPLETED)
    finally:
        signalled.cancel()
    for task in ended:
        if task is not signalled:
            task.result()


async def _serve(
    stack: contextlib.AsyncExitStack, settings: Settings, metrics: Metrics, relister: Relister, watcher: Watcher
) -> None:
    """Listen for scrapes and probes; one server when both have the same address."""
    servers: dict[Address, HttpServer] = {}

    def server_at(address: Address) -> HttpServer:
        return servers.setdefault(address, HttpServer(*address))

    def ready() -> str | None:
        if not relister.listed:
            return relister.obstacle
        return None if watcher.alive else "The watch is being started."

    if settings.metrics_address is not None:
        server_at(settings.metrics_address).metrics(metrics.registry)
    if settings.health_address is not None:
        health = server_at(settings.health_address)
        health.check("/livez", lambda: None)
        health.check("/readyz", ready)
    for server in servers.values():
        await server.start()
        stack.push_async_callback(server.stop)


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
