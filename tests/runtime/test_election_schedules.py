"""The election under random schedules of all that may happen to replicas, Lease and API server."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.runtime.election_kit import WHERE, World
from tests.runtime.virtual_time import START, pass_time, settle


async def something_happens(world: World, dice: random.Random, name: str) -> None:
    """One of the things that happen to replicas."""
    replica = dice.choice(world.replicas)
    match dice.randrange(11):
        case 0 | 1:
            await (replica.kill() if dice.random() < 0.5 else replica.stop())
            await world.start(name)
        case 2:
            replica.link.cut = True
        case 3:
            replica.link.swallows = True
        case 4:
            world.clock.jump(dice.uniform(-4000, 4000))
        case 5:
            replica.link.late, replica.link.slow = dice.uniform(0, 20), dice.uniform(0, 6)
        case 6 if WHERE in world.server.leases:
            world.server.delete_lease(WHERE)
        case 7 if WHERE in world.server.leases:
            world.put(dice.choice([None, {}, {"holderIdentity": ""}, world.spec() | {"holderIdentity": None}]))
        case _:
            for other in world.replicas:
                other.link.heal()


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_one_leads_at_most(world: World, seed: int) -> None:
    """Kills, stops, cuts, silence, late writes, edits by hand, clocks that jump; and in the end one leads."""
    dice = random.Random(seed)
    for name in "abc":
        await world.start(name)
    for number in range(60):
        await something_happens(world, dice, f"r{number}")
        for _ in range(dice.randrange(1, 400)):
            await asyncio.sleep(0.05)
            assert sum(other.leads for other in world.replicas) <= 1
    for other in world.replicas:
        other.link.heal()
    await pass_time(40)
    assert sum(other.leads for other in world.replicas) == 1
    assert world.clock.monotonic() > START
    await settle()
