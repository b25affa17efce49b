"""Who may write to the cloud, and when: never more than so many writes in any minute, per location.

The cloud counts over a sliding minute and counts what it refuses, too (cce-api section 4.3). A write occupies its
slot from the moment it is granted until a minute after its answer: whenever the cloud saw it in between, no minute
holds more than the limit. A grant wakes its object, which then decides anew; nobody ever waits in here.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime

from imagecache_operator.clock import Clock
from imagecache_operator.imagecache import Key

WINDOW = 60.0
"""Seconds of the cloud's window."""

PAUSE = 60.0
"""Seconds to pause after a 429 that names no time."""

SPARE = 16
"""Entries of keys that have withdrawn, which the queue may hold beside twice as many as wait."""

Priority = tuple[int, datetime]
"""What goes first: deletions (0) before creations (1), then the oldest request."""


class WriteLimiter:
    """The slots of one location.

    Args:
        per_window: writes in any 60 s; 0 turns the limit off.
        clock: where time comes from.
        wake: called with the key that was granted a slot.
    """

    def __init__(self, per_window: int, clock: Clock, wake: Callable[[Key], None]) -> None:
        self._per_window = per_window
        self._clock = clock
        self._wake = wake
        self._queue: list[tuple[Priority, Key]] = []
        self._wanted: dict[Key, Priority] = {}
        self._granted: set[Key] = set()
        self._busy_until: list[float] = []
        self._in_flight = 0
        self._paused_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many objects wait for a slot."""
        return len(self._wanted)

    def waits(self, key: Key) -> bool:
        """Whether that object waits for a slot."""
        return key in self._wanted

    def paused_for(self) -> float:
        """Seconds for which the cloud wants no writes, 0 when it takes them."""
        return max(self._paused_until - self._clock.monotonic(), 0.0)

    def granted(self, key: Key) -> bool:
        """Whether the key holds a slot that it has not used yet."""
        return key in self._granted

    def request(self, key: Key, priority: Priority) -> bool:
        """Ask for a slot. True when it is granted at once; else the key is woken when it is."""
        if key in self._granted:
            return True
        if self._wanted.get(key) != priority:
            self._wanted[key] = priority
            heapq.heappush(self._queue, (priority, key))
            if len(self._queue) > 2 * len(self._wanted) + SPARE:
                # Most of them have withdrawn, which leaves their entries behind.
                self._queue = [(wanted, waiting) for waiting, wanted in self._wanted.items()]
                heapq.heapify(self._queue)
        self._grant(asking=key)
        return key in self._granted

    def withdraw(self, key: Key) -> None:
        """The key does not want to write any more."""
        self._wanted.pop(key, None)
        if key in self._granted:
            self._granted.discard(key)
            self._grant()

    def begin(self, key: Key) -> None:
        """The granted write goes out now."""
        self._granted.discard(key)
        self._in_flight += 1

    def end(self, *, sent: bool = True) -> None:
        """The write was answered, or given up; one that never left this machine frees its slot at once."""
        self._in_flight -= 1
        if sent:
            self.occupy(0.0)
        self._grant()

    def occupy(self, age: float) -> None:
        """Count a write that was answered `age` seconds ago (also those of a former process)."""
        if self._per_window and age < WINDOW:
            # A heap: writes of a former process come in any order.
            heapq.heappush(self._busy_until, self._clock.monotonic() + WINDOW - max(age, 0.0))

    def pause(self, seconds: float | None) -> None:
        """No writes for that time, as the cloud asked for it; 60 s when it named none."""
        until = self._clock.monotonic() + (PAUSE if seconds is None else seconds)
        self._paused_until = max(self._paused_until, until)
        self._grant()

    def _free(self, now: float) -> int:
        if not self._per_window:
            return len(self._wanted)
        while self._busy_until and self._busy_until[0] <= now:
            heapq.heappop(self._busy_until)
        return self._per_window - len(self._busy_until) - self._in_flight - len(self._granted)

    def _grant(self, asking: Key | None = None) -> None:
        """Hand free slots out in order; wakes the objects that get one, but the one that is just asking."""
        now = self._clock.monotonic()
        free = self._free(now) if now >= self._paused_until else 0
        while self._queue and free > 0:
            priority, key = heapq.heappop(self._queue)
            if self._wanted.get(key) != priority:
                continue
            del self._wanted[key]
            self._granted.add(key)
            free -= 1
            if key != asking:
                self._wake(key)
        self._plan(now)

    def _plan(self, now: float) -> None:
        """Come back when the next slot is free."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._wanted:
            return
        when = self._paused_until
        if self._busy_until and self._free(now) <= 0:
            when = max(when, self._busy_until[0])
        if when > now:
            self._timer = asyncio.get_running_loop().call_later(when - now + 0.001, self._grant)
