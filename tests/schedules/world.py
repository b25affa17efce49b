"""A cluster, a stormy cloud, and an operator that can be killed: all of them in virtual time, from one seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from random import Random

from tests.decision.builders import body
from tests.runtime.fakes import FakeSessions
from tests.runtime.virtual_time import LoopClock
from tests.schedules.stormy_cloud import StormyCloud
from tests.schedules.stormy_cluster import Body, Process, StormyCluster

from imagecache_operator.imagecache import Key
from imagecache_operator.model import format_time
from imagecache_operator.names import FINALIZER, RECONCILE_ANNOTATION


class World:
    """What one seed makes of it; `faults` has what must never happen."""

    def __init__(self, seed: int) -> None:
        random.seed(seed)  # the operator's own jitter
        self.dice = Random(seed)
        self.clock = LoopClock()
        self.cloud = self._make_cloud(self.dice)
        self.cluster = StormyCluster(self.dice)
        self.cluster.released = self._judge_release
        self.operator = self._start()
        self.faults: list[str] = []
        self._released: dict[str, float] = {}

    def _start(self) -> Process:
        sessions = FakeSessions(self.clock)
        sessions.client = self.cloud  # type: ignore[assignment]
        return Process(self.cluster, sessions, self.clock)

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
        self.operator = self._start()

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
