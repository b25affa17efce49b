"""A stormy cloud that builds caches: answers to POST that are lost or lack the id; unique names, a quota, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from tests.runtime.virtual_time import EPOCH, START, LoopClock
from tests.schedules.stormy_cloud import StormyCloud

from imagecache_operator.answers import CreateAnswer, Created, Lost, NotCreated, NotDone, Refusal
from imagecache_operator.observation import Cache, CacheStatus, Trouble, TroubleKind

LATE_SECONDS = 60.0
"""How long, at most, the cloud works on a POST whose connection was cut."""


class BuildingCloud(StormyCloud):
    """Names are unique; that a POST reached one that is taken is remembered, for a cloud may be less strict.

    Attributes:
        late: whether a POST whose connection was cut may be carried out all the same, later.
        quota: how many caches there may be, None for any number.
        made: the names under which POSTs have made caches, by id.
        twins: names for which a POST came while a cache of it was there that a POST had made.
        refused_for_quota: how many POSTs were.
    """

    def __init__(self, dice: Random, clock: LoopClock) -> None:
        super().__init__(dice, clock)
        self.late = False
        self.quota: int | None = None
        self.made: dict[str, str] = {}
        self.twins: list[str] = []
        self.refused_for_quota = 0
        self._builds: dict[str, tuple[float, CacheStatus]] = {}

    def left(self) -> dict[str, str]:
        """The names of caches that POSTs have made and that are there, by id."""
        return {cache.id: cache.name for cache in self._now() if cache.id in self.made}

    def vanish(self, cache_id: str) -> None:
        """Somebody deletes the cache in the console, which shows nothing else before it is gone."""
        if cache_id not in self._fates:
            self._caches.pop(cache_id, None)

    async def create(self, body: Mapping[str, Any]) -> CreateAnswer:
        """See `CloudClient`; the answer may be lost before or after the work."""
        await self._latency()
        chance = self._dice.random()
        if self.out or chance < self.storm / 4:
            return NotDone(self._fault() or Trouble(TroubleKind.CLOUD_UNAVAILABLE, "no connection"))
        if chance < self.storm / 3:
            return NotCreated(Refusal.OTHER, "not today")
        if chance < self.storm / 2:
            if self.late and self._dice.random() < 0.5:
                asyncio.get_running_loop().call_later(self._dice.random() * LATE_SECONDS, self._make, body)
            return Lost("lost before the work")
        answer = self._make(body)
        if chance < self.storm:
            await self._latency(30.0)
            return Lost("lost after the work")
        await self._latency()
        if isinstance(answer, Created) and self._dice.random() < self.storm / 2:
            return Created(None)
        return answer

    def _make(self, body: Mapping[str, Any]) -> CreateAnswer:
        name = body["name"]
        there = [cache for cache in self._now() if cache.name == name]
        if there:
            self.twins += [name for cache in there if cache.id in self.made]
            return NotCreated(Refusal.NAME_TAKEN, "such a cache already exists")
        if self.quota is not None and len(self._now()) >= self.quota:
            self.refused_for_quota += 1
            return NotCreated(Refusal.QUOTA, "the quota is used up")
        cache_id = f"10000000-0000-0000-0000-{len(self.made):012d}"
        building = body["building_config"]
        self._caches[cache_id] = Cache(
            id=cache_id,
            name=name,
            status=CacheStatus.CREATING,
            created_at=self._dice.choice([None, EPOCH + timedelta(seconds=self._clock.monotonic() - START)]),
            retention_days=body["retention_days"],
            size_gib=body["image_cache_size"],
            images=tuple(body["images"]),
            cluster_id=building["cluster"],
            pull_secrets=tuple(building.get("image_pull_secrets", ())),
        )
        self.made[cache_id] = name
        # Its id or its name may be looked up by one list alone, which must not be one that lies of it.
        self.always_listed.add(cache_id)
        ends = CacheStatus.FAILED if self._dice.random() < self.storm / 2 else CacheStatus.AVAILABLE
        takes = self._dice.choice([0.0, 2.0, 20.0, 200.0])
        self._builds[cache_id] = self._clock.monotonic() + takes, ends
        return Created(cache_id)

    def _now(self) -> tuple[Cache, ...]:
        """See `StormyCloud`; what is built is done when its time has come."""
        for cache_id, (when, word) in list(self._builds.items()):
            if when <= self._clock.monotonic():
                del self._builds[cache_id]
                cache = self._caches.get(cache_id)
                if cache is not None and cache.status == CacheStatus.CREATING:
                    self._caches[cache_id] = replace(cache, status=word)
                elif (fate := self._fates.get(cache_id)) is not None:
                    fate.was = word
        return super()._now()
