"""The kopf adapter: kopf watches the objects, and each event becomes the newest version of one.

Only `on.event` is used: kopf's delete handlers would take their finalizer away after any end of a handler, and kopf
then writes nothing to objects (docs/architecture.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any

import kopf

from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_config import Login
from imagecache_operator.names import GROUP, PLURAL, VERSION

RESTART_PAUSE = 1.0
"""Seconds before a watch that ended is started again."""

logger = logging.getLogger(__name__)


class _Forever:
    """Back-offs that never end: an API server that is away for an hour must not end the program."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __iter__(self) -> Iterator[float]:
        while True:
            yield self._seconds


class _NoDiffs(kopf.DiffBaseStorage):
    """No copies of objects to compare them with: kopf would make one per event, for handlers that are not used here."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of the object."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


class Watcher:
    """Runs kopf for as long as the program runs.

    Args:
        login: access to the API server.
        namespaces: those that are watched, None for all.
        upsert: told of each version of an object.
        vanished: told of each object that is gone.
        started: called whenever kopf has started (it takes the signal handlers, which belong to the program).
    """

    def __init__(
        self,
        login: Login,
        namespaces: Collection[str] | None,
        *,
        upsert: Callable[[dict[str, Any]], None],
        vanished: Callable[[dict[str, Any]], None],
        started: Callable[[], None],
    ) -> None:
        self._login = login
        self._namespaces = namespaces
        self._upsert = upsert
        self._vanished = vanished
        self._started = started
        self.alive = False

    async def run(self, ready: Callable[[], Any]) -> None:
        """Watch for ever; `ready` is awaited before each start (the CRD must be there)."""
        while True:
            await ready()
            tasks = await kopf.spawn_tasks(
                registry=self._registry(),
                settings=_settings(),
                clusterwide=self._namespaces is None,
                namespaces=list(self._namespaces or ()),
                standalone=True,
                # Of no use without peers; but kopf would make one of the user's name, and in a container a user is a
                # number without a name.
                identity="imagecache-operator",  # type: ignore[arg-type]  # the type for it is inside kopf
            )
            self._started()
            self.alive = True
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self.alive = False
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            errors = [str(error) for task in ended if not task.cancelled() and (error := task.exception()) is not None]
            logger.warning("The watch ended and is started again: %s", "; ".join(errors) or "without an error")
            await asyncio.sleep(RESTART_PAUSE)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login.log_in)

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def changed(event: kopf.RawEvent, **_: Any) -> None:
            body: dict[str, Any] = dict(event["object"])
            if event["type"] == "DELETED":
                self._vanished(body)
            else:
                self._upsert(body)

        return registry


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    # Needs no rights to list CRDs and namespaces; the CRD is awaited before the start instead.
    settings.scanning.disabled = True
    # kopf strips its own finalizer from all objects, so it must not be ours.
    settings.persistence.finalizer = f"{GROUP}/unused-by-kopf"
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.networking.error_backoffs = _Forever(1.0)
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 5.0
    # A connection that died in silence is found within this time.
    settings.watching.inactivity_timeout = 30.0
    settings.watching.reconnect_backoff = 0.5
    settings.watching.connect_timeout = 5.0
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.5
    return settings


def key_of(body: dict[str, Any]) -> Key:
    """The key of a raw object."""
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])
