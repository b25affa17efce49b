"""The election when somebody deletes the Lease, or writes into it, by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.runtime.election_kit import WHERE, World
from tests.runtime.fakes import unreachable
from tests.runtime.virtual_time import pass_time

from imagecache_operator.election import LEASE_DURATION


async def test_a_lease_deleted_by_hand_stays_with_its_holder(world: World) -> None:
    """The standby knows that it may still act, and the holder writes it anew."""
    first, second = await world.pair()
    world.server.delete_lease(WHERE)
    for _ in range(500):
        await asyncio.sleep(0.01)
        assert not second.leads
    assert first.leads
    assert world.spec()["holderIdentity"] == "a"


async def test_a_lease_deleted_by_hand_is_written_anew_when_that_fails_at_first(world: World) -> None:
    """The API server is away for a moment just then; its holder goes on trying, and goes on leading."""
    first, _ = await world.pair()
    world.server.fail("create_lease", unreachable(), unreachable())
    world.server.delete_lease(WHERE)
    await pass_time(9)
    assert (first.leads, len(first.terms)) == (True, 1)
    assert world.spec()["holderIdentity"] == "a"


async def test_a_lease_deleted_under_a_dead_leader_is_taken_when_its_time_is_over(world: World) -> None:
    """No sooner than it would have been without the deletion."""
    first, second = await world.pair()
    await first.kill()
    world.server.delete_lease(WHERE)
    taken = await world.until_leads(second, at_most=20)
    assert taken >= LEASE_DURATION - 0.2


async def test_a_lease_that_somebody_annotates_is_kept(world: World) -> None:
    """Its version differs then, and its holder does not."""
    first, _ = await world.pair()
    for _ in range(5):
        lease = world.server.leases[WHERE] | {"metadata": {"name": WHERE.name, "annotations": {"a": "b"}}}
        world.server.put_lease(WHERE, lease)
        await pass_time(5)
    assert (first.leads, len(first.terms)) == (True, 1)
    assert world.server.leases[WHERE]["metadata"]["annotations"] == {"a": "b"}


async def test_a_leader_whose_lease_another_holds_stops(world: World) -> None:
    """Somebody has written another holder into it."""
    first, _ = await world.pair()
    world.put(world.spec() | {"holderIdentity": "c"})
    await pass_time(2.5)
    assert not first.leads
    assert first.lost == ["c holds it now"]


WIPED_OUT = [None, {}, {"holderIdentity": ""}, {"holderIdentity": "", "leaseDurationSeconds": 15}]


@pytest.mark.parametrize("spec", WIPED_OUT, ids=str)
async def test_a_holder_that_was_wiped_out_by_hand_still_leads_alone(world: World, spec: dict[str, Any] | None) -> None:
    """As with a Lease that was deleted: only our own release says that nobody acts."""
    await world.pair()
    world.put(spec)
    for _ in range(1500):
        await asyncio.sleep(0.02)
        assert sum(replica.leads for replica in world.replicas) <= 1


@pytest.mark.parametrize("spec", WIPED_OUT, ids=str)
async def test_who_starts_in_that_moment_does_not_act_beside_it(world: World, spec: dict[str, Any] | None) -> None:
    """Its first look shows a Lease that names nobody."""
    await world.pair()
    world.put(spec)
    await world.start("c")
    for _ in range(1500):
        await asyncio.sleep(0.02)
        assert sum(replica.leads for replica in world.replicas) <= 1


async def test_odd_values_do_not_stop_the_election(world: World) -> None:
    """The counter at its end, and a duration of an hour, both written by hand."""
    world.put(world.spec() | {"leaseTransitions": 2**31 - 1})
    first = await world.start("a")
    assert first.leads
    assert world.spec()["leaseTransitions"] == 2**31 - 1
    world.put(world.spec() | {"leaseDurationSeconds": 3600})
    await pass_time(5)
    assert world.spec()["leaseDurationSeconds"] == 15
