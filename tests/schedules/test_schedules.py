"""Random schedules of faults, kills and changes of mind; each is told by its seed and can be run alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from tests.schedules.world import World, wait_until

from imagecache_operator.imagecache import Key

SCHEDULES = 250
STEPS = 25
CALM_WITHIN = 4 * 3600.0
"""Seconds in which every deletion must end once the faults stop: slow lanes and doubled pauses included."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A thousand faults are told in the log; here it is the end that counts."""
    with caplog.at_level(logging.CRITICAL, "imagecache_operator"):
        yield


async def _step(world: World, keys: list[Key]) -> None:
    dice, key = world.dice, world.dice.choice(keys)
    match dice.randrange(12):
        case 0 | 1 | 2:
            world.delete(key)
        case 3:
            if dice.random() < 0.3:
                world.retain(key)
        case 4 | 5:
            await world.restart()
        case 6:
            world.cloud.storm = dice.choice([0.0, 0.2, 0.6])
        case 7:
            world.cluster.storm = dice.choice([0.0, 0.2, 0.6])
        case 8:
            world.cloud.out = not world.cloud.out
        case 9:
            world.cluster.out = not world.cluster.out
        case 10:
            world.clock.jump(dice.choice([-7200.0, -30.0, 30.0, 7200.0]))
        case _:
            world.annotate(key)
    await asyncio.sleep(dice.choice([0.0, 0.02, 0.3, 2.0, 20.0, 90.0]))


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_no_schedule_loses_a_cache_or_an_object(seed: int) -> None:
    """Released means gone, left to its holder, or kept by word; once the faults stop, every deletion ends."""
    world = World(seed)
    for number in range(world.dice.randint(1, 5)):
        world.create(number)
    keys = list(world.cluster.objects)
    for _ in range(STEPS):
        await _step(world, keys)
    world.calm()
    for key in keys:
        world.delete(key)
    ended = await wait_until(lambda: not world.deleting(), CALM_WITHIN)
    left = {str(key): world.cluster.objects[key].get("status") for key in world.deleting()}
    await world.operator.kill()
    assert ended, left
    assert world.faults == []
    assert world.cloud.doubles == []


async def test_the_schedules_do_what_they_should() -> None:
    """They would prove little if hardly anything was deleted, lost or killed in them."""
    sent = losses = 0
    for seed in range(20):
        world = World(seed)
        for number in range(5):
            world.create(number)
        keys = list(world.cluster.objects)
        for _ in range(STEPS):
            await _step(world, keys)
        sent += len(world.cloud.sent)
        losses += len(keys) - len(world.cluster.objects)
        await world.operator.kill()
    assert sent >= 20
    assert losses >= 20
