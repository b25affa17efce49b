"""The simulator's only source of time, passed in so that tests need no waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of the same flow of time, and a way to let it pass."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of this clock."""


class SystemClock:
    """The clock of the machine."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for real."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that moves only when told to, and that moves itself instead of sleeping."""

    def __init__(self, wall: float = 1_795_392_000.0) -> None:
        self._elapsed = 0.0
        self._wall = wall

    def monotonic(self) -> float:
        """Seconds moved so far."""
        return self._elapsed

    def wall(self) -> float:
        """The given start plus the seconds moved so far."""
        return self._wall + self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Move forward at once; others get their turn as in a real sleep."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self._elapsed += seconds
