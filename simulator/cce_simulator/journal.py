"""The log of all API calls, kept in memory and read over the control path."""

from __future__ import annotations

import dataclasses
import itertools
import uuid
from collections import deque
from typing import Any

from cce_simulator.clock import Clock
from cce_simulator.incoming import Incoming

CAPACITY = 200_000


@dataclasses.dataclass(slots=True)
class Call:
    """One API call; filled in while it is served."""

    seq: int
    monotonic: float
    wall: float
    method: str
    path: str
    query: str
    operation: str
    cache_id: str | None
    request_id: str
    # AK or user name, as claimed, even if the claim is false; None when there is none.
    credential: str | None = None
    project: str | None = None
    # Status of the addressed cache when the call arrived, whatever the answer said.
    cache_status: str | None = None
    # HTTP status sent; None when the connection was cut before one was.
    status: int | None = None
    error_code: str | None = None
    fault: str | None = None
    # The operation was carried out on the true state, even if the answer did not say so.
    work_done: bool = False
    finished: bool = False
    duration: float = 0.0


_FIELDS = tuple(field.name for field in dataclasses.fields(Call))


class Journal:
    """Calls in order of arrival; the oldest are dropped beyond the capacity."""

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._calls: deque[Call] = deque(maxlen=capacity)
        self._numbers = itertools.count(1)
        self.total = 0

    def open(self, incoming: Incoming) -> Call:
        """Log the arrival; the call shows at once, with `finished` false."""
        call = Call(
            seq=next(self._numbers),
            monotonic=self._clock.monotonic(),
            wall=self._clock.wall(),
            method=incoming.method,
            path=incoming.path,
            query=incoming.query,
            operation=incoming.operation,
            cache_id=incoming.cache_id,
            request_id=uuid.uuid4().hex,
        )
        self._calls.append(call)
        self.total += 1
        return call

    def close(self, call: Call) -> None:
        """Log the end."""
        call.duration = self._clock.monotonic() - call.monotonic
        call.finished = True

    def since(self, number: int) -> list[dict[str, Any]]:
        """The calls with a higher sequence number."""
        return [{name: getattr(call, name) for name in _FIELDS} for call in self._calls if call.seq > number]

    def clear(self) -> None:
        """Forget the calls; the numbers go on, so that `since` stays true."""
        self._calls.clear()

    def __len__(self) -> int:
        return len(self._calls)
