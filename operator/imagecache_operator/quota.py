"""How many caches a location takes, learnt from the cloud's refusals, and whose turn it is when there is room again.

The limit is not assumed (cce-api section 2 says 50 per tenant, and not what counts as one): it is how many caches were
there when a POST was refused for it. Until the list shows fewer, nothing is asked for; then the oldest object goes
first.
"""

from __future__ import annotations

from datetime import datetime

from imagecache_operator.clock import Clock
from imagecache_operator.decision import Room
from imagecache_operator.imagecache import Key

RECHECK = 3600.0
"""Seconds after which a limit is doubted: it may have been raised, which nothing but a POST can tell."""

Age = tuple[datetime, str]


class Quota:
    """The room of one location.

    Args:
        clock: where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limit: int | None = None
        self._learnt = 0.0
        self._doubted = False
        self._waiting: dict[Key, Age] = {}
        # When POSTs went out that the newest list cannot show yet; minus infinity for those on their way.
        self._asked: dict[Key, float] = {}

    def room_for(self, key: Key, age: Age, *, used: int, listed: float) -> Room:
        """Whether there is room for the object, which waits from now on until it asks or withdraws.

        Args:
            key: the object.
            age: its creation time and uid; the oldest goes first.
            used: caches in the newest good LIST.
            listed: when that LIST began, in monotonic seconds.
        """
        self._asked = {who: answered for who, answered in self._asked.items() if answered >= listed}
        self._reconsider(used)
        if self._limit is None:
            return Room(used)
        self._waiting[key] = age
        free = self._limit - used - len(self._asked.keys() - {key})
        ahead = sum(other < age for other in self._waiting.values())
        return Room(used, self._limit, free > ahead)

    def hopeful(self, used: int) -> list[Key]:
        """The objects that wait for room, when a LIST shows some."""
        self._reconsider(used)
        return list(self._waiting) if self._limit is None or used < self._limit else []

    def _reconsider(self, used: int) -> None:
        """Doubt a limit that is old; one that a list has seen exceeded was learnt from a list that was behind."""
        if self._limit is None:
            return
        if self._clock.monotonic() - self._learnt > RECHECK:
            # One tries, the oldest.
            self._limit, self._learnt, self._doubted = used + 1, self._clock.monotonic(), True
        else:
            self._limit = max(self._limit, used)

    def asked(self, key: Key) -> None:
        """A POST goes out."""
        self._waiting.pop(key, None)
        self._asked[key] = float("inf")

    def answered(self, key: Key, *, created: bool) -> None:
        """A POST was answered; one that may have made a cache takes room until a later LIST shows it."""
        if created:
            self._asked[key] = self._clock.monotonic()
            if self._doubted:
                # It was raised; by how much, the next refusal tells.
                self._limit, self._doubted = None, False
        else:
            self._asked.pop(key, None)

    def refused(self, used: int) -> None:
        """A POST was refused because the tenant is full."""
        self._limit, self._doubted = used, False
        self._learnt = self._clock.monotonic()

    def withdraw(self, key: Key) -> None:
        """The object does not want a cache any more."""
        self._waiting.pop(key, None)

    def doubt(self, key: Key) -> None:
        """A person asked to look at once at an object; if it waits for room, the limit may have been raised."""
        if key in self._waiting:
            self._limit = None
