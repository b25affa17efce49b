"""The election: one leads, the others stand by, and the next takes over in time."""

from __future__ import annotations

import asyncio

import pytest
from tests.runtime.election_kit import WHERE, Replica, World
from tests.runtime.virtual_time import pass_time

from imagecache_operator.election import LEASE_DURATION, RETRY_PERIOD
from imagecache_operator.kubernetes_client import KubernetesError


async def test_a_lease_that_nobody_holds_is_taken_at_once(world: World) -> None:
    """Nobody is waited for."""
    first = await world.start("a")
    assert first.leads
    assert world.spec()["holderIdentity"] == "a"


async def test_where_there_is_no_lease_its_time_is_waited_for(world: World) -> None:
    """Somebody may still act whose Lease was deleted a moment ago."""
    world.server.delete_lease(WHERE)
    first = await world.start("a")
    assert await world.until_leads(first, at_most=20) >= LEASE_DURATION - 0.2
    spec = world.spec()
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("a", 15, 0)
    assert spec["renewTime"].endswith("Z")
    assert len(spec["renewTime"].partition(".")[2]) == 7


async def test_a_leader_goes_on_leading(world: World) -> None:
    """An hour long: one write every two seconds, and the standby only listens."""
    first, second = await world.pair()
    before, transitions = world.server.calls.copy(), world.spec()["leaseTransitions"]
    await pass_time(3600)
    assert (first.leads, second.leads, len(first.terms)) == (True, False, 1)
    calls = world.server.calls - before
    assert calls["replace_lease"] == pytest.approx(3600 / RETRY_PERIOD, rel=0.02)
    assert calls["get_lease"] <= 1
    assert world.spec()["leaseTransitions"] == transitions


async def test_a_leader_that_stops_hands_over_at_once(world: World) -> None:
    """The watch tells the standby."""
    first, second = await world.pair()
    transitions = world.spec()["leaseTransitions"]
    await first.stop()
    assert not first.leads
    assert await world.until_leads(second, at_most=0.2) < 0.2
    assert (world.spec()["holderIdentity"], world.spec()["leaseTransitions"]) == ("b", transitions + 1)


async def test_without_the_right_to_watch_a_hand_over_takes_a_poll(world: World) -> None:
    """The standby then asks every two seconds."""
    first, second = await world.pair()
    third = await world.start("c")
    second.link.deaf = third.link.deaf = True
    await second.kill()
    await pass_time(10)
    await first.stop()
    assert await world.until_leads(third, at_most=3.0) <= RETRY_PERIOD + 0.2


@pytest.mark.parametrize("after", [0.1, 0.7, 1.3, 1.9])
async def test_a_leader_that_was_killed_is_followed_in_time(world: World, after: float) -> None:
    """When its Lease has not changed for 15 s on the standby's own clock."""
    first, second = await world.pair()
    await pass_time(after)
    await first.kill()
    taken = await world.until_leads(second, at_most=20)
    assert LEASE_DURATION - RETRY_PERIOD - 0.2 <= taken <= LEASE_DURATION + 0.5


async def test_without_the_right_to_watch_a_standby_is_ready(world: World) -> None:
    """It can take over, so it says so."""
    await world.pair()
    third = Replica(world.server, "c", world.clock)
    third.link.deaf = True
    world.replicas.append(third)
    await pass_time(1)
    for _ in range(100):
        await asyncio.sleep(0.3)
        assert third.election.obstacle is None


@pytest.mark.parametrize("status", [401, 403, 404, None])
async def test_a_lease_that_cannot_be_read_is_asked_for_every_two_seconds(world: World, status: int | None) -> None:
    """Also by a standby whose time to wait is over; the API server is not hammered for being away."""
    first, _ = await world.pair()
    await first.kill()
    error = KubernetesError("no", status)
    world.server.fail("get_lease", *[error] * 1000)
    world.server.fail("watch_lease", *[error] * 1000)
    await pass_time(30)
    before = world.server.calls["get_lease"]
    await pass_time(60)
    assert world.server.calls["get_lease"] - before <= 60 / RETRY_PERIOD + 2
