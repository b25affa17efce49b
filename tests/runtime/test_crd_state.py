"""Whether the CRD is being deleted: one read serves many, but only those who asked before it began."""

from __future__ import annotations

import asyncio

import pytest
from tests.runtime.fakes import FakeKubernetes, unreachable
from tests.runtime.virtual_time import LoopClock, pass_time, settle

from imagecache_operator.crd_state import CrdReader
from imagecache_operator.decision import Crd
from imagecache_operator.kubernetes_client import KubernetesError, NotFoundError


@pytest.fixture
def kubernetes() -> FakeKubernetes:
    """The API server, with a CRD that lives."""
    return FakeKubernetes()


@pytest.fixture
def reader(kubernetes: FakeKubernetes, clock: LoopClock) -> CrdReader:
    """The reader."""
    return CrdReader(kubernetes, clock)


@pytest.mark.parametrize(
    ("metadata", "state"),
    [
        pytest.param({"name": "x"}, Crd.ALIVE, id="no deletionTimestamp"),
        pytest.param({"deletionTimestamp": None}, Crd.ALIVE, id="an empty deletionTimestamp"),
        pytest.param({"deletionTimestamp": "2026-03-01T12:00:00Z"}, Crd.DELETING, id="a deletionTimestamp"),
    ],
)
async def test_what_the_crd_says(
    reader: CrdReader, kubernetes: FakeKubernetes, metadata: dict[str, object], state: Crd
) -> None:
    """Its deletionTimestamp decides."""
    kubernetes.crd = {"metadata": metadata}
    assert await reader.read(since=999.0) is state


async def test_one_read_serves_all_deletions_that_were_seen_before_it(
    reader: CrdReader, kubernetes: FakeKubernetes, clock: LoopClock
) -> None:
    """A namespace with a thousand objects costs one GET."""
    seen = [clock.monotonic() + number / 1000 for number in range(1000)]
    await pass_time(2)
    assert await asyncio.gather(*(reader.read(since) for since in seen)) == [Crd.ALIVE] * 1000
    await pass_time(3600)
    assert await reader.read(seen[0]) is Crd.ALIVE
    assert kubernetes.calls["get_crd"] == 1


async def test_a_deletion_seen_after_the_read_began_is_read_for_again(
    reader: CrdReader, kubernetes: FakeKubernetes, clock: LoopClock
) -> None:
    """The read may be older than the deletion of the CRD that came right before the object's."""
    hold = kubernetes.holds["get_crd"] = asyncio.Event()
    before = clock.monotonic()
    await pass_time(1)
    first = asyncio.create_task(reader.read(before))
    await pass_time(1)
    kubernetes.crd = {"metadata": {"deletionTimestamp": "2026-03-01T12:00:00Z"}}
    second = asyncio.create_task(reader.read(clock.monotonic()))
    await pass_time(1)
    hold.set()
    await asyncio.gather(first, second)
    assert second.result() is Crd.DELETING
    assert kubernetes.calls["get_crd"] == 2


async def test_a_read_that_began_in_the_same_moment_does_not_count(
    reader: CrdReader, kubernetes: FakeKubernetes, clock: LoopClock
) -> None:
    """Later means later."""
    now = clock.monotonic()
    await reader.read(now - 1)
    await reader.read(now)
    assert kubernetes.calls["get_crd"] == 2


@pytest.mark.parametrize(
    "error",
    [unreachable(), KubernetesError("forbidden", 403), KubernetesError("404 page not found", 404)],
    ids=["unreachable", "forbidden", "a proxy's 404"],
)
async def test_what_cannot_be_read_is_unreadable_and_read_again(
    reader: CrdReader,
    kubernetes: FakeKubernetes,
    clock: LoopClock,
    caplog: pytest.LogCaptureFixture,
    error: KubernetesError,
) -> None:
    """Also for a deletion that the failed read would have served; the log says once that deletions wait."""
    for _ in range(2):
        since = clock.monotonic()
        kubernetes.fail("get_crd", error, error)
        for _ in range(2):
            await pass_time(2)
            assert await reader.read(since) is Crd.UNREADABLE
        await pass_time(2)
        assert await reader.read(since) is Crd.ALIVE
        [message] = caplog.messages
        assert "deletions wait" in message
        caplog.clear()


async def test_a_crd_that_is_gone_was_deleted(reader: CrdReader, kubernetes: FakeKubernetes) -> None:
    """The API server's own 404 is as good as a deletionTimestamp."""
    kubernetes.fail("get_crd", NotFoundError("no such CRD", 404))
    assert await reader.read(since=999.0) is Crd.DELETING


async def test_one_failed_read_answers_all_who_wait_for_it(
    reader: CrdReader, kubernetes: FakeKubernetes, clock: LoopClock
) -> None:
    """They do not ask one after the other while the API server is down; those who come later do."""
    hold = kubernetes.holds["get_crd"] = asyncio.Event()
    kubernetes.fail("get_crd", *(unreachable() for _ in range(3)))
    seen = clock.monotonic()
    await pass_time(1)
    waiting = [asyncio.create_task(reader.read(seen)) for _ in range(50)]
    await pass_time(1)
    later = asyncio.create_task(reader.read(seen))
    await settle()
    hold.set()
    await asyncio.gather(*waiting, later)
    assert {task.result() for task in waiting} == {Crd.UNREADABLE}
    assert kubernetes.calls["get_crd"] == 2
