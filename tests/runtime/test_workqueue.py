"""The queue of keys: what runs, when, and how often."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runtime.virtual_time import pass_time, settle
from tests.runtime.workqueue_kit import A, B, C, Passes

from imagecache_operator.imagecache import Key
from imagecache_operator.workqueue import WorkQueue


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
