"""An API server that fails as real ones do, and an operator on it that can be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.runtime.assembly import assemble
from tests.runtime.fakes import FakeKubernetes, unreachable
from tests.runtime.virtual_time import LoopClock

from imagecache_operator.account import SessionOpener
from imagecache_operator.imagecache import Key
from imagecache_operator.relist import Relister

Body = dict[str, Any]


class StormyCluster(FakeKubernetes):
    """An API server with a watch that may be deaf, and calls that may fail before or after their work."""

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self._dice = dice
        self.storm = 0.0
        self.out = False
        self.watch: Callable[[str, Body], None] = lambda _kind, _body: None
        self.released: Callable[[Body], None] = lambda _body: None

    def put(self, body: Mapping[str, Any]) -> Body:
        """See `FakeKubernetes`; the watch tells of it."""
        kept = super().put(body)
        gone = "deletionTimestamp" in kept["metadata"] and not kept["metadata"].get("finalizers")
        if not self.out and self._dice.random() >= self.storm / 2:
            self.watch("DELETED" if gone else "MODIFIED", kept)
        return kept

    def end(self, key: Key, moment: str) -> None:
        """An object that no finalizer holds is deleted."""
        self.edit(key, lambda it: it["metadata"].update(deletionTimestamp=moment))
        del self.objects[key]

    async def patch_status(self, key: Key, patch: Mapping[str, Any]) -> Body:
        """See `FakeKubernetes`."""
        answer = await super().patch_status(key, patch)
        return await self._answered(answer)

    async def patch_object(self, key: Key, operations: Sequence[Mapping[str, Any]]) -> Body:
        """See `FakeKubernetes`; tells of each release of the finalizer."""
        before = self.objects.get(key)
        answer = await super().patch_object(key, operations)
        if operations[-1]["op"] == "remove" and before is not None:
            self.released(before)
        return await self._answered(answer)

    async def _begin(self, verb: str) -> None:
        await super()._begin(verb)
        await asyncio.sleep(self._dice.random() * 0.05)
        self._fail()

    async def _answered(self, answer: Body) -> Body:
        await asyncio.sleep(self._dice.random() * 0.05)
        self._fail()
        return answer

    def _fail(self) -> None:
        if self.out or self._dice.random() < self.storm / 3:
            raise unreachable()


class Process:
    """One process of the operator. Whatever it remembers dies with it.

    Args:
        cluster: whose watch it takes.
        sessions: the cloud.
        clock: where time comes from.
        settings: see `assemble`.
    """

    def __init__(self, cluster: StormyCluster, sessions: SessionOpener, clock: LoopClock, **settings: Any) -> None:
        self._cluster = cluster
        self._accounts, self.reconciler, _ = assemble(cluster, sessions, clock, **settings)
        self._relister = Relister(cluster, self.reconciler, None, clock)
        self._main = asyncio.create_task(self._run())

    async def _run(self) -> None:
        self._cluster.watch = self._tell
        await self._relister.complete()
        self.reconciler.objects.seed_limiters()
        self.reconciler.queue.start()
        await self._relister.run()

    def _tell(self, kind: str, body: Body) -> None:
        tell = self.reconciler.objects.vanished if kind == "DELETED" else self.reconciler.objects.upsert
        asyncio.get_running_loop().call_later(0.01, tell, body)

    async def kill(self) -> None:
        """SIGKILL: wherever it awaits something, it does not go on."""
        self._cluster.watch = lambda _kind, _body: None
        await self.reconciler.queue.stop(0.0)
        tasks = [self._main, *self.reconciler._calls._tasks, *self._accounts._pollers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
