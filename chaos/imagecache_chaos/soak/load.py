"""What users do during a soak: objects come, change and go, and the cloud changes caches behind everybody's back."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any

from imagecache_chaos.soak.crew import persist
from imagecache_chaos.soak.world import BROKEN, SECRET, TENANT_PROJECT, World
from imagecache_playground.cluster import Object, condition
from imagecache_playground.surroundings import RECONCILE

FEWEST, MOST = 15, 35
"""Objects that are there at a time."""


@dataclass
class Item:
    """An object, as whoever made it knows it.

    Attributes:
        name: used once only, for the object and its caches.
        makes: whether it creates its cache, or is bound to one that is there.
        wanted: how many caches it was to create so far, at most.
        cache_id: what it is bound to.
        sound: whether it is to be Ready in the end.
        disturbed: whether the cloud says another word of its cache just now.
    """

    name: str
    makes: bool
    wanted: int = 0
    cache_id: str | None = None
    sound: bool = True
    disturbed: bool = False


class Load:
    """Does one thing after the other to the objects of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers = itertools.count()
        self.items: dict[str, Item] = {}
        """All that ever were."""
        self.living: dict[str, Item] = {}
        """Those that nobody has asked to delete."""
        self.kept: set[str] = set()
        """Ids of caches that were left in the cloud on purpose."""
        self.deeds = 0

    @property
    def wanted(self) -> dict[str, int]:
        """How many caches were to be created at most, by name."""
        return {item.name: item.wanted for item in self.items.values()}

    def act(self, dice: random.Random) -> None:
        """One thing, as the dice say."""
        self.deeds += 1
        if len(self.living) < FEWEST:
            self._create(dice)
        elif len(self.living) > MOST:
            self._delete(dice)
        else:
            deeds = [self._create, self._delete, self._replace, self._disturb, self._look, self._vanish]
            [deed] = dice.choices(deeds, weights=[33, 32, 15, 12, 6, 2])
            deed(dice)

    # --- deeds

    def _create(self, dice: random.Random) -> None:
        tenant = dice.random() < 0.4
        spec: dict[str, Any] = {"credentialsSecretRef": {"name": SECRET}} if tenant else {}
        [how] = dice.choices(["make", "by-id", "by-name"], weights=[60, 28, 12])
        item = Item(f"{how}-{next(self._numbers)}", makes=how == "make")
        if item.makes:
            item.sound = dice.random() < 0.9
            item.wanted = 1
            spec |= {"images": ["nginx:1" if item.sound else BROKEN], "recreateOn": ["SpecChanged"]}
        else:
            project = {"project": TENANT_PROJECT} if tenant else {}
            # Old enough for a list that is behind to show it.
            item.cache_id = self._world.cloud.add_cache(item.name, age_seconds=3600, **project)
            spec |= {"imageCacheID": item.cache_id} if how == "by-id" else {"name": item.name}
        self.items[item.name] = self.living[item.name] = item
        # Refused as being there already, when the answer to the first attempt was lost.
        persist(lambda: self._world.cluster.create(self._world.namespace, item.name, **spec), fine=(409,))

    def _delete(self, dice: random.Random) -> None:
        item = self._one_of(dice)
        if dice.random() < 0.15:
            found = persist(lambda: self._world.cluster.get(self._world.namespace, item.name))
            # Of an object in motion nobody knows what stays.
            if _is_settled(found):
                assert found is not None
                self._patch(item, {"spec": {"deletionPolicy": "Retain"}})
                self.kept.add(found["status"]["imageCacheID"])
        self.delete(item)

    def delete(self, item: Item) -> None:
        """Ask for the deletion of an object."""
        self.living.pop(item.name)
        persist(lambda: self._world.cluster.delete(self._world.namespace, item.name), fine=(404,))

    def _replace(self, dice: random.Random) -> None:
        item = self._one_of(dice)
        if item.makes and item.sound:
            item.wanted += 1
            self._patch(item, {"spec": {"images": ["nginx:1", f"busybox:{item.wanted}"]}})

    def _disturb(self, dice: random.Random) -> None:
        """A cache that nobody else touches becomes Unavailable, or Available again."""
        item = self._one_of(dice)
        if item.cache_id is not None and item.sound:
            self._set(item, disturbed=not item.disturbed)

    def _set(self, item: Item, *, disturbed: bool) -> None:
        item.disturbed = disturbed
        assert item.cache_id is not None
        self._world.cloud.change_cache(item.cache_id, status="Unavailable" if disturbed else "Available")

    def _look(self, dice: random.Random) -> None:
        self._patch(self._one_of(dice), {"metadata": {"annotations": {RECONCILE: str(self.deeds)}}})

    def _vanish(self, dice: random.Random) -> None:
        """A cache disappears without anybody having asked for it."""
        item = self._one_of(dice)
        if item.cache_id is not None and item.sound and not item.disturbed:
            item.sound = False
            self._world.note_caches()
            self._world.cloud.vanish(item.cache_id)

    def _one_of(self, dice: random.Random) -> Item:
        return dice.choice(list(self.living.values()))

    def _patch(self, item: Item, patch: dict[str, Any]) -> None:
        persist(lambda: self._world.cluster.patch(self._world.namespace, item.name, patch))

    # --- the end

    def calm(self) -> None:
        """Every cache is as it should be again."""
        for item in self.living.values():
            if item.disturbed:
                self._set(item, disturbed=False)

    def unsound(self) -> list[str]:
        """The living objects that are not as they should be, each with how it stands; all of those being deleted."""
        objects = persist(lambda: self._world.cluster.objects(self._world.namespace)) or []
        return [
            f"{one['metadata']['name']}: {condition(one, 'Ready').get('message', 'no status')}"
            for one in objects
            if not self._is_well(one)
        ]

    def _is_well(self, found: Object) -> bool:
        item = self.living.get(found["metadata"]["name"])
        return item is not None and (not item.sound or _is_settled(found))


def _is_settled(found: Object | None) -> bool:
    """Whether it is Ready as it is specified now."""
    ready = condition(found, "Ready")
    generation = found["metadata"]["generation"] if found is not None else None
    return ready.get("status") == "True" and ready.get("observedGeneration") == generation
