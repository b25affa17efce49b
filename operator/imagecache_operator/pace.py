"""When a location is listed next: by intervals, out of turn when somebody waits for it, later after trouble."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import assert_never

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.gate import SLOW_LANE
from imagecache_operator.looks import Failed
from imagecache_operator.observation import Trouble, TroubleKind

BACKOFF_FIRST = 1.0
"""Seconds after a first failed LIST, doubling up to the idle interval, or to the slow lane where a person must act."""

THROTTLE_PAUSE = 60.0
"""Seconds after a 429 to a LIST that names no time (cce-api section 4.3)."""

NUDGE_SPACING = 0.5
"""Seconds between two LISTs out of turn, at least, however many objects wait for their first look."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between two LISTs: while something of ours is in motion, and otherwise; and for one request."""

    active: float = 5.0
    idle: float = 60.0
    request: float = 30.0


class Pace:
    """Knows what is in motion, who waits, and when the last LIST was.

    Args:
        intervals: how often to LIST.
        clock: monotonic time counts.
    """

    def __init__(self, intervals: Intervals, clock: Clock) -> None:
        self._intervals = intervals
        self._clock = clock
        self._moving: set[object] = set()
        self._changed = asyncio.Event()
        self.list_begun = float("-inf")
        """When the newest LIST that has ended began; minus infinity before the first."""
        self._list_ended = float("-inf")
        self._under_way_since = float("-inf")
        self._poked_at = float("-inf")
        self._nudged_at = float("-inf")
        # The first idle interval is shortened, so that accounts that begin together do not look together for ever.
        self._phase = random.uniform(0.5, 1.0)  # noqa: S311 (jitter)
        self._any_good = False

    @property
    def in_motion(self) -> bool:
        """Whether something of ours is."""
        return bool(self._moving)

    # --- what is asked for

    def set_moving(self, who: object, moving: bool) -> None:
        """Whether something of that object is in motion, so that LISTs come at the active interval."""
        if moving and who not in self._moving:
            self._moving.add(who)
            self._changed.set()
        elif not moving:
            self._moving.discard(who)

    def poke(self) -> None:
        """LIST now, without waiting for an interval or a back-off."""
        self._poked_at = self._clock.monotonic()
        self._changed.set()

    def nudge(self, after: float) -> None:
        """LIST soon, out of turn, for an object that waits for one that begins after that; many together share one."""
        if self._under_way_since >= after or self._nudged_at > self._clock.monotonic():
            return  # it is on its way, or planned
        self._nudged_at = max(self._clock.monotonic(), self._nudged_at + NUDGE_SPACING)
        self._poked_at = self._nudged_at
        self._changed.set()

    # --- what has happened

    def begun(self, at: float) -> None:
        """A LIST goes out."""
        self._under_way_since = at

    def ended(self, begun: float, *, good: bool) -> None:
        """A LIST has ended, or could not even be sent."""
        self._under_way_since = float("-inf")
        if good and self._any_good:
            self._phase = 1.0
        self._any_good |= good
        self.list_begun, self._list_ended = begun, self._clock.monotonic()

    # --- what follows

    def due(self, failed: Failed | None) -> float:
        """When the next LIST should begin; `failed`: what the newest one brought where it was not good."""
        if self._poked_at > self.list_begun:
            return self._poked_at
        if failed is not None:
            return self._list_ended + self.backoff(failed.trouble, failed.failures)
        return self.list_begun + (self._intervals.active if self.in_motion else self._intervals.idle * self._phase)

    def backoff(self, trouble: Trouble, failures: int) -> float:
        """Seconds before a look that brought trouble is repeated; `failures`: so many in a row did."""
        if trouble.unsent and trouble.retry_after is not None:
            return max(trouble.retry_after, BACKOFF_FIRST)
        match trouble.kind:
            case TroubleKind.THROTTLED:
                asked = trouble.retry_after
                # Zero, or a date that has passed on our clock, must not become a LIST without any pause.
                return THROTTLE_PAUSE if asked is None else max(asked, BACKOFF_FIRST)
            case TroubleKind.CREDENTIALS_INVALID | TroubleKind.ACCESS_DENIED:
                return SLOW_LANE
            case TroubleKind.NOT_ALLOWED | TroubleKind.ENDPOINT_INVALID | TroubleKind.REQUEST_REJECTED:
                limit = SLOW_LANE
            case TroubleKind.NAME_LINGERS | TroubleKind.NAME_TAKEN:  # of a POST, never of a look
                limit = SLOW_LANE
            case TroubleKind.CLOUD_UNAVAILABLE:
                limit = self._intervals.idle
                if self.in_motion:
                    limit = min(limit, 6 * self._intervals.active)
            case _:
                assert_never(trouble.kind)
        return min(BACKOFF_FIRST * 2.0 ** min(failures - 1, 20), limit)

    async def wait(self, seconds: float) -> None:
        """For as long as that, or until something is asked for."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
