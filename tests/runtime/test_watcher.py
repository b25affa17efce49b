"""The watcher: it starts wherever the program is put, leaves nothing behind when it ends, and says once why it did."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import io
import logging
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import pytest
from kubernetes.aio.client import Configuration
from tests.runtime.term_kit import Servers, nothing_left, serving

from imagecache_operator.kubernetes_config import Login
from imagecache_operator.logs import set_up_logging
from imagecache_operator.watcher import Watcher, _end, _settings

REAL_TIME = True


class Watching:
    """A watch that runs, and what it told."""

    def __init__(self, url: str, upsert: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.started = asyncio.Event()
        self.told: list[dict[str, Any]] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.watcher = Watcher(
            Login(Configuration(host=url)),
            namespaces=None,
            upsert=upsert or self.told.append,
            vanished=self.told.append,
            started=self.started.set,
        )
        self.task = asyncio.create_task(self.watcher.run(self.ready.wait))

    async def end(self) -> BaseException | None:
        """As the end of a term does."""
        self.task.cancel()
        await asyncio.wait([self.task])
        return None if self.task.cancelled() else self.task.exception()


async def until(look: Callable[[], bool]) -> None:
    """Wait for what happens inside kopf."""
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 (kopf sets no event)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watching() -> AsyncIterator[tuple[Servers, Watching]]:
    """A watch of an API server that has five objects, from the moment when it has told them."""
    async with serving() as (servers, url):
        made = Watching(url)
        try:
            await until(lambda: len(made.told) == len(servers.objects))
            yield servers, made
        finally:
            await made.end()


@pytest.fixture
def log() -> Iterator[Callable[[], str]]:
    """What the program would have logged."""
    root, kopf = logging.getLogger(), logging.getLogger("kopf")
    handlers, levels = root.handlers[:], (root.level, kopf.level)
    stream = io.StringIO()
    set_up_logging(as_json=False, level="info", stream=stream)
    yield stream.getvalue
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    kopf.setLevel(levels[1])


async def test_a_user_without_a_name_can_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user is a number that no passwd file knows; the watch starts all the same."""

    def nobody() -> NoReturn:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr(getpass, "getuser", nobody)
    made = Watching("http://127.0.0.1:9")
    waiting = asyncio.create_task(made.started.wait())
    await asyncio.wait([made.task, waiting], return_when=asyncio.FIRST_COMPLETED)
    alive = made.watcher.alive or made.started.is_set()
    waiting.cancel()
    assert alive, await made.end()
    await made.end()


async def test_the_end_of_the_watch_plans_no_end_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process would be killed by kopf ten minutes later, when the replica stands by, or leads again."""
    planned: list[object] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def plan(delay: float, callback: Callable[..., object], *args: Any, **more: Any) -> asyncio.TimerHandle:
        planned.append(callback)
        return call_later(delay, callback, *args, **more)

    async with watching() as (_, made):
        monkeypatch.setattr(loop, "call_later", plan)
        await made.end()
    assert signal.pthread_kill not in planned


@pytest.mark.parametrize("turns", range(12))
async def test_a_watch_that_ends_as_it_starts_leaves_nothing_behind(turns: int) -> None:
    """The term ends that many turns of the loop after the watch began."""
    async with serving() as (_, url):
        before = asyncio.all_tasks()
        made = Watching(url)
        for _ in range(turns):
            await asyncio.sleep(0)
        await made.end()
        await nothing_left(before)


async def test_what_an_event_has_started_goes_on_when_the_watch_ends() -> None:
    """A pass over an object, a call to the cloud, the poller of an account: they are not kopf's."""
    passes: list[asyncio.Task[bool]] = []

    def told(_body: dict[str, Any]) -> None:
        asyncio.get_running_loop().call_later(
            0.0, lambda: passes.append(asyncio.create_task(asyncio.Event().wait(), name="a pass"))
        )

    async with serving() as (servers, url):
        made = Watching(url, told)
        await until(lambda: len(passes) == len(servers.objects))
        await made.end()
        assert [task.done() for task in passes] == [False] * 5
        for task in passes:
            task.cancel()


async def test_what_swallows_a_cancellation_is_cancelled_again() -> None:
    """As kopf does when it comes while it waits for another one; its watch would go on for ever, beside the next."""

    async def watch() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(watch())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await _end([task])
    assert task.cancelled()


def test_no_object_can_have_the_finalizer_that_kopf_takes_off() -> None:
    """No fence is between kopf and the API server, so it must never have anything to patch."""
    name = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
    assert name.fullmatch("cce.huaweicloud.com/imagecache")
    assert not name.fullmatch(_settings().persistence.finalizer)


async def test_a_definition_that_goes_is_told_in_one_line(log: Callable[[], str]) -> None:
    """The API server's own words, without a trace; and the watch is started again when the definition is back."""
    async with watching() as (servers, made):
        made.ready.clear()
        servers.gone = True
        servers.stop.set()
        await until(lambda: not made.watcher.alive)
        servers.gone = False
        made.told.clear()
        made.ready.set()
        await until(lambda: bool(made.told))
    [line] = log().splitlines()
    assert line.endswith(
        "WARNING The watch ended, and is started again: the server could not find the requested resource"
    )


async def test_a_fault_of_kopf_is_told_with_its_trace(log: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is not the API server's word is taken for one."""

    def broken(*_: Any, **__: Any) -> NoReturn:
        raise ZeroDivisionError("made to fail")

    monkeypatch.setattr("kopf._core.reactor.orchestration.adjust_tasks", broken)
    async with serving() as (_, url):
        made = Watching(url)
        await until(lambda: "ZeroDivisionError" in log())
        await made.end()
    assert log().count("The watch failed, and is started again: made to fail") == 1
    assert log().count("Traceback") == 1


@pytest.mark.parametrize("silent", [False, True], ids=["the watch is answered", "the watch is not answered yet"])
async def test_the_end_of_a_term_is_not_told_by_kopf(log: Callable[[], str], silent: bool) -> None:
    """Wherever the watch was: while it starts, while it finds its way, and while it watches."""
    async with serving() as (servers, url):
        servers.silent = silent
        for pause in (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3):
            before = asyncio.all_tasks()
            made = Watching(url)
            await asyncio.sleep(pause)
            await made.end()
            await nothing_left(before)
    assert log() == ""
