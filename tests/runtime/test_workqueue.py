"""The queue of keys: what runs, when, and how often."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runtime.virtual_time import LoopClock, pass_time, settle

from imagecache_operator.resource import Key
from imagecache_operator.workqueue import BACKOFF_FIRST, BACKOFF_MAX, WorkQueue

A, B, C = Key("ns", "a"), Key("ns", "b"), Key("ns", "c")


class Passes:
    """Work that records when it ran; a test holds it, makes it fail, or says when it is to come back."""

    def __init__(self) -> None:
        self.begun: list[tuple[float, Key]] = []
        self.running: Counter[Key] = Counter()
        self.most = self.most_of_one = 0
        self.ended: list[Key] = []
        self.cancelled: list[Key] = []
        self.holds: dict[Key, asyncio.Event] = {}
        self.failing: set[Key] = set()
        self.comes_back: dict[Key, float] = {}
        self.during: Callable[[Key], None] = lambda _key: None

    async def __call__(self, key: Key) -> float | None:
        """One pass."""
        self.begun.append((asyncio.get_running_loop().time(), key))
        self.running[key] += 1
        self.most = max(self.most, self.running.total())
        self.most_of_one = max(self.most_of_one, self.running[key])
        try:
            self.during(key)
            if key in self.holds:
                await self.holds[key].wait()
            if key in self.failing:
                raise RuntimeError("made to fail")
        except asyncio.CancelledError:
            self.cancelled.append(key)
            raise
        finally:
            self.running[key] -= 1
        self.ended.append(key)
        return self.comes_back.pop(key, None)

    def hold(self, key: Key) -> asyncio.Event:
        """Let passes over the key hang until the event is set."""
        self.holds[key] = asyncio.Event()
        return self.holds[key]

    def times(self, key: Key) -> list[float]:
        """When passes over the key began."""
        return [moment for moment, ran in self.begun if ran == key]

    def pauses(self, key: Key) -> list[float]:
        """Seconds between passes over the key."""
        times = self.times(key)
        return [after - before for before, after in pairwise(times)]


@pytest.fixture
def passes() -> Passes:
    """Work that records."""
    return Passes()


async def test_nothing_runs_before_the_start(passes: Passes) -> None:
    """What is marked due earlier waits for the start, and is not lost."""
    queue = WorkQueue(passes)
    queue.mark_due(A)
    await pass_time(60)
    assert (passes.begun, len(queue)) == ([], 1)
    queue.start()
    await settle()
    assert passes.ended == [A]


async def test_a_key_that_is_due_many_times_runs_once(passes: Passes) -> None:
    """Marks merge while the key waits for a worker."""
    queue = WorkQueue(passes)
    for _ in range(5):
        queue.mark_due(A)
    queue.start()
    await pass_time(3600)
    assert passes.ended == [A]


async def test_keys_run_in_the_order_in_which_they_became_due(passes: Passes) -> None:
    """First come, first served, and a second mark does not jump the queue."""
    queue = WorkQueue(passes, workers=1)
    for key in (B, A, B, C, A):
        queue.mark_due(key)
    queue.start()
    await settle()
    assert passes.ended == [B, A, C]


async def test_due_again_while_running_runs_once_more(passes: Passes) -> None:
    """Any number of marks during a pass lead to one more pass after it, not beside it."""
    queue = WorkQueue(passes)
    gate = passes.hold(A)
    queue.start()
    queue.mark_due(A)
    await settle()
    for _ in range(3):
        queue.mark_due(A)
    await settle()
    assert len(passes.begun) == 1
    gate.set()
    await pass_time(3600)
    assert (passes.ended, passes.most_of_one) == ([A, A], 1)


async def test_a_pass_that_marks_its_own_key_due_runs_once_more(passes: Passes) -> None:
    """A patch's answer is news of the object itself."""
    queue = WorkQueue(passes)
    passes.during = lambda key: queue.mark_due(key) if len(passes.begun) == 1 else None
    queue.start()
    queue.mark_due(A)
    await pass_time(3600)
    assert passes.ended == [A, A]


