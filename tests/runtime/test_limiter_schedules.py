"""The write limiter under random schedules: the limit is never exceeded, and no slot is idle."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.virtual_time import EPOCH, LoopClock

from imagecache_operator.imagecache import Key
from imagecache_operator.limiter import WINDOW, WriteLimiter

TICK = 0.01


def key(number: int) -> Key:
    """The key with that number."""
    return Key("ns", f"k{number:04d}")


def at(seconds: float) -> datetime:
    """When an object was deleted."""
    return EPOCH + timedelta(seconds=seconds)


class Schedule:
    """Random requests, writes and answers, and when the cloud counted each write."""

    def __init__(self, seed: int, per_window: int, clock: LoopClock) -> None:
        self.dice = random.Random(seed)
        self.clock = clock
        self.limiter = WriteLimiter(per_window, clock, self._granted)
        self.per_window = per_window
        self.counted: list[float] = []
        self.held = 0
        self.freed: list[float] = []
        self.tasks: list[asyncio.Task[None]] = []

    def _granted(self, woken: Key) -> None:
        self.held += 1
        self.tasks.append(asyncio.create_task(self._write(woken)))

    def idle_slot(self) -> bool:
        """Whether somebody waits though a slot is free."""
        now = self.clock.monotonic()
        busy = self.held + sum(freed > now for freed in self.freed)
        return self.limiter.waiting > 0 and self.limiter.paused_for() == 0 and busy < self.per_window

    async def _write(self, granted: Key) -> None:
        """Use the slot now or later, with an answer that may be slow; some give it back, or never leave."""
        await asyncio.sleep(self.dice.choice([0.0, 0.0, 0.3, 7.0]))
        chance = self.dice.random()
        if chance < 0.1:
            self.held -= 1
            self.limiter.withdraw(granted)
            return
        self.limiter.begin(granted)
        if chance < 0.2:
            await asyncio.sleep(self.dice.uniform(0, 10))
            self.held -= 1
            self.limiter.end(sent=False)
            return
        answer_after = self.dice.choice([0.0, 0.2, 2.0, 29.0, 75.0])
        counted_after = self.dice.uniform(0, answer_after)
        await asyncio.sleep(counted_after)
        self.counted.append(self.clock.monotonic())
        await asyncio.sleep(answer_after - counted_after)
        self.held -= 1
        self.freed.append(self.clock.monotonic() + WINDOW)
        self.limiter.end()
        if self.dice.random() < 0.05:
            self.limiter.pause(self.dice.choice([None, 3.5]))

    async def run(self, objects: int) -> None:
        """All objects ask once, in bursts."""
        for number in range(objects):
            if self.limiter.request(key(number), (self.dice.choice([0, 1]), at(self.dice.uniform(-99, 0)))):
                self._granted(key(number))
            await asyncio.sleep(self.dice.choice([0.0, 0.0, 0.0, 0.1, 20.0]))
        while self.limiter.waiting or not all(task.done() for task in self.tasks):
            await asyncio.sleep(0.5)
            if self.idle_slot():
                # The limiter's timer rings a moment after the pause or the slot has ended.
                await asyncio.sleep(TICK)
                assert not self.idle_slot()
        await asyncio.gather(*self.tasks)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), per_window=st.integers(1, 12), former=st.lists(st.floats(0, 80), max_size=12))
async def test_no_minute_ever_holds_more_writes_than_allowed(seed: int, per_window: int, former: list[float]) -> None:
    """Wherever between its start and its answer the cloud counts a write; and no slot is idle while somebody waits."""
    clock = LoopClock()
    schedule = Schedule(seed, per_window, clock)
    begun = clock.monotonic()
    for age in former[:per_window]:
        schedule.limiter.occupy(age)
        schedule.counted.append(begun - age)
        schedule.freed.append(begun - age + WINDOW)
    await schedule.run(objects=40)
    counted = sorted(schedule.counted)
    for first, beyond in zip(counted, counted[per_window:], strict=False):
        assert beyond - first >= WINDOW - 1e-6
    assert len(schedule.tasks) == 40
