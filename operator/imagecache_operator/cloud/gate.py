"""What may go out under one access key: few calls at a time, and hardly any once the cloud says no.

More than five consecutive authentication failures lock an access key for five minutes, for everybody who uses it
(cce-api section 4.2). So a key is tried by one call alone until that succeeds, and after a failure there is one
attempt in five minutes until the credentials change.

Calls that hang must not blind a key: without LIST all its deletions stand still. So under a proven key a LIST waits for
nothing but other LISTs of that key: one of the key's places no other call takes, and the bound over all keys is one for
the other calls only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TypeVar

from imagecache_operator.clock import Clock, wall_offset
from imagecache_operator.cloud.transport import CONNECTIONS_MAX
from imagecache_operator.observation import Trouble, TroubleKind

IN_FLIGHT_PER_KEY = 3
"""Calls in flight under one key."""

OTHERS_PER_KEY = IN_FLIGHT_PER_KEY - 1
"""How many of them may be other than LIST."""

IN_FLIGHT = CONNECTIONS_MAX - IN_FLIGHT_PER_KEY
"""Calls other than LIST in flight under all keys: enough connections are left for the LISTs of a key."""

SLOW_LANE = 300.0
"""Seconds between two attempts after an authentication failure or a denied action."""

CLOCK_SET = 30.0
"""Seconds by which the wall clock must jump to count as set; slewing moves it by less."""

T = TypeVar("T")


class Operation(StrEnum):
    """The calls, named by the permission that they need (cce-api section 9)."""

    LIST = "cce:imageCache:list"
    GET = "cce:imageCache:get"
    CREATE = "cce:imageCache:create"
    DELETE = "cce:imageCache:delete"
    PROJECT = "iam:projects:listProjects"
    TOKEN = "iam:tokens:create"  # noqa: S105 (the name of an action)


class KeyGate:
    """Lets the calls of one set of credentials through.

    Args:
        clock: where time comes from.
        total: shared by all keys: how many calls other than LIST may be in flight in all.
    """

    def __init__(self, clock: Clock, total: asyncio.Semaphore) -> None:
        self._clock = clock
        self._total = total
        self._own = asyncio.Semaphore(IN_FLIGHT_PER_KEY)
        self._others = asyncio.Semaphore(OTHERS_PER_KEY)
        self._first = asyncio.Lock()
        self._proven = False
        self._refused: Trouble | None = None
        self._denied: dict[Operation, Trouble] = {}
        self._suspects: dict[Operation, str] = {}
        self._next_attempt: dict[Operation | None, float] = {}
        self._wall_offset = 0.0
        self._repairs = 0

    @property
    def repairs(self) -> int:
        """How often the clock was set after a signature had been refused for it; each ends the slow lane of the key."""
        if self._refused is not None and self._refused.of_clock:
            offset = wall_offset(self._clock)
            if abs(offset - self._wall_offset) > CLOCK_SET:
                self._wall_offset, self._next_attempt[None] = offset, 0.0
                self._repairs += 1
        return self._repairs

    def trouble(self, operation: Operation) -> Trouble | None:
        """Why such a call would not go out now, None when it would."""
        for lane, trouble in ((None, self._refused), (operation, self._denied.get(operation))):
            if trouble is not None and self._clock.monotonic() < self._next_attempt.get(lane, 0.0):
                return trouble
        return None

    def barred(self, operation: Operation) -> bool:
        """Whether the cloud has said no to such calls since the last one that it took, also if one may be tried."""
        return self._refused is not None or operation in self._denied

    def opens_in(self, operation: Operation) -> float:
        """Seconds until the next attempt is allowed, 0 when calls go out."""
        lanes = [lane for lane, closed in ((None, self._refused), (operation, self._denied.get(operation))) if closed]
        return max([0.0, *(self._next_attempt.get(lane, 0.0) - self._clock.monotonic() for lane in lanes)])

    def forgive(self) -> None:
        """Let denied actions be tried again at once; a key that failed to authenticate stays in the slow lane."""
        for operation in self._denied:
            self._next_attempt[operation] = 0.0

    async def run(
        self,
        operation: Operation,
        subject: str,
        call: Callable[[], Awaitable[T | Trouble]],
        trouble_in: Callable[[T | Trouble], Trouble | None],
    ) -> T | Trouble:
        """Make the call when the gate lets it through, else return why not.

        Args:
            operation: what is asked for.
            subject: what it is asked of (a cache id); a denial closes the lane once a second subject is denied, so
                that one forbidden cache does not hold up all others.
            call: makes the request.
            trouble_in: reads trouble out of its answer.
        """
        if not self._proven:
            async with self._first:
                return await self._pass(operation, subject, call, trouble_in)
        return await self._pass(operation, subject, call, trouble_in)

    async def _pass(
        self,
        operation: Operation,
        subject: str,
        call: Callable[[], Awaitable[T | Trouble]],
        trouble_in: Callable[[T | Trouble], Trouble | None],
    ) -> T | Trouble:
        async with self._place(operation):
            # Asked inside: while this call waited for its turn, another one may have been refused.
            if (closed := self.trouble(operation)) is not None:
                return closed
            self._claim_attempt(operation)
            answer = await call()
            self._learn(operation, subject, trouble_in(answer))
            return answer

    @asynccontextmanager
    async def _place(self, operation: Operation) -> AsyncIterator[None]:
        """A place among the calls in flight."""
        if operation is Operation.LIST:
            async with self._own:
                yield
        else:
            # In this order, whoever waits for one of them keeps no LIST from the key's last place.
            async with self._others, self._own, self._total:
                yield

    def _claim_attempt(self, operation: Operation) -> None:
        """While a lane is slow, this call is the one attempt of its five minutes."""
        until = self._clock.monotonic() + SLOW_LANE
        if self._refused is not None:
            self._next_attempt[None] = until
        if operation in self._denied:
            self._next_attempt[operation] = until

    def _learn(self, operation: Operation, subject: str, trouble: Trouble | None) -> None:
        until = self._clock.monotonic() + SLOW_LANE
        if trouble is not None and trouble.unsent:
            return
        if trouble is not None and trouble.kind is TroubleKind.CREDENTIALS_INVALID:
            self._refused, self._proven = trouble, False
            self._next_attempt[None] = until
            self._wall_offset = wall_offset(self._clock)
            # `Gates` holds it for its users alone; the slow lane must outlive them (a term, an object).
            asyncio.get_running_loop().call_later(SLOW_LANE, _until_now, self)
        elif trouble is not None and trouble.kind is TroubleKind.ACCESS_DENIED:
            self._refused = None
            if self._suspects.setdefault(operation, subject) != subject or operation is Operation.LIST:
                self._denied[operation] = trouble
                self._next_attempt[operation] = until
        elif trouble is None:
            self._proven, self._refused = True, None
            self._denied.pop(operation, None)
            self._suspects.pop(operation, None)


def _until_now(_gate: KeyGate) -> None:
    """Keeps the gate alive until then."""
