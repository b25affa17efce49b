"""A cluster, a stormy cloud, and an operator that can be killed: all of them in virtual time, from one seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.decision.builders import body
from tests.runtime.fakes import FakeKubernetes, FakeSessions, unreachable
from tests.runtime.virtual_time import LoopClock
from tests.schedules.stormy_cloud import StormyCloud

from imagecache_operator.account import Intervals
from imagecache_operator.accounts import Accounts
from imagecache_operator.crd_state import CrdReader
from imagecache_operator.decision import Policy
from imagecache_operator.events import Events
from imagecache_operator.imagecache import Key
from imagecache_operator.ledger import Ledger
from imagecache_operator.metrics import Metrics
from imagecache_operator.model import format_time
from imagecache_operator.names import FINALIZER, RECONCILE_ANNOTATION
from imagecache_operator.placement import Defaults
from imagecache_operator.reconciler import Reconciler
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


class Operator:
    """One process of the operator: all of it but kopf and HTTP. Whatever it remembers dies with it."""

    def __init__(self, cluster: StormyCluster, cloud: StormyCloud, clock: LoopClock) -> None:
        self._clock = clock
        sessions = FakeSessions(clock)
        sessions.client = cloud  # type: ignore[assignment]
        self._accounts = Accounts(
            sessions,
            lambda: Defaults("eu-west-101", "0123456789abcdef0123456789abcdef", cluster_id="cluster-1"),
            clock=clock,
            intervals=Intervals(5.0, 60.0),
            writes_per_minute=10,
        )
        self.reconciler = Reconciler(
            kubernetes=cluster,
            accounts=self._accounts,
            crd=CrdReader(cluster, clock),
            events=Events(cluster, clock),
            ledger=Ledger(cluster, None, clock),
            metrics=Metrics(),
            clock=clock,
            policy=Policy(1800.0, 60.0),
        )
        self._cluster = cluster
        self._relister = Relister(cluster, self.reconciler, None, clock)
        self._others = asyncio.all_tasks()
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
        tasks = asyncio.all_tasks() - self._others - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class World:
    """What one seed makes of it; `faults` has what must never happen."""

    def __init__(self, seed: int) -> None:
        random.seed(seed)  # the operator's own jitter
        self.dice = Random(seed)
        self.clock = LoopClock()
        self.cloud = self._make_cloud(self.dice)
        self.cluster = StormyCluster(self.dice)
        self.cluster.released = self._judge_release
        self.operator = Operator(self.cluster, self.cloud, self.clock)
        self.faults: list[str] = []
        self._released: dict[str, float] = {}

    def _make_cloud(self, dice: Random) -> StormyCloud:
        return StormyCloud(dice, self.clock)

    def create(self, number: int) -> None:
        """A cache, and an object that is bound to it in one of the ways, with our finalizer on it."""
        cache_id = f"00000000-0000-0000-0000-{number:012d}"
        self.cloud.put(cache_id, f"cache-{number}")
        spec: Body = {"imageCacheID": cache_id}
        if self.dice.random() < 0.3:
            # A binding by name for which one good list shows nothing stands for nothing, and is let go as such.
            spec = {"name": f"cache-{number}"}
            self.cloud.always_listed.add(cache_id)
        policy = self.dice.random()
        if policy < 0.1:
            spec["deletionPolicy"] = "Retain"
        elif policy < 0.2:
            spec["managementPolicy"] = "Observe"
        self._put(f"object-{number}", spec)
        if self.dice.random() < 0.2:
            self._put(f"second-{number}", {"imageCacheID": cache_id})

    def _put(self, name: str, spec: Body, *, finalizer: bool = True) -> None:
        finalizers: list[str] | None = None if finalizer else []
        made = body(name=name, uid=f"uid-{name}", spec=spec, status={}, created=self.clock.now(), finalizers=finalizers)
        self.cluster.put(made)

    def edit(self, key: Key, change: Callable[[Body], None]) -> None:
        """A user changes an object."""
        if key in self.cluster.objects:
            self.cluster.edit(key, change)

    def delete(self, key: Key) -> None:
        """A user deletes an object, which our finalizer holds unless it was not put on yet."""
        moment = format_time(self.clock.now().replace(microsecond=0))
        if key in self.cluster.objects and not self.cluster.objects[key]["metadata"]["finalizers"]:
            self.cluster.end(key, moment)
        else:
            self.edit(key, lambda it: it["metadata"].setdefault("deletionTimestamp", moment))

    def retain(self, key: Key) -> None:
        """A user lets the cache stay."""
        self.edit(key, lambda it: it["spec"].update(deletionPolicy="Retain"))

    def annotate(self, key: Key) -> None:
        """A user asks to look at once."""
        value = str(self.dice.random())
        self.edit(key, lambda it: it["metadata"].setdefault("annotations", {}).update({RECONCILE_ANNOTATION: value}))

    async def restart(self) -> None:
        """Kill the operator at whatever it is doing; the next one starts a little later."""
        await self.operator.kill()
        await asyncio.sleep(self.dice.choice([0.0, 0.5, 30.0]))
        self.operator = Operator(self.cluster, self.cloud, self.clock)

    def calm(self) -> None:
        """All faults stop."""
        self.cloud.calm()
        self.cluster.storm, self.cluster.out = 0.0, False

    def deleting(self) -> list[Key]:
        """The objects whose deletion has not ended."""
        return [key for key, it in self.cluster.objects.items() if "deletionTimestamp" in it["metadata"]]

    def _judge_release(self, it: Body) -> None:
        """The finalizer goes only on a person's word, to leave the cache to its holder, or when it is truly gone."""
        spec, status, name = it["spec"], it.get("status") or {}, it["metadata"]["name"]
        self._released[name] = self.clock.monotonic()
        if "deletionTimestamp" not in it["metadata"]:
            self.faults.append(f"{name} lost its finalizer alive")
        if spec.get("deletionPolicy") == "Retain" or spec.get("managementPolicy") == "Observe":
            return
        cache_id = status.get("imageCacheID") or spec.get("imageCacheID")
        if not self.cloud.there(cache_id, None if cache_id else spec.get("name")):
            return
        if not self._just_held_by_another(name):
            self.faults.append(f"{name} was released and its cache is still there")

    def _just_held_by_another(self, name: str) -> bool:
        """Whether another object for the same cache is there, or was when the release was on its way."""
        number = name.rsplit("-", 1)[1]
        rivals = {f"{word}-{number}" for word in ("object", "second")} - {name}
        return any(
            key.name in rivals and FINALIZER in it["metadata"]["finalizers"] for key, it in self.cluster.objects.items()
        ) or any(self.clock.monotonic() - self._released.get(rival, float("-inf")) < 1.0 for rival in rivals)


async def wait_until(look: Callable[[], bool], within: float) -> bool:
    """Whether it becomes so in that (virtual) time."""
    for _ in range(int(within)):
        if look():
            return True
        await asyncio.sleep(1.0)
    return look()
