"""A cloud that lies as real ones do: lost answers, refusals, deletions undone, outages, stale lists."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random

from tests.runtime.virtual_time import LoopClock

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.cloud.client import CloudClient, NotThere
from imagecache_operator.observation import Cache, CacheStatus, Trouble, TroubleKind

STALE_SECONDS = 30.0
"""How old the words of a list may be."""

PASSING = (TroubleKind.THROTTLED, TroubleKind.CLOUD_UNAVAILABLE)
HELD_UP = (
    TroubleKind.CREDENTIALS_INVALID,
    TroubleKind.ACCESS_DENIED,
    TroubleKind.ENDPOINT_INVALID,
    TroubleKind.REQUEST_REJECTED,
)


@dataclass
class Fate:
    """What becomes of a cache that is being deleted: it goes at that time, or is what it was again."""

    at: float
    reverts: bool
    was: CacheStatus | str = CacheStatus.AVAILABLE


class StormyCloud(CloudClient):
    """The caches and what happens to them; `calm` ends all faults.

    Attributes:
        storm: the chance of a fault per call.
        always_listed: caches that no list lacks.
        doubles: DELETEs that reached a cache that was being deleted already.
        sent: the caches that DELETE reached, each as often as it did.
    """

    def __init__(self, dice: Random, clock: LoopClock) -> None:
        self._dice = dice
        self._clock = clock
        self._caches: dict[str, Cache] = {}
        self._fates: dict[str, Fate] = {}
        self._before: tuple[float, tuple[Cache, ...]] = (0.0, ())
        self.storm = 0.0
        self.out = False
        self.always_listed: set[str] = set()
        self.doubles: list[str] = []
        self.sent: list[str] = []

    def put(self, cache_id: str, name: str) -> None:
        """Have such a cache."""
        self._caches[cache_id] = Cache(cache_id, name, CacheStatus.AVAILABLE)

    def there(self, cache_id: str | None = None, name: str | None = None) -> bool:
        """Whether the cache is truly there."""
        return any(cache.id == cache_id or (name and cache.name == name) for cache in self._now())

    def meddle(self, cache_id: str) -> None:
        """Somebody changes or removes the cache in the console."""
        self._now()
        if cache_id not in self._caches or cache_id in self._fates:
            return
        word = self._dice.choice([None, CacheStatus.FAILED, CacheStatus.UNAVAILABLE, "Hibernating"])
        if word is None:
            del self._caches[cache_id]
        else:
            self._caches[cache_id] = replace(self._caches[cache_id], status=word)

    def calm(self) -> None:
        """No more faults; deletions that were going to be undone are done."""
        self.storm, self.out = 0.0, False
        for fate in self._fates.values():
            fate.reverts = False

    async def list(self) -> tuple[Cache, ...] | Trouble:
        """See `CloudClient`; in a storm it may be as old as the list before, or lack a cache."""
        seen = self._now()
        await self._latency()
        if (trouble := self._fault()) is not None:
            return trouble
        (when, stale), self._before = self._before, (self._clock.monotonic(), self._now())
        lie = self._dice.random()
        if self._clock.monotonic() - when < STALE_SECONDS and lie < self.storm / 3:
            return stale
        if seen and lie > 1 - self.storm / 3:
            # No last word: a list may lack what is there.
            missing = self._dice.choice(seen).id
            return tuple(cache for cache in seen if cache.id != missing or cache.id in self.always_listed)
        return self._dice.choice([seen, self._now()])

    async def get(self, cache_id: str) -> Cache | NotThere | Trouble:
        """See `CloudClient`."""
        await self._latency()
        if (trouble := self._fault()) is not None:
            return trouble
        self._now()
        return self._caches.get(cache_id, NotThere())

    async def delete(self, cache_id: str) -> DeleteAnswer:
        """See `CloudClient`; the answer may be lost before or after the work."""
        await self._latency()
        chance = self._dice.random()
        if self.out or chance < self.storm / 4:
            trouble = self._fault() or Trouble(TroubleKind.CLOUD_UNAVAILABLE, "no connection")
            return NotDone(trouble)
        if chance < self.storm / 3:
            return Refused("it is in use")
        if chance < self.storm / 2:
            return Lost("lost before the work")
        answer = self._work(cache_id)
        if chance < self.storm:
            await self._latency(30.0)
            return Lost("lost after the work")
        await self._latency()
        return answer

    def _work(self, cache_id: str) -> DeleteAnswer:
        self.sent.append(cache_id)
        self._now()
        cache = self._caches.get(cache_id)
        if cache is None:
            return Gone("there is no such cache")
        if cache_id in self._fates:
            self.doubles.append(cache_id)
        takes = self._dice.choice([0.0, 0.5, 3.0, 20.0, 90.0, 600.0])
        reverts = self._dice.random() < self.storm / 3
        self._fates[cache_id] = Fate(self._clock.monotonic() + takes, reverts, cache.status)
        self._caches[cache_id] = replace(cache, status=CacheStatus.DELETING)
        return Accepted(self._clock.now(), "request")

    def _now(self) -> tuple[Cache, ...]:
        """What is there once all that was due has happened."""
        for cache_id, fate in list(self._fates.items()):
            if fate.at <= self._clock.monotonic():
                del self._fates[cache_id]
                if fate.reverts:
                    self._caches[cache_id] = replace(self._caches[cache_id], status=fate.was)
                else:
                    del self._caches[cache_id]
        return tuple(self._caches.values())

    async def _latency(self, at_most: float = 0.3) -> None:
        await asyncio.sleep(self._dice.random() * (at_most if self.storm else 0.02))

    def _fault(self) -> Trouble | None:
        if self.out:
            return Trouble(TroubleKind.CLOUD_UNAVAILABLE, "no connection")
        if self._dice.random() >= self.storm:
            return None
        kinds = PASSING if self._dice.random() < 0.8 else HELD_UP
        kind = self._dice.choice(kinds)
        asked = self._dice.choice([None, 1.5, 56.818]) if kind is TroubleKind.THROTTLED else None
        return Trouble(kind, "a storm", asked)
