"""An event loop whose time stands still while there is something to do, and jumps to the next timer when there is not.

So an hour passes in a millisecond, always in the same order, and `settle()` knows when nothing is left to do. A test
that waits for something that nobody will ever do fails at once.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import TypeVarTuple

Arguments = TypeVarTuple("Arguments")
EPOCH = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
START = 1000.0
"""The loop's time when it starts; nothing here may take the process's start for zero."""

TICK = 1e-8
"""Seconds after which a timer rings at the earliest; more than the resolution of asyncio's clock."""


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("Nothing is planned any more, so the test would wait for ever.")
        self.now += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop; not for sockets, subprocesses and threads, whose time it would not wait for."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop`."""
        return self._jumping.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`; time goes on a little with each timer, as it does on real clocks."""
        return super().call_at(max(when, self.time() + TICK), callback, *args, context=context)


class LoopClock:
    """A `Clock` that shows the running loop's time; the wall clock can be set wrong by `jump`."""

    def __init__(self) -> None:
        self._jumped = timedelta()

    def now(self) -> datetime:
        """See `Clock`."""
        return EPOCH + timedelta(seconds=self.monotonic() - START) + self._jumped

    def monotonic(self) -> float:
        """See `Clock`."""
        return asyncio.get_running_loop().time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self._jumped += timedelta(seconds=seconds)


async def settle() -> None:
    """Until all that can happen now has happened."""
    await asyncio.sleep(1e-6)


async def pass_time(seconds: float) -> None:
    """Until that time has passed, and all that was due in it has happened."""
    await asyncio.sleep(seconds)
    await settle()
