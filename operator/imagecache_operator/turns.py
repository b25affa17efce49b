"""Few places for what can wait, so that it never holds up what cannot.

A status that only tells something is such work: while hundreds of intents and finalizers are on their way to the API
server, it is told a little later, and then all that was learnt meanwhile is told at once.
"""

from __future__ import annotations

from collections.abc import Callable

from imagecache_operator.imagecache import Key


class Turns:
    """Hands out places in the order in which they were asked for. Nobody waits in here: a key is woken for its turn.

    Args:
        places: how many keys may have one at a time.
        wake: called with the key whose turn has come; it must end with `give_back`.
    """

    def __init__(self, places: int, wake: Callable[[Key], None]) -> None:
        self._places = places
        self._wake = wake
        self._waiting: dict[Key, None] = {}
        self._holding: set[Key] = set()

    def take(self, key: Key) -> bool:
        """Whether the key has a place now; else it is woken when it has."""
        if key not in self._holding and len(self._holding) < self._places:
            self._waiting.pop(key, None)
            self._holding.add(key)
        elif key not in self._holding:
            self._waiting.setdefault(key)
        return key in self._holding

    def give_back(self, key: Key) -> None:
        """The key needs its place no more; who waits longest gets it. Does nothing to a key that merely waits."""
        if key in self._holding:
            self._holding.discard(key)
            self._wake_next()

    def forget(self, key: Key) -> None:
        """The key is gone, wherever it was."""
        self._waiting.pop(key, None)
        self.give_back(key)

    def _wake_next(self) -> None:
        if self._waiting:
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._holding.add(key)
            self._wake(key)
