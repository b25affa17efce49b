"""One term: all that looks, decides and writes while this replica leads.

Each term is put together anew, so that nothing is acted upon that was learnt in a former one: another replica may have
acted in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import httpx
from kubernetes.aio.client import Configuration

from imagecache_operator.account import CREDENTIALS_CHECK
from imagecache_operator.accounts import OWN_CREDENTIALS, Accounts, Tenant
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.credentials import CredentialsSource
from imagecache_operator.cloud.session import Gates, Session, Sessions
from imagecache_operator.crd_state import CrdReader
from imagecache_operator.decision import Policy
from imagecache_operator.events import Events
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient
from imagecache_operator.kubernetes_config import Login
from imagecache_operator.ledger import Ledger
from imagecache_operator.metrics import Metrics
from imagecache_operator.pace import Intervals
from imagecache_operator.placement import Defaults
from imagecache_operator.reconciler import Reconciler
from imagecache_operator.relist import Relister
from imagecache_operator.secret_credentials import Secrets
from imagecache_operator.settings import Settings
from imagecache_operator.tenants import tenant_of_secret
from imagecache_operator.watcher import Watcher

GRACE = 1.0
"""Seconds for passes and cloud calls that are on their way when the term ends."""

LAST_WORDS = 0.3
"""Seconds for Events, and for lines of the ledger, that wait at the end."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Means:
    """What outlives a term.

    Attributes:
        settings: the program's.
        configuration: access to the API server.
        kubernetes: the API server, behind the fence.
        http: the cloud, behind the fence.
        source: the operator's own credentials.
        gates: what is known of access keys: a key that failed stays spared in the next term.
        metrics: the program's.
        clock: where time comes from.
        take_signals: called whenever kopf has started.
    """

    settings: Settings
    configuration: Configuration
    kubernetes: KubernetesClient
    http: httpx.AsyncClient
    source: CredentialsSource
    gates: Gates
    metrics: Metrics
    clock: Clock
    take_signals: Callable[[], None]


class Term:
    """All parts, put together."""

    def __init__(self, means: Means) -> None:
        settings, clock, kubernetes = means.settings, means.clock, means.kubernetes
        self._means = means
        own = self._sessions(means.source, OWN_CREDENTIALS, trusted=True)
        self._credentials = _Credentials(own, settings.defaults)
        self._secrets = Secrets(kubernetes, settings.namespaces, clock) if settings.namespaced_credentials else None
        self._accounts = Accounts(
            own,
            self._credentials.defaults,
            clock=clock,
            intervals=Intervals(settings.active_interval, settings.idle_interval, settings.request_timeout),
            writes_per_minute=settings.writes_per_minute,
            tenant_of=partial(self._tenant, self._secrets) if self._secrets is not None else None,
        )
        self._events = Events(kubernetes, clock)
        self._ledger = Ledger(kubernetes, settings.own_namespace, clock)
        self._reconciler = Reconciler(
            kubernetes=kubernetes,
            accounts=self._accounts,
            crd=CrdReader(kubernetes, clock),
            events=self._events,
            ledger=self._ledger,
            metrics=means.metrics,
            clock=clock,
            policy=Policy(settings.stalled_after, settings.delete_retry_after),
        )
        self._relister = Relister(kubernetes, self._reconciler, settings.namespaces, clock)
        self._watcher = Watcher(
            Login(means.configuration),
            settings.namespaces,
            upsert=self._reconciler.objects.told,
            vanished=self._reconciler.objects.vanished,
            started=means.take_signals,
        )

    def not_ready(self) -> str | None:
        """Why not all objects are served yet, None when they are."""
        if not self._relister.listed:
            return self._relister.obstacle
        # A watch that ended waits for a list, so what hinders that is what hinders the watch.
        return None if self._watcher.alive else self._relister.obstacle or "The watch is being started."

    def stuck(self) -> str | None:
        """What stands still, so that a restart is better; None when all goes on."""
        loops = [self._relister.pulse, *(account.pulse for account in self._accounts)]
        if self._secrets is not None:
            loops.append(self._secrets.pulse)
        signs = (
            self._reconciler.queue.wrong(),
            self._reconciler.objects.echo.wrong(),
            *(loop.wrong() for loop in loops),
        )
        return next((sign for sign in signs if sign is not None), None)

    async def run(self) -> None:
        """Act until cancelled; returns, or raises, only when a part ended that must not."""
        reconciler, metrics = self._reconciler, self._means.metrics
        metrics.watch(reconciler.store, reconciler.queue, self._accounts, self._means.clock)
        work = asyncio.create_task(self._work(), name="work")
        background = [
            work,
            asyncio.create_task(self._events.run(), name="events"),
            asyncio.create_task(self._ledger.run(), name="ledger"),
        ]
        try:
            ended, _ = await asyncio.wait(background, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            # First of all: a list that is answered now must not start the queue after its stop.
            work.cancel()
            await reconciler.stop(GRACE)
            await self._accounts.stop()
            await asyncio.gather(self._ledger.flush(LAST_WORDS), self._events.flush(LAST_WORDS))
            for task in background:
                task.cancel()
            await asyncio.wait(background)
            metrics.unwatch()

    async def _work(self) -> None:
        # No write to the cloud before all objects are known: an older holder, or a write of a former process, might be
        # among those that are not.
        await self._relister.complete()
        objects, secrets = self._reconciler.objects, self._secrets
        if secrets is not None:
            await secrets.look()
        objects.seed_limiters()
        self._reconciler.queue.start()
        logger.info("Serving %d objects", len(objects.store))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relister.run(), name="relist")
            group.create_task(self._watcher.run(self._relister.complete), name="watch")
            group.create_task(self._credentials.watch(objects.look_at_all), name="credentials")
            if secrets is not None:
                group.create_task(secrets.run(objects.look_at_all), name="secrets")

    def _sessions(
        self,
        source: CredentialsSource,
        label: str,
        *,
        trusted: bool,
        worked: Callable[[Session], None] = lambda _session: None,
    ) -> Sessions:
        means = self._means
        return Sessions(
            means.http,
            means.settings.endpoints,
            source,
            gates=means.gates,
            trusted=trusted,
            worked=worked,
            request_timeout=means.settings.request_timeout,
            clock=means.clock,
            meter=partial(means.metrics.request, label),
        )

    def _tenant(self, secrets: Secrets, ref: Key) -> Tenant:
        return tenant_of_secret(
            secrets,
            ref,
            lambda source, worked: self._sessions(source, str(ref), trusted=False, worked=worked),
            replace(self._means.settings.defaults, namespaces=None),
        )


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
