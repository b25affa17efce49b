"""Faults on schedule: which call is hit, and by what."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Literal, get_args

from cce_simulator.clock import Clock
from cce_simulator.errors import ErrorShape
from cce_simulator.journal import Call
from cce_simulator.parsing import Fields

Kind = Literal[
    "lost_answer",
    "refused",
    "slow",
    "hang",
    "truncated",
    "status",
    "html",
    "gateway_404",
    "redirect",
    "empty_200",
    "garbage",
    "wrong_shape",
    "stale_reads",
    "stale_list_drop",
    "unauthorized",
]
Variant = Literal["missing_key", "error_in_200", "array", "null", "wrong_types"]

# Kinds that carry the work out unless told otherwise; the others answer in its stead.
_WORKING = frozenset({"lost_answer", "truncated"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """One fault as it was ordered; a field that does not concern the kind is ignored."""

    kind: Kind
    # Which calls: those that agree with every condition given here.
    operation: str | None = None
    method: str | None = None
    cache_id: str | None = None
    credential: str | None = None
    # Let so many matching calls pass first.
    skip: int = 0
    # Hit so many calls; None: no bound.
    times: int | None = None
    # Begin so many seconds after the order. Seconds of faults are never scaled.
    after_seconds: float = 0.0
    # Last so many seconds from the beginning; None: no bound.
    for_seconds: float | None = None
    # slow: the delay. hang: the longest hold, 0 for until the client leaves. stale_reads: the age.
    seconds: float = 1.0
    # slow: delay before or after the work.
    when: Literal["before", "after"] = "before"
    # Whether the work is done behind the fault.
    work: bool = False
    # status and html: the HTTP status.
    status: int = 500
    shape: ErrorShape = "gateway"
    code: str | None = None
    message: str | None = None
    # Text of the Retry-After header, as it stands.
    retry_after: str | None = None
    location: str = "http://127.0.0.1:9/elsewhere"
    # truncated: cut the connection in mid-body, or send a complete answer that holds half the body.
    cut: Literal["connection", "content"] = "connection"
    variant: Variant = "missing_key"
    # stale_list_drop: these are left out of lists.
    ids: tuple[str, ...] = ()


@dataclasses.dataclass(slots=True)
class Ordered:
    """A fault in the queue, with its counters."""

    number: int
    spec: FaultSpec
    since: float
    until: float | None
    passed: int = 0
    hits: int = 0

    def matches(self, call: Call) -> bool:
        """Tell whether it concerns the call."""
        spec = self.spec
        return (
            spec.operation in {None, call.operation}
            and spec.method in {None, call.method}
            and spec.cache_id in {None, call.cache_id}
            and spec.credential in {None, call.credential}
        )

    def is_spent(self, now: float) -> bool:
        """Tell whether it will hit nothing any more."""
        used_up = self.spec.times is not None and self.hits >= self.spec.times
        return used_up or (self.until is not None and now >= self.until)


class Faults:
    """The queue. The first fault that concerns a call hits it, alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._queue: list[Ordered] = []
        self._paused_until: float | None = None
        self._paused = False

    def order(self, spec: FaultSpec) -> Ordered:
        """Put a fault at the end."""
        since = self._clock.monotonic() + spec.after_seconds
        until = None if spec.for_seconds is None else since + spec.for_seconds
        ordered = Ordered(next(self._numbers), spec, since, until)
        self._queue.append(ordered)
        return ordered

    def pick(self, call: Call) -> FaultSpec | None:
        """The fault that hits this call, counted."""
        if not self._queue:
            return None
        now = self._clock.monotonic()
        self._queue = [ordered for ordered in self._queue if not ordered.is_spent(now)]
        for ordered in self._queue:
            if now < ordered.since or not ordered.matches(call):
                continue
            if ordered.passed < ordered.spec.skip:
                ordered.passed += 1
                continue
            ordered.hits += 1
            return ordered.spec
        return None

    def clear(self, number: int | None = None) -> int:
        """Take back one fault or all; tells how many."""
        kept = [ordered for ordered in self._queue if number is not None and ordered.number != number]
        removed = len(self._queue) - len(kept)
        self._queue = kept
        return removed

    def pause(self, seconds: float | None) -> None:
        """Close every API connection at once: for a time, until told otherwise (None), or no longer (0)."""
        self._paused = seconds is None or seconds > 0
        self._paused_until = None if seconds is None else self._clock.monotonic() + seconds

    def is_paused(self) -> bool:
        """Tell whether API connections are closed at once."""
        if self._paused and self._paused_until is not None and self._clock.monotonic() >= self._paused_until:
            self._paused = False
        return self._paused

    def as_json(self) -> list[dict[str, Any]]:
        """The faults that can still hit."""
        now = self._clock.monotonic()
        return [
            {"id": ordered.number, "hits": ordered.hits, "passed": ordered.passed} | dataclasses.asdict(ordered.spec)
            for ordered in self._queue
            if not ordered.is_spent(now)
        ]


def parse_fault(fields: Fields) -> FaultSpec:
    """Read a fault."""
    kind: Kind = fields.choice("kind", get_args(Kind), None)
    spec = FaultSpec(
        kind=kind,
        operation=fields.optional_text("operation"),
        method=fields.optional_text("method"),
        cache_id=fields.optional_text("cache_id"),
        credential=fields.optional_text("credential"),
        skip=fields.integer("skip", 0),
        times=fields.optional_integer("times"),
        after_seconds=fields.number("after_seconds", 0.0),
        for_seconds=fields.optional_number("for_seconds"),
        seconds=fields.number("seconds", 0.0 if kind == "hang" else 1.0),
        when=fields.choice("when", ("before", "after"), "before"),
        work=fields.flag("work", kind in _WORKING),
        status=fields.integer("status", 502 if kind == "html" else 500, minimum=200),
        shape=fields.choice("shape", get_args(ErrorShape), "gateway"),
        code=fields.optional_text("code"),
        message=fields.optional_text("message"),
        retry_after=fields.optional_text("retry_after"),
        location=fields.text("location", "http://127.0.0.1:9/elsewhere"),
        cut=fields.choice("cut", ("connection", "content"), "connection"),
        variant=fields.choice("variant", get_args(Variant), "missing_key"),
        ids=fields.texts("ids"),
    )
    fields.done()
    return spec