@pytest.mark.parametrize("workers", [1, 2, 50])
async def test_no_more_passes_at_a_time_than_workers(passes: Passes, workers: int) -> None:
    """The limit holds, is used, and all keys get their turn."""
    queue = WorkQueue(passes, workers=workers)
    keys = [Key("ns", f"k{number}") for number in range(120)]
    gates = [passes.hold(key) for key in keys]
    queue.start()
    for key in keys:
        queue.mark_due(key)
    await settle()
    assert passes.running.total() == workers
    assert len(queue) == 120
    for gate in gates:
        gate.set()
    await settle()
    assert (passes.most, len(passes.ended), len(queue)) == (workers, 120, 0)


@pytest.mark.parametrize(
    ("delays", "runs_at"),
    [
        pytest.param([30.0, 10.0, 20.0], 10.0, id="the soonest of several"),
        pytest.param([10.0, 30.0], 10.0, id="a later one changes nothing"),
        pytest.param([0.0], 0.0, id="zero is at once"),
        pytest.param([-5.0], 0.0, id="a time that has passed is at once"),
    ],
)
async def test_delays_of_a_key_merge_to_the_soonest(passes: Passes, delays: list[float], runs_at: float) -> None:
    """One timer per key."""
    queue = WorkQueue(passes)
    queue.start()
    begun = asyncio.get_running_loop().time()
    for delay in delays:
        queue.mark_due_in(A, delay)
    await pass_time(3600)
    assert passes.times(A) == pytest.approx([begun + runs_at])


async def test_due_now_replaces_a_delay(passes: Passes) -> None:
    """A key that ran because of an event does not run again for the timer that it had before."""
    queue = WorkQueue(passes)
    queue.start()
    queue.mark_due_in(A, 30.0)
    queue.mark_due(A)
    await pass_time(3600)
    assert passes.ended == [A]


async def test_the_pass_says_when_to_come_back(passes: Passes) -> None:
    """The number that a pass returns is the delay of the next one; None is no next one."""
    passes.comes_back[A] = 25.0
    queue = WorkQueue(passes)
    queue.start()
    queue.mark_due(A)
    await pass_time(3600)
    assert passes.pauses(A) == pytest.approx([25.0])


async def test_a_delay_asked_for_during_the_pass_merges_with_its_answer(passes: Passes) -> None:
    """The sooner of both."""
    queue = WorkQueue(passes)
    passes.comes_back[A] = 25.0
    passes.during = lambda key: queue.mark_due_in(key, 5.0) if len(passes.begun) == 1 else None
    queue.start()
    queue.mark_due(A)
    await pass_time(3600)
    assert passes.pauses(A) == pytest.approx([5.0])


async def test_failures_back_off_from_one_second_to_five_minutes(passes: Passes) -> None:
    """Doubling; the jitter takes up to a fifth off, so that many keys do not come back in one moment."""
    passes.failing.add(A)
    queue = WorkQueue(passes)
    queue.start()
    queue.mark_due(A)
    await pass_time(3600)
    pauses = passes.pauses(A)
    full = [min(BACKOFF_FIRST * 2**number, BACKOFF_MAX) for number in range(len(pauses))]
    assert full[:3] == [1.0, 2.0, 4.0]
    assert full[-1] == BACKOFF_MAX == 300.0
    for pause, most in zip(pauses, full, strict=True):
        assert 0.8 * most - 1e-6 <= pause <= most + 1e-6
    assert len({round(pause / most, 6) for pause, most in zip(pauses, full, strict=True)}) > 1


async def test_a_failing_key_delays_no_other(passes: Passes) -> None:
    """Others run at once, also with a single worker."""
    passes.failing.add(A)
    queue = WorkQueue(passes, workers=1)
    queue.start()
    queue.mark_due(A)
    await pass_time(100)
    moment = asyncio.get_running_loop().time()
    queue.mark_due(B)
    await settle()
    assert passes.times(B) == pytest.approx([moment])
    assert passes.ended == [B]


