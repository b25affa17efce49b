"""Work that records when it ran."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from imagecache_operator.imagecache import Key

A, B, C = Key("ns", "a"), Key("ns", "b"), Key("ns", "c")


class Passes:
    """Work that records when it ran; a test holds it, makes it fail, or says when it is to come back."""

    def __init__(self) -> None:
        self.begun: list[tuple[float, Key]] = []
        self.running: Counter[Key] = Counter()
        self.most = self.most_of_one = 0
        self.ended: list[Key] = []
        self.cancelled: list[Key] = []
        self.holds: dict[Key, asyncio.Event] = {}
        self.failing: set[Key] = set()
        self.comes_back: dict[Key, float] = {}
        self.during: Callable[[Key], None] = lambda _key: None

    async def __call__(self, key: Key) -> float | None:
        """One pass."""
        self.begun.append((asyncio.get_running_loop().time(), key))
        self.running[key] += 1
        self.most = max(self.most, self.running.total())
        self.most_of_one = max(self.most_of_one, self.running[key])
        try:
            self.during(key)
            if key in self.holds:
                await self.holds[key].wait()
            if key in self.failing:
                raise RuntimeError("made to fail")
        except asyncio.CancelledError:
            self.cancelled.append(key)
            raise
        finally:
            self.running[key] -= 1
        self.ended.append(key)
        return self.comes_back.pop(key, None)

    def hold(self, key: Key) -> asyncio.Event:
        """Let passes over the key hang until the event is set."""
        self.holds[key] = asyncio.Event()
        return self.holds[key]

    def times(self, key: Key) -> list[float]:
        """When passes over the key began."""
        return [moment for moment, ran in self.begun if ran == key]

    def pauses(self, key: Key) -> list[float]:
        """Seconds between passes over the key."""
        times = self.times(key)
        return [after - before for before, after in pairwise(times)]
