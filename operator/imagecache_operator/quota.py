"""How many caches a location takes, learnt from the cloud's refusals, and whose turn it is when there is room again.

The limit is not assumed (cce-api section 2 says 50 per tenant, and not what counts as one): it is how many caches were
there when a POST was refused for it. Until the list shows fewer, nothing is asked for; then the oldest object goes
first. A limit that may have been raised is in doubt: then one POST at a time finds out, the oldest object's, and each
that is taken lets the next one go, until one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile

from imagecache_operator.clock import Clock
from imagecache_operator.decision import Room
from imagecache_operator.imagecache import Key

RECHECK = 3600.0
"""Seconds after which a limit is doubted: it may have been raised, which nothing but a POST can tell."""

ON_ITS_WAY = float("inf")

Age = tuple[datetime, str]


class Quota:
    """The room of one location.

    Args:
        clock: where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used, self._listed = 0, float("-inf")
        self._limit: int | None = None
        self._words = ""
        self._learnt = 0.0
        self._in_doubt = False
        self._waiting: dict[Key, Age] = {}
        # When POSTs were answered that the newest list cannot show yet, in the order in which they were asked for.
        self._asked: dict[Key, float] = {}
        self._told: tuple[int | None, int] = (None, 0)

    # --- what is seen

    def listed(self, used: int, begun: float) -> None:
        """A good LIST that began then, in monotonic seconds, showed so many caches."""
        if begun < self._listed:
            return
        self._used, self._listed = used, begun
        self._asked = {who: answered for who, answered in self._asked.items() if answered >= begun}
        if self._limit is not None:
            # What a list has seen exceeded was learnt from a list that was behind.
            self._limit = max(self._limit, used)

    def asked(self, key: Key) -> None:
        """A POST is to go out as soon as its turn comes."""
        self.withdraw(key)
        self._asked.pop(key, None)
        self._asked[key] = ON_ITS_WAY

    def answered(self, key: Key, *, created: bool) -> None:
        """A POST was answered; one that may have made a cache takes room until a later LIST shows it."""
        if not created:
            self._asked.pop(key, None)
            return
        self._asked[key] = self._clock.monotonic()
        if not self._waiting:
            self._in_doubt = False

    def refused(self, words: str) -> None:
        """A POST was refused, in these words, because the tenant is full."""
        self._limit, self._words, self._in_doubt = self._used, words, False
        self._learnt = self._clock.monotonic()

    def was_full(self) -> None:
        """A former process was refused; what it had learnt is not known any more."""
        self._in_doubt = self._limit is None

    def doubt(self, key: Key) -> None:
        """A person asked to look at once at an object; if it waits in a full tenant, the limit may have been raised."""
        if key in self._waiting and self._full:
            self._limit, self._in_doubt = None, True

    def withdraw(self, key: Key) -> None:
        """The object does not want a cache any more, or cannot ask for it now."""
        self._waiting.pop(key, None)

    # --- what follows

    def room_for(self, key: Key, age: Age) -> Room:
        """Whether there is room for the object, which waits from now on until it asks or withdraws.

        Args:
            key: the object.
            age: its creation time and uid; the oldest goes first.
        """
        self._reconsider()
        if self._limit is None and not self._in_doubt:
            return Room(self._used)
        self._waiting[key] = age
        ahead = sum(other < age for other in self._waiting.values())
        free = self._free(answered for who, answered in self._asked.items() if who != key)
        return Room(self._used, self._limit, free > ahead, self._words)

    def still_room_for(self, key: Key) -> bool:
        """Whether a POST that was asked for may go out now, after those that were asked for before it."""
        earlier = takewhile(lambda asked: asked[0] != key, self._asked.items())
        return self._free(answered for _, answered in earlier) > 0

    def hopeful(self) -> list[Key]:
        """The objects that wait, oldest first, when there may be room or what they tell of it has changed."""
        self._reconsider()
        told, self._told = self._told, (self._limit, self._used)
        if told == self._told and self._free(self._asked.values()) <= 0:
            return []
        return sorted(self._waiting, key=self._waiting.__getitem__)

    @property
    def _full(self) -> bool:
        return self._limit is not None and self._used >= self._limit

    def _reconsider(self) -> None:
        """Doubt a limit that is old, once it matters."""
        if self._full and self._clock.monotonic() - self._learnt > RECHECK:
            self._limit, self._in_doubt = None, True

    def _free(self, asked: Iterable[float]) -> float:
        """How many more POSTs may go out beside those."""
        taken = list(asked)
        if self._limit is not None:
            return self._limit - self._used - len(taken)
        return 1 - taken.count(ON_ITS_WAY) if self._in_doubt else float("inf")
