"""Whole lives of one object in a disturbed world: nothing is left behind, made twice, deleted twice, or stuck."""

from __future__ import annotations

import pytest
from tests.decision.builders import rfc
from tests.decision.creating import CLUSTER
from tests.decision.simulation import Simulation

from imagecache_operator.decision import Outcome
from imagecache_operator.desired import Desired
from imagecache_operator.names import RECREATE_ANNOTATION
from imagecache_operator.observation import CacheStatus

SEEDS = range(60)
DISTURBED, CALM = 80, 60
ALL = ["SpecChanged", "NotFound", "Failed", "Expired"]
FOREIGN = Desired("web", ("nginx", "busybox:1.36"), 99, 0, CLUSTER, ())


def change(world: Simulation) -> None:
    """A person changes the object."""
    dice = world.dice
    match dice.randrange(5):
        case 0:
            world.edit(images=[f"nginx:{dice.randrange(3)}"])
        case 1:
            world.edit(recreateOn=dice.choice([[], ["SpecChanged"], ["NotFound"], ALL]))
        case 2:
            world.body["metadata"]["annotations"] = {RECREATE_ANNOTATION: str(dice.randrange(3))}
        case 3:
            world.edit(managementPolicy=dice.choice(["Observe", "Manage"]))
        case 4:
            world.edit(adoptionPolicy=dice.choice(["Never", "IfIdentical"]))


def disturb(world: Simulation) -> None:
    """One thing happens, or none."""
    dice, cloud = world.dice, world.cloud
    mine = [cache for cache in cloud.caches.values() if cache.id in cloud.ours]
    match dice.randrange(12):
        case 0:
            world.start()
        case 1:
            world.reconcile(killed_at=dice.randrange(2))
        case 2 if mine:
            # Somebody deletes it in the console.
            cloud.become(mine[0].id, CacheStatus.DELETING)
        case 3 if mine and mine[0].status == CacheStatus.DELETING:
            # The cloud gives a deletion up.
            cloud.become(mine[0].id, CacheStatus.AVAILABLE)
        case 4 if not cloud.caches:
            cloud.make(FOREIGN, ours=False)
        case 5 | 6 | 7 | 8:
            change(world)


def work(world: Simulation) -> None:
    """What the cloud does by itself."""
    dice, cloud = world.dice, world.cloud
    for cache in list(cloud.caches.values()):
        if cache.status == CacheStatus.CREATING and dice.random() < 0.5:
            cloud.become(cache.id, dice.choice([CacheStatus.AVAILABLE] * 3 + [CacheStatus.FAILED]))
        ends = cache.status == CacheStatus.DELETING or cache.id not in cloud.ours
        if ends and dice.random() < 0.3:
            del cloud.caches[cache.id]


def disturbed(seed: int, *, until_deleted: int = DISTURBED) -> Simulation:
    """A life so far; deleted after so many ticks."""
    world = Simulation(seed)
    for tick in range(DISTURBED):
        world.pass_time()
        work(world)
        disturb(world)
        if tick == until_deleted:
            world.body["metadata"]["deletionTimestamp"] = rfc(world.time.now())
            world._notice()
        if world.dice.random() < 0.8:
            world.look(stale=world.dice.random() < 0.3)
        world.settle()
        if world.dice.random() < 0.7:
            world.answer(lost=world.dice.random() < 0.4, undone=world.dice.random() < 0.3)
        if world.released is not None:
            break
    return world


def calm(world: Simulation, ticks: int = CALM) -> None:
    """From now on all goes well."""
    cloud = world.cloud
    for _ in range(ticks):
        world.pass_time()
        for cache in list(cloud.caches.values()):
            if cache.status == CacheStatus.CREATING:
                cloud.become(cache.id, CacheStatus.AVAILABLE)
            elif cache.status == CacheStatus.DELETING or cache.id not in cloud.ours:
                del cloud.caches[cache.id]
        world.answer()
        world.look()
        world.settle()
        if world.released is not None and not world.late:
            return


@pytest.mark.parametrize("seed", SEEDS)
def test_a_life_that_is_disturbed_ends_well(seed: int) -> None:
    """One cache, of the spec as it is, Ready; then the object is deleted, and with it the cache."""
    world = disturbed(seed)
    world.edit(managementPolicy="Manage", recreateOn=ALL)
    world.body["metadata"]["annotations"] = {RECREATE_ANNOTATION: "at last"}
    calm(world, 500)
    assert not world.check(), world.log
    status = world.resource.status
    ready = status.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("True", "Available"), world.log[-9:]
    (cache,) = world.cloud.caches.values()
    assert cache.id == status.image_cache_id
    assert list(cache.images) == world.spec["images"]
    world.body["metadata"]["deletionTimestamp"] = rfc(world.time.now())
    world._notice()
    calm(world)
    assert not world.check(), world.log
    assert world.released is Outcome.DELETED, world.log[-9:]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_deletion_at_any_time_leaves_nothing_behind(seed: int) -> None:
    """Whatever the object was in the middle of, and whatever goes wrong with the deletion."""
    world = disturbed(seed, until_deleted=1 + seed % 60)
    calm(world, 500)
    assert world.released is not None, world.log[-9:]
    calm(world)
    assert not world.check(), world.log
