"""Failures of a key: how they back off, and what ends that; and the end of the queue."""

from __future__ import annotations

import asyncio

import pytest
from tests.runtime.virtual_time import LoopClock, pass_time, settle
from tests.runtime.workqueue_kit import A, B, C, Passes

from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesError
from imagecache_operator.workqueue import BACKOFF_FIRST, BACKOFF_MAX, WorkQueue


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


@pytest.mark.parametrize(
    ("error", "traced"),
    [(KubernetesError("PATCH /x: 403 Forbidden", 403), False), (ValueError("a fault"), True)],
    ids=["the API server refuses", "a fault of ours"],
)
async def test_a_failure_is_told_with_its_key(caplog: pytest.LogCaptureFixture, error: Exception, traced: bool) -> None:
    """What the API server says is one sentence; a trace is for faults of the code."""

    async def fails(_: Key) -> None:
        raise error

    queue = WorkQueue(fails)
    queue.start()
    queue.mark_due(A)
    await settle()
    await queue.stop(0.0)
    [record] = caplog.records
    assert record.getMessage().endswith(f" s: {error}")
    assert (record.levelname, vars(record)["object"], bool(record.exc_info)) == ("ERROR", str(A), traced)


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
