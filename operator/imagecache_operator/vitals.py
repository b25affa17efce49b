"""Signs of life: what must not stand still, and for how long it may be silent before a restart is better."""

from __future__ import annotations

from imagecache_operator.clock import Clock

PASS_MAX = 180.0
"""Seconds that one pass may take; all that it waits for has time-outs that are far shorter."""

LOOP_MAX = 180.0
"""Seconds beside its own pauses and time-outs after which a loop counts as standing still."""

ECHO_MAX = 60.0
"""Seconds after which the watch should have told what was learnt otherwise; it reconnects after 30 s of silence."""


class Pulse:
    """The beats of one loop.

    Args:
        what: the loop, for the sentence.
        allowed: seconds between two beats when all is well.
        clock: where time comes from.
    """

    def __init__(self, what: str, allowed: float, clock: Clock) -> None:
        self._what = what
        self._allowed = allowed + LOOP_MAX
        self._clock = clock
        self._at: float | None = None

    def beat(self) -> None:
        """It goes on."""
        self._at = self._clock.monotonic()

    def wrong(self) -> str | None:
        """That it stands still; None while it does not, and before it has begun."""
        silent = self._clock.monotonic() - self._at if self._at is not None else 0.0
        return None if silent <= self._allowed else f"{self._what} has stood still for {silent:.0f} s."


class Echo:
    """Whether the watch still tells what happens: a version that was learnt otherwise must come by it, too.

    Silence counts only up to the last contact with the API server, so that one that is away is no fault of the watch.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._contact = float("-inf")

    def expect(self) -> None:
        """A new version was learnt by a list or by the answer to a patch."""
        self.contact()
        if self._since is None:
            self._since = self._contact

    def contact(self) -> None:
        """The API server has answered."""
        self._contact = self._clock.monotonic()

    def heard(self) -> None:
        """The watch has told something."""
        self._since = None

    def wrong(self) -> str | None:
        """That the watch is deaf, None while there is no sign of it."""
        silent = self._contact - self._since if self._since is not None else 0.0
        return (
            None if silent <= ECHO_MAX else f"The watch has told nothing for {silent:.0f} s although objects changed."
        )
