"""Replicas around one Lease: each has its own way to the API server, which may be cut, slow or silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from tests.runtime.fakes import FakeKubernetes, unreachable
from tests.runtime.virtual_time import LoopClock, pass_time

from imagecache_operator.election import HANDED_BACK, Election
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError

WHERE = Key("imagecache-system", "imagecache-operator")


class Link(KubernetesClient):
    """A replica's way to the API server; it may be cut, or swallow what is sent.

    Attributes:
        late: seconds until a write is carried out, whoever still waits for its answer then.
        slow: seconds from then on until it is answered.
    """

    def __init__(self, server: FakeKubernetes) -> None:
        self.server = server
        self.cut = False
        self.swallows = False
        self.deaf = False
        self.late = self.slow = 0.0
        self._on_their_way: set[asyncio.Task[dict[str, Any]]] = set()

    def heal(self) -> None:
        """All is well again."""
        self.cut = self.swallows = False
        self.late = self.slow = 0.0

    async def _pass(self) -> None:
        await asyncio.sleep(0.01)
        if self.swallows:
            await asyncio.Event().wait()
        if self.cut:
            raise unreachable()

    async def _write(self, write: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        late, slow = self.late, self.slow

        async def carry_out() -> dict[str, Any]:
            await asyncio.sleep(late)
            answer = await write()
            await asyncio.sleep(slow)
            return answer

        task = asyncio.create_task(carry_out())
        self._on_their_way.add(task)
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Task[dict[str, Any]]) -> None:
        self._on_their_way.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be there any more to hear of it

    async def get_lease(self, where: Key) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._pass()
        return await self.server.get_lease(where)

    async def create_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._pass()
        return await self._write(partial(self.server.create_lease, where, lease))

    async def replace_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._pass()
        return await self._write(partial(self.server.replace_lease, where, lease))

    async def watch_lease(self, where: Key, version: str) -> AsyncGenerator[dict[str, Any] | None, None]:
        """See `KubernetesClient`."""
        await self._pass()
        if self.deaf:
            raise KubernetesError("watch: 403", 403)
        async for lease in self.server.watch_lease(where, version):
            if self.cut:
                raise unreachable()
            yield lease


class Replica:
    """Campaigns and leads, term after term."""

    def __init__(self, server: FakeKubernetes, name: str, clock: LoopClock) -> None:
        self.link = Link(server)
        self.election = Election(self.link, WHERE, name, clock)
        self.terms: list[float] = []
        self.lost: list[str] = []
        self._clock = clock
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await self.election.campaign()
            self.terms.append(self._clock.monotonic())
            self.lost.append(await self.election.keep())

    @property
    def leads(self) -> bool:
        """Whether it would act now."""
        return self.election.leading()

    async def kill(self) -> None:
        """It is gone without a word."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def stop(self) -> None:
        """It ends in order."""
        await self.kill()
        await self.election.release()


class World:
    """Replicas around one Lease."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.server = FakeKubernetes()
        self.put({"holderIdentity": "", "leaseDurationSeconds": HANDED_BACK})
        self.replicas: list[Replica] = []

    async def start(self, name: str) -> Replica:
        """One more replica."""
        replica = Replica(self.server, name, self.clock)
        self.replicas.append(replica)
        await pass_time(0.1)
        return replica

    async def pair(self) -> tuple[Replica, Replica]:
        """One that leads, and one that stands by for a while already."""
        first, second = await self.start("a"), await self.start("b")
        await pass_time(10)
        assert (first.leads, second.leads) == (True, False)
        return first, second

    def put(self, spec: Mapping[str, Any] | None) -> None:
        """Somebody writes this into the Lease by hand."""
        lease = self.server.leases.get(WHERE, {"metadata": {"name": WHERE.name}})
        kept = {name: value for name, value in lease.items() if name != "spec"}
        self.server.put_lease(WHERE, kept | ({"spec": dict(spec)} if spec is not None else {}))

    def spec(self) -> dict[str, Any]:
        """What the Lease says."""
        return dict(self.server.leases[WHERE].get("spec") or {})

    async def until_leads(self, replica: Replica, *, at_most: float) -> float:
        """Seconds until it leads; nobody else may meanwhile."""
        begun = self.clock.monotonic()
        while not replica.leads:
            assert self.clock.monotonic() - begun < at_most
            assert sum(other.leads for other in self.replicas) <= 1
            await asyncio.sleep(0.01)
        assert sum(other.leads for other in self.replicas) == 1
        return self.clock.monotonic() - begun
