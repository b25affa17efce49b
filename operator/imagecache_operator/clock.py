"""The clock, passed in wherever time matters, so that tests can turn it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

# Not that of time.monotonic(), which stands still while Linux is suspended: a leader that wakes up must know. Where
# there is no such clock, as on macOS, the monotonic one goes on.
_NEVER_STILL: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Wall time for what people and the cloud read; monotonic time for everything that is measured."""

    def now(self) -> datetime:
        """The wall clock, in UTC; it may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that nobody sets; it goes on while the machine sleeps."""
        ...


def wall_offset(clock: Clock) -> float:
    """The wall clock less the one that nobody sets, in seconds; changes only when the wall clock is set."""
    return clock.now().timestamp() - clock.monotonic()


def read_http_date(text: str | None) -> datetime | None:
    """A moment as HTTP headers have it, in whole seconds; None when it cannot be read."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.clock_gettime(_NEVER_STILL)
