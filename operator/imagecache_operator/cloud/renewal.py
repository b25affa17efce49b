"""What ends and is fetched anew: tokens and temporary keys.

One renewal is on its way at a time, however many requests wait for it. What is held serves until its end: a renewal
that is slow or fails costs nobody anything as long as there is something good. After a failure the next attempt comes
after a pause that doubles, and whoever asks meanwhile is told the failure at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import httpx

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.iam import IamError
from imagecache_operator.observation import Trouble, TroubleKind

RENEW_AT = 0.8
"""The part of a life after which it is renewed: some five hours before a token of 24 h ends."""

PAUSE_FIRST, PAUSE_MAX = 1.0, 60.0
"""Seconds between two attempts after failures; doubles."""

PATIENCE = 0.2
"""Seconds that one request waits for a renewal while there is something good; as a rule that is enough for it."""

LIFE_MIN = 1.0
"""Seconds that anything fresh counts as good, whatever it says: a clock that is ahead must not fetch without end."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Held(Generic[T]):
    """Something in use, renewed from `renew_at` on and good until `ends_at` (monotonic seconds).

    `on_trial`: the one before it was refused, and the cloud has not taken this one yet. Should it be refused, too, then
    it is not the token or key that is bad but whoever it belongs to.
    """

    value: T
    renew_at: float
    ends_at: float
    on_trial: bool


class Renewed(Generic[T]):
    """Holds one thing, and fetches the next one in time.

    Args:
        what: names it in logs.
        fetch: asks for a fresh one; raises IamError.
        life_of: how many seconds a fresh one lives.
        clock: monotonic time decides, so a clock that jumps does not matter.
        first: the first one, when there is one already.
        early: by how much of its life one is renewed before `RENEW_AT`; random, so that many do not come at once.
        watch: something that changes when another attempt may go better; the pause after a failure then ends.
    """

    def __init__(
        self,
        what: str,
        fetch: Callable[[], Awaitable[T]],
        life_of: Callable[[T], float],
        clock: Clock,
        *,
        first: T | None = None,
        early: Callable[[], float] = lambda: 0.0,
        watch: Callable[[], object] = lambda: None,
    ) -> None:
        self._what = what
        self._fetch = fetch
        self._life_of = life_of
        self._clock = clock
        self._early = early
        self._watch = watch
        # Something was refused, and nothing was taken since.
        self._refused = False
        # The same of writes alone: that the cloud takes a fresh one for reading says nothing of writing.
        self._write_refused = False
        self._renewal: asyncio.Task[None] | None = None
        self._failure: Trouble | None = None
        self._failures = 0
        self._next_attempt = float("-inf")
        self._watched: object = None
        self._recoveries = 0
        self.latest: T | None = first
        """The newest one, be it good or not; None before the first."""
        self._held = self._hold(first) if first is not None else None

    @property
    def version(self) -> object:
        """Changes when nothing good is at hand and another attempt may go better, and when something good has come."""
        if self._failure is None or self._good() is not None:
            return self._recoveries
        return self._recoveries, self._watch()

    async def current(self) -> Held[T]:
        """One that was not refused, fetched when it must be.

        Raises:
            IamError: there is none, and none can be had now.
        """
        held = self._good()
        if held is not None and self._clock.monotonic() >= held.renew_at and self._may_try():
            await asyncio.wait([self._start()], timeout=PATIENCE)
        while (held := self._good()) is None:
            if self._renewal is None and not self._may_try():
                raise self._complaint()
            # Whoever gives up waiting does not end the renewal for the others.
            await asyncio.shield(self._renewal or self._start())
        return held

    def learn(self, held: Held[T], response: httpx.Response) -> None:
        """What an answer says of the one that was sent with the request."""
        if held is not self._held:
            return  # a late answer to a former one says nothing of the one in use
        if response.status_code == 401:
            self._held, self._refused = None, True
        elif response.is_success or response.status_code == 403:
            self._refused = held.on_trial = False

    def write_may_go_again(self, held: Held[T], response: httpx.Response) -> bool:
        """Whether a write that was answered so deserves one more attempt with a fresh one; never a third one."""
        refused = response.status_code == 401
        first = refused and not self._write_refused and not held.on_trial
        if refused or response.is_success or response.status_code == 403:
            self._write_refused = refused
        return first

    def _good(self) -> Held[T] | None:
        held = self._held
        return held if held is not None and self._clock.monotonic() < held.ends_at else None

    def _may_try(self) -> bool:
        if self._renewal is not None:
            return False
        return self._clock.monotonic() >= self._next_attempt or self._watch() != self._watched

    def _start(self) -> asyncio.Task[None]:
        self._renewal = asyncio.get_running_loop().create_task(self._renew(), name=f"renewal of {self._what}")
        return self._renewal

    async def _renew(self) -> None:
        """One attempt; it never raises, because nobody may be there to hear of it."""
        self._watched = self._watch()
        try:
            fresh = await self._fetch()
        except IamError as error:
            self._failed(error.trouble)
        except Exception:
            logger.exception("Renewal of %s failed", self._what)
            self._failed(Trouble(TroubleKind.CLOUD_UNAVAILABLE, f"Renewal of {self._what} failed; see the log."))
        else:
            if self._failure is not None:
                logger.info("Renewal of %s goes well again", self._what)
                self._recoveries += self._good() is None
            self.latest, self._held = fresh, self._hold(fresh)
            self._failure, self._failures, self._next_attempt = None, 0, float("-inf")
        finally:
            self._renewal = None

    def _failed(self, trouble: Trouble) -> None:
        if trouble != self._failure:
            held = self._good()
            left = held.ends_at - self._clock.monotonic() if held is not None else 0.0
            logger.warning("%s The present %s serve for another %.0f s", trouble.message, self._what, left)
        self._failure = trouble
        self._next_attempt = self._clock.monotonic() + min(PAUSE_FIRST * 2.0 ** min(self._failures, 20), PAUSE_MAX)
        self._failures += 1

    def _complaint(self) -> IamError:
        assert self._failure is not None
        if not self._failure.unsent:
            return IamError(self._failure)
        return IamError(replace(self._failure, retry_after=max(self._next_attempt - self._clock.monotonic(), 0.0)))

    def _hold(self, value: T) -> Held[T]:
        life = max(self._life_of(value), LIFE_MIN)
        now = self._clock.monotonic()
        return Held(value, now + life * (RENEW_AT - self._early()), now + life, on_trial=self._refused)
