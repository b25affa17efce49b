"""The watcher starts wherever the program is put."""

from __future__ import annotations

import asyncio
import getpass
from typing import NoReturn

import pytest
from kubernetes.aio.client import Configuration

from imagecache_operator.kubernetes_config import Login
from imagecache_operator.watcher import Watcher

REAL_TIME = True


async def test_a_user_without_a_name_can_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user is a number that no passwd file knows; the watch starts all the same."""

    def nobody() -> NoReturn:
        raise KeyError("getpwuid(): uid not found: 65532")

    async def ready() -> None:
        pass

    monkeypatch.setattr(getpass, "getuser", nobody)
    started = asyncio.Event()
    watcher = Watcher(
        Login(Configuration(host="http://127.0.0.1:9")),
        namespaces=None,
        upsert=lambda _body: None,
        vanished=lambda _body: None,
        started=started.set,
    )
    watching = asyncio.create_task(watcher.run(ready))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait([watching, waiting], return_when=asyncio.FIRST_COMPLETED)
    alive = watcher.alive
    waiting.cancel()
    watching.cancel()
    ends = await asyncio.gather(watching, return_exceptions=True)
    assert alive, ends
