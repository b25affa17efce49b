"""Rate limits per project, with the gateway's answer (section 4.3)."""

from __future__ import annotations

import email.utils
import math
from collections import defaultdict, deque
from typing import assert_never

from cce_simulator.answers import RefusedError
from cce_simulator.clock import Clock
from cce_simulator.errors import THROTTLED, gateway
from cce_simulator.settings import LiveSettings, RetryAfter

_ROUNDING = 1e-6
"""Seconds: sums of decimal fractions do not come out even, and the told wait must be enough."""


class Throttle:
    """Sliding windows: more than N calls in any window are refused, and the refused ones count too."""

    def __init__(self, clock: Clock, live: LiveSettings) -> None:
        self._clock = clock
        self._live = live
        self._writes: dict[str, deque[float]] = defaultdict(deque)
        self._reads: dict[str, deque[float]] = defaultdict(deque)
        self.refused = 0

    def admit_write(self, project: str) -> None:
        """Count a POST or DELETE."""
        self._admit(self._writes[project], self._live.now.writes_per_minute, self._live.now.real(60.0), "1 minute")

    def admit_read(self, project: str) -> None:
        """Count a GET."""
        self._admit(self._reads[project], self._live.now.reads_per_second, self._live.now.real(1.0), "1 second")

    def writes_in_window(self, project: str) -> int:
        """How many writes the limit sees now."""
        start = self._clock.monotonic() - self._live.now.real(60.0)
        return sum(at > start for at in self._writes[project])

    def forget(self) -> None:
        """Begin new windows."""
        self._writes.clear()
        self._reads.clear()

    def _admit(self, window: deque[float], limit: int, length: float, text: str) -> None:
        if limit == 0:
            return
        now = self._clock.monotonic()
        while window and window[0] <= now - length + _ROUNDING:
            window.popleft()
        window.append(now)
        if len(window) > limit:
            self.refused += 1
            # Free again when so many calls have left the window that one more fits.
            wait = max(window[-limit] + length - now, 0.0)
            message = f"The throttling threshold has been reached: policy user over ratelimit,limit:{limit},time:{text}"
            raise RefusedError(gateway(429, THROTTLED, message, self._headers(wait)))

    def _headers(self, wait: float) -> dict[str, str]:
        return retry_after(self._live.now.retry_after, wait, self._clock.wall())


def retry_after(form: RetryAfter, wait: float, now: float) -> dict[str, str]:
    """The header in the chosen form."""
    match form:
        case "absent":
            return {}
        case "decimal":
            return {"Retry-After": f"{math.ceil(wait * 1000) / 1000:.3f}"}
        case "integer":
            return {"Retry-After": str(int(wait) + 1)}
        case "date":
            return {"Retry-After": email.utils.formatdate(now + wait + 1, usegmt=True)}
        case _:
            assert_never(form)
