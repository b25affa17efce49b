"""Random schedules for objects that create: no twins, nothing left behind or deleted twice, and everything settles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from tests.schedules.building_world import BuildingWorld
from tests.schedules.world import wait_until

from imagecache_operator.imagecache import Key

SCHEDULES = 150
STEPS = 25
CALM_WITHIN = 4 * 3600.0
"""Seconds in which everything must settle once the faults stop: slow lanes and doubled pauses included."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A thousand faults are told in the log; here it is the end that counts."""
    with caplog.at_level(logging.CRITICAL, "imagecache_operator"):
        yield


async def _step(world: BuildingWorld, keys: list[Key]) -> None:
    dice, key = world.dice, world.dice.choice(keys)
    match dice.randrange(17):
        case 0:
            world.delete(key)
        case 1 | 2 | 3 | 4 | 5:
            world.change(key)
        case 6 | 7 | 8:
            await world.restart()
        case 9 | 10:
            world.cloud.storm = dice.choice([0.0, 0.1, 0.2, 0.6])
        case 11:
            world.cluster.storm = dice.choice([0.0, 0.2, 0.6])
        case 12:
            world.cloud.out = dice.random() < 0.3
        case 13:
            world.cluster.out = dice.random() < 0.3
        case 14:
            world.jump()
        case 15:
            world.vanish(key)
        case _:
            world.annotate(key)
    await asyncio.sleep(dice.choice([0.0, 0.02, 0.3, 2.0, 20.0, 90.0, 300.0]))


async def _run(seed: int) -> BuildingWorld:
    world = BuildingWorld(seed)
    for number in range(world.dice.randint(1, 5)):
        world.create(number)
    keys = list(world.cluster.objects)
    for _ in range(STEPS):
        await _step(world, keys)
    return world


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_no_schedule_makes_twins_or_leaves_a_cache_behind(seed: int) -> None:
    """What lives settles once the faults stop; when all objects are deleted, only what was retained is left."""
    world = await _run(seed)
    world.calm()
    settled = await wait_until(lambda: not world.unsettled(), CALM_WITHIN)
    unsettled = world.unsettled()
    for key in list(world.cluster.objects):
        world.delete(key)
    ended = await wait_until(lambda: not world.deleting(), CALM_WITHIN)
    held = {str(key): world.cluster.objects[key].get("status") for key in world.deleting()}
    await asyncio.sleep(60.0)
    await world.operator.kill()
    assert world.faults == []
    assert world.cloud.doubles == []
    assert world.cloud.twins == []
    assert settled, unsettled
    assert ended, held
    assert world.orphans() == []


async def test_the_schedules_do_what_they_should() -> None:
    """They would prove little if hardly anything was created, replaced or refused in them."""
    made = replaced = full = 0
    for seed in range(40):
        world = await _run(seed)
        made += len(world.cloud.made)
        replaced += len(world.cloud.made) - len(set(world.cloud.made.values()))
        full += world.cloud.refused_for_quota
        await world.operator.kill()
    assert made >= 80
    assert replaced >= 10
    assert full >= 10
