"""Terms that come and go in one process: nothing of a former one acts, and what was learnt of keys stays."""

from __future__ import annotations

import asyncio
import gc

import pytest
from tests.runtime.term_kit import is_of_the_server, means_of_a_term

from imagecache_operator.cloud.gate import Operation
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.term import Term

REAL_TIME = True


async def test_a_term_that_ends_as_its_first_list_arrives_does_not_act(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes between the stop of the queue and the end of the task that would start it."""
    async with means_of_a_term() as (servers, means):
        term = Term(means)
        answered, stop = asyncio.Event(), term._accounts.stop

        async def complete() -> None:
            await answered.wait()

        async def answered_meanwhile() -> None:
            await stop()
            answered.set()

        monkeypatch.setattr(term._relister, "complete", complete)
        monkeypatch.setattr(term._accounts, "stop", answered_meanwhile)
        for body in servers.objects:
            term._reconciler.objects.upsert(body)
        acting = asyncio.create_task(term.run())
        await asyncio.sleep(0.05)
        acting.cancel()
        await asyncio.wait({acting})
        before = servers.asked.total()
        await asyncio.sleep(0.5)  # so long for one that acts all the same
        assert servers.asked.total() == before


async def test_a_term_that_ends_takes_its_gauges_along() -> None:
    """The next leader tells of the objects; who leads no more would only repeat how it was."""
    async with means_of_a_term() as (_, means):
        acting = asyncio.create_task(Term(means).run())
        await asyncio.sleep(0)
        depth = "imagecache_operator_queue_depth"
        assert means.metrics.registry.get_sample_value(depth) == 0
        acting.cancel()
        await asyncio.wait({acting})
        assert means.metrics.registry.get_sample_value(depth) is None


async def test_a_bad_key_stays_spared_in_the_next_term() -> None:
    """It locks after a few failures, for everybody who uses it, however often the Lease changes hands."""
    async with means_of_a_term() as (_, means):

        async def refused() -> Trouble:
            return Trouble(TroubleKind.CREDENTIALS_INVALID, "401")

        gate = Term(means)._credentials._sessions._gate_of(means.source.current())
        await gate.run(Operation.LIST, "", refused, lambda answer: answer)
        del gate
        gc.collect()
        next_gate = Term(means)._credentials._sessions._gate_of(means.source.current())
        assert next_gate.trouble(Operation.LIST) is not None


async def test_a_term_that_ended_leaves_nothing_behind() -> None:
    """No task of it goes on, wherever it was: the next term in the same process may be under way already."""
    async with means_of_a_term() as (servers, means):
        before = asyncio.all_tasks()
        for pause in (0.0, 0.01, 0.05, 0.1, 0.3, 1.0):
            acting = asyncio.create_task(Term(means).run())
            await asyncio.sleep(pause)
            acting.cancel()
            await asyncio.wait({acting})
            assert [task for task in asyncio.all_tasks() - before if not is_of_the_server(task)] == []
        assert servers.asked["GET /apis/cce.huaweicloud.com/v1alpha1/imagecaches"]
