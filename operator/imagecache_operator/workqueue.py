"""A queue of keys, as controllers have them: each key once, never worked on twice at a time, delays that merge.

A key that is marked due while it is being worked on runs once more afterwards. Failures of one key back off without
delaying others.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable

from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesError
from imagecache_operator.vitals import PASS_MAX

BACKOFF_FIRST, BACKOFF_MAX = 1.0, 300.0
"""Seconds after the first failure of a key, doubling up to the second figure; jitter takes up to a fifth off."""

logger = logging.getLogger(__name__)

Work = Callable[[Key], Awaitable[float | None]]
"""One pass over a key; returns after how many seconds to come back, None for not before something happens."""


class WorkQueue:
    """Runs `work` for the keys that are due, at most `workers` at a time."""

    def __init__(self, work: Work, *, workers: int = 50) -> None:
        self._work = work
        self._free = workers
        self._due: deque[Key] = deque()
        self._waiting: set[Key] = set()
        self._again: set[Key] = set()
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._began: dict[Key, float] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._open = False

    def __len__(self) -> int:
        """How many keys are due or being worked on."""
        return len(self._due) + len(self._running)

    def wrong(self) -> str | None:
        """That a pass never ends, None while all do."""
        began = min(self._began.values(), default=None)
        taken = asyncio.get_running_loop().time() - began if began is not None else 0.0
        return None if taken <= PASS_MAX else f"A pass over an object has not ended for {taken:.0f} s."

    def start(self) -> None:
        """Begin to work; keys marked due before wait until then."""
        self._open = True
        self._dispatch()

    async def stop(self, grace: float) -> None:
        """Start nothing any more, and give running passes `grace` seconds to end."""
        self._open = False
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def mark_due(self, key: Key) -> None:
        """Have the key worked on as soon as a worker is free."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._due.append(key)
            self._dispatch()

    def mark_due_in(self, key: Key, seconds: float) -> None:
        """Have the key worked on in that time, or sooner when it was to be sooner already."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(seconds, 0.0)
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._timer_rang, key)

    def forget(self, key: Key) -> None:
        """Drop what is planned for a key that is gone."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        self._failures.pop(key, None)
        self._again.discard(key)

    def reset_backoff(self, key: Key) -> None:
        """Let the next failure of the key count as the first."""
        self._failures.pop(key, None)

    def _timer_rang(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.mark_due(key)

    def _dispatch(self) -> None:
        while self._open and self._due and len(self._running) < self._free:
            key = self._due.popleft()
            self._waiting.discard(key)
            task = asyncio.get_running_loop().create_task(self._run(key), name=f"reconcile {key}")
            self._running[key] = task
            self._began[key] = asyncio.get_running_loop().time()

    async def _run(self, key: Key) -> None:
        try:
            requeue_after = await self._work(key)
        except Exception as error:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            requeue_after = min(BACKOFF_FIRST * 2 ** min(failures, 20), BACKOFF_MAX) * random.uniform(0.8, 1.0)  # noqa: S311 (jitter)
            logger.error(  # noqa: TRY400 (exc_info below)
                "Reconciling failed; again in %.1f s: %s",
                requeue_after,
                error,
                extra={"object": str(key)},
                # What the API server refuses is no fault of the code, and its words say all.
                exc_info=not isinstance(error, KubernetesError),
            )
        else:
            self._failures.pop(key, None)
        finally:
            self._running.pop(key, None)
            self._began.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.mark_due(key)
        elif requeue_after is not None and self._open:
            self.mark_due_in(key, requeue_after)
        self._dispatch()
