"""The election when the API server is away, slow or silent, and when a leader was frozen."""

from __future__ import annotations

import asyncio

import pytest
from tests.runtime.election_kit import Replica, World
from tests.runtime.virtual_time import pass_time

from imagecache_operator.election import LEASE_DURATION, RENEW_DEADLINE, RETRY_PERIOD


@pytest.mark.parametrize("fault", ["cut", "swallows"])
async def test_a_leader_that_is_cut_off_stops_before_the_next_begins(world: World, fault: str) -> None:
    """Ten seconds after its last good renewal was begun, whether the API server refuses or is silent."""
    first, second = await world.pair()
    setattr(first.link, fault, True)
    begun = world.clock.monotonic()
    for _ in range(2000):
        await asyncio.sleep(0.01)
        if not first.leads:
            break
    stopped = world.clock.monotonic() - begun
    assert RENEW_DEADLINE - RETRY_PERIOD - 0.1 <= stopped <= RENEW_DEADLINE + 0.1
    taken = await world.until_leads(second, at_most=20)
    assert taken >= LEASE_DURATION - RENEW_DEADLINE - 0.2
    assert "could not be renewed for 10 s" in first.lost[0]
    setattr(first.link, fault, False)
    await pass_time(60)
    assert (first.leads, second.leads) == (False, True)


async def test_an_outage_of_seconds_changes_nothing(world: World) -> None:
    """The API server is away for less than the deadline."""
    first, second = await world.pair()
    for _ in range(20):
        first.link.cut = second.link.cut = True
        await pass_time(5.5)
        first.link.cut = second.link.cut = False
        await pass_time(5)
    assert (first.leads, second.leads, len(first.terms)) == (True, False, 1)


async def test_when_the_api_server_was_away_for_all_one_leads_again(world: World) -> None:
    """Nobody acts meanwhile, and nobody needs a restart."""
    first, second = await world.pair()
    first.link.cut = second.link.cut = True
    await pass_time(60)
    assert (first.leads, second.leads) == (False, False)
    assert second.election.obstacle is not None
    first.link.cut = second.link.cut = False
    await pass_time(20)
    assert first.leads != second.leads
    assert second.election.obstacle is None


async def test_a_frozen_leader_does_not_lead_when_it_thaws(world: World) -> None:
    """Its own clock tells it, before it has asked anybody."""
    first, second = await world.pair()
    await first.kill()  # nothing of it runs any more, and then its clock is asked
    await pass_time(RENEW_DEADLINE - RETRY_PERIOD - 0.5)
    assert first.leads
    await pass_time(RETRY_PERIOD + 0.6)
    assert not first.leads
    await world.until_leads(second, at_most=20)


@pytest.mark.parametrize("during", ["the taking", "a renewal"])
async def test_a_stop_in_the_middle_of_a_write_hands_over(world: World, during: str) -> None:
    """The write that was cut off has been carried out: the Lease is read again, and handed back."""
    first = Replica(world.server, "a", world.clock)
    first.link.slow = 0.5
    world.replicas.append(first)
    await pass_time(0.2)
    assert world.spec()["holderIdentity"] == "a"
    if during == "a renewal":
        await pass_time(2.4)
        assert first.leads
    await first.stop()
    second = await world.start("b")
    assert await world.until_leads(second, at_most=20) <= 2.0


async def test_a_stop_right_after_an_outage_hands_over(world: World) -> None:
    """It leads no more, and the Lease still names it: nobody waits for it."""
    first, second = await world.pair()
    first.link.cut = True
    await pass_time(RENEW_DEADLINE)
    assert not first.leads
    first.link.cut = False
    await first.stop()
    assert await world.until_leads(second, at_most=20) < 0.2


async def test_a_standby_that_led_before_takes_nothing_back(world: World) -> None:
    """What it hands back at its end is its own Lease alone."""
    first, second = await world.pair()
    first.link.cut = True
    await world.until_leads(second, at_most=40)
    first.link.cut = False
    await pass_time(5)
    await first.stop()
    await pass_time(5)
    assert (second.leads, world.spec()["holderIdentity"], len(second.terms)) == (True, "b", 1)


@pytest.mark.parametrize("late", [5.0, 12.0, 20.0])
async def test_a_renewal_that_arrives_late_takes_the_lease_from_nobody(world: World, late: float) -> None:
    """It was given up long ago; whoever leads by then goes on, and one that waits has waited for it."""
    first, second = await world.pair()
    first.link.late = late
    await pass_time(RETRY_PERIOD)
    await first.kill()
    await world.until_leads(second, at_most=LEASE_DURATION + late + 1)
    for _ in range(1000):
        await asyncio.sleep(0.05)
        assert (first.leads, second.leads) == (False, True)