@pytest.mark.parametrize("how", ["success", "reset_backoff", "forget"])
async def test_what_ends_a_back_off(passes: Passes, how: str) -> None:
    """After a success, a person's word, or the object's end, the next failure counts as the first."""
    passes.failing.add(A)
    queue = WorkQueue(passes)
    queue.start()
    queue.mark_due(A)
    await pass_time(1000)
    match how:
        case "success":
            passes.failing.clear()
            queue.mark_due(A)
            await settle()
            passes.failing.add(A)
        case "reset_backoff":
            queue.reset_backoff(A)
        case "forget":
            queue.forget(A)
    passes.begun.clear()
    queue.mark_due(A)
    await pass_time(2.5)
    assert 0.8 <= passes.pauses(A)[0] <= 1.0 + 1e-6


async def test_an_event_ends_the_pause_after_a_failure(passes: Passes) -> None:
    """News are looked at at once; it may be what repairs the failure."""
    passes.failing.add(A)
    queue = WorkQueue(passes)
    queue.start()
    queue.mark_due(A)
    await pass_time(200)
    failures = len(passes.begun)
    passes.failing.clear()
    queue.mark_due(A)
    await settle()
    assert len(passes.begun) == failures + 1
    await pass_time(3600)
    assert len(passes.begun) == failures + 1


async def test_a_forgotten_key_does_not_come_back(passes: Passes) -> None:
    """Neither for its timer nor for the mark that it got while it ran."""
    queue = WorkQueue(passes)
    queue.start()
    queue.mark_due_in(A, 10.0)
    gate = passes.hold(B)
    queue.mark_due(B)
    await settle()
    queue.mark_due(B)
    queue.forget(A)
    queue.forget(B)
    gate.set()
    await pass_time(3600)
    assert passes.ended == [B]


async def test_stop_lets_running_passes_end(passes: Passes) -> None:
    """A pass that ends within the grace is not cancelled, and nothing starts any more."""
    queue = WorkQueue(passes, workers=1)
    gate = passes.hold(A)
    queue.start()
    queue.mark_due(A)
    queue.mark_due(B)
    queue.mark_due_in(C, 1.0)
    await settle()
    queue.mark_due(A)
    asyncio.get_running_loop().call_later(1.0, gate.set)
    await queue.stop(grace=1.5)
    await pass_time(3600)
    assert (passes.ended, passes.cancelled) == ([A], [])
    assert len(passes.begun) == 1


async def test_stop_cancels_what_outlasts_the_grace(passes: Passes) -> None:
    """The end comes after the grace, not before and not later."""
    queue = WorkQueue(passes)
    passes.hold(A)
    queue.start()
    queue.mark_due(A)
    await settle()
    before = asyncio.get_running_loop().time()
    await queue.stop(grace=1.5)
    assert asyncio.get_running_loop().time() - before == pytest.approx(1.5)
    assert passes.cancelled == [A]


async def test_stop_with_nothing_running_is_at_once(clock: LoopClock, passes: Passes) -> None:
    """No grace is waited for when nothing runs."""
    queue = WorkQueue(passes)
    queue.start()
    before = clock.monotonic()
    await queue.stop(grace=1.5)
    assert clock.monotonic() == before


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), workers=st.integers(1, 4))
async def test_any_schedule_of_marks_is_served(seed: int, workers: int) -> None:
    """Whatever happens in which order: never twice at a time, and each mark is followed by a begun pass."""
    dice = random.Random(seed)
    passes, keys = Passes(), [A, B, C]
    queue = WorkQueue(passes, workers=workers)
    queue.start()
    marked: dict[Key, float] = {}
    for _ in range(40):
        key = dice.choice(keys)
        match dice.randrange(4):
            case 0 | 1:
                queue.mark_due(key)
                marked[key] = asyncio.get_running_loop().time()
            case 2 if key not in passes.holds:
                passes.hold(key)
            case _:
                if (gate := passes.holds.pop(key, None)) is not None:
                    gate.set()
                passes.failing ^= {key}
        await pass_time(dice.choice([0.0, 0.0, 0.5, 400.0]))
    passes.failing.clear()
    for gate in passes.holds.values():
        gate.set()
    passes.holds.clear()
    await pass_time(1000)
    assert passes.most <= workers
    assert passes.most_of_one == 1
    for key, moment in marked.items():
        assert max(passes.times(key)) >= moment
    assert len(queue) == 0
