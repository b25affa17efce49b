"""The kopf adapter: kopf watches the objects, and each event becomes the newest version of one.

Only `on.event` is used: kopf's delete handlers would take their finalizer away after any end of a handler, and kopf
then writes nothing to objects (docs/architecture.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Generator, Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Any
from weakref import WeakSet

import aiohttp
import kopf

from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_config import Login
from imagecache_operator.names import GROUP, PLURAL, VERSION

RESTART_PAUSE = 1.0
"""Seconds before a watch that ended is started again."""

CANCEL_AGAIN = 1.0
"""Seconds before what has not ended is cancelled once more; kopf gives objects half a second."""

logger = logging.getLogger(__name__)

_noted: ContextVar[WeakSet[asyncio.Task[Any]] | None] = ContextVar("noted", default=None)
"""Where tasks are noted; each task hands it on to those that it starts."""


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
            # What an event leads to is no part of the watch, and goes on after its end.
            outside = copy_context()
            with _all_tasks() as tasks:
                starting = asyncio.create_task(self._start(outside), name="start of the watch")
            roots: Collection[asyncio.Task[Any]] = ()
            ended: set[asyncio.Task[Any]] = set()
            try:
                roots = await starting
                self.alive = True
                ended, _ = await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self.alive = False
                # In kopf's own order; then what it has forgotten.
                await _end(roots)
                await _end(tasks)
            _tell_end([error for task in ended if not task.cancelled() and (error := task.exception()) is not None])
            await asyncio.sleep(RESTART_PAUSE)

    async def _start(self, outside: Context) -> Collection[asyncio.Task[Any]]:
        """Start kopf; returns those of its tasks of which none ends as long as it watches."""
        tasks = await kopf.spawn_tasks(
            registry=self._registry(outside),
            settings=_settings(),
            clusterwide=self._namespaces is None,
            namespaces=list(self._namespaces or ()),
            standalone=True,
            # Of no use without peers; but kopf would make one of the user's name, and in a container a user is a
            # number without a name.
            identity="imagecache-operator",  # type: ignore[arg-type]  # the type for it is inside kopf
        )
        self._started()
        return tasks

    def _registry(self, outside: Context) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login.log_in)

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def changed(event: kopf.RawEvent, **_: Any) -> None:
            body: dict[str, Any] = dict(event["object"])
            outside.run(self._vanished if event["type"] == "DELETED" else self._upsert, body)

        return registry


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    # kopf has the whole process killed so long after its tasks were ended, be that the process's end or not.
    settings.process.ultimate_exiting_timeout = None
    # Needs no rights to list CRDs and namespaces; the CRD is awaited before the start instead.
    settings.scanning.disabled = True
    # kopf strips its own finalizer from all objects, and no fence holds it back: so it is none that an object can have.
    settings.persistence.finalizer = "none, as this is no valid name"
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


@contextlib.contextmanager
def _all_tasks() -> Iterator[WeakSet[asyncio.Task[Any]]]:
    """All tasks that are started in here, and by those, and so on: kopf forgets some of its own when it is ended."""
    asyncio.get_running_loop().set_task_factory(_note_task)
    tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
    token = _noted.set(tasks)
    try:
        yield tasks
    finally:
        _noted.reset(token)


def _note_task(
    loop: asyncio.AbstractEventLoop, work: Generator[Any, None, Any] | Coroutine[Any, Any, Any], **more: Any
) -> asyncio.Task[Any]:
    task = asyncio.Task(work, loop=loop, **more)
    if (tasks := _noted.get()) is not None:
        tasks.add(task)
    return task


async def _end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """End them, and those that join them meanwhile."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        # Not for ever: where kopf awaits a task of its that it has cancelled, it takes our cancellation for that one's.
        await asyncio.wait(left, timeout=CANCEL_AGAIN)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # of what failed at its end nobody is told


def _tell_end(errors: list[BaseException]) -> None:
    """Why the watch has ended; in a few words where the API server gave them, else with a trace."""
    if not errors:
        logger.warning("The watch ended, and is started again")
    for error in errors:
        if isinstance(error.__cause__, aiohttp.ClientResponseError):
            said = error.args[0] if error.args else error.__cause__.message
            logger.warning("The watch ended, and is started again: %s", said)
        else:
            logger.error("The watch failed, and is started again: %s", error, exc_info=error)


def key_of(body: dict[str, Any]) -> Key:
    """The key of a raw object."""
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])
