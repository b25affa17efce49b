"""The world with objects that have their caches created, and all that users do to them."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.schedules.building_cloud import BuildingCloud
from tests.schedules.stormy_cluster import Body
from tests.schedules.world import World

from imagecache_operator.imagecache import Key
from imagecache_operator.names import RECREATE_ANNOTATION

ON = ("SpecChanged", "Failed", "NotFound", "Expired")

CLOCK_OFF_MAX = 800.0
"""Seconds by which the operator's clock may be wrong; with more than 15 minutes the cloud refuses signatures."""


class BuildingWorld(World):
    """What one seed makes of it; retained: ids, or else names, of caches that a user's word left."""

    cloud: BuildingCloud

    def __init__(self, seed: int) -> None:
        self.retained: set[str] = set()
        self._off = 0.0
        super().__init__(seed)
        if self.dice.random() < 0.3:
            self.cloud.quota = self.dice.randint(1, 4)
        self.cloud.late = self.dice.random() < 0.5

    def _make_cloud(self, dice: Random) -> BuildingCloud:
        return BuildingCloud(dice, self.clock)

    def create(self, number: int) -> None:
        """An object that has its cache created, and sometimes a second one that wants the same name."""
        if self.dice.random() < 0.15:
            super().create(number)
            return
        self._put(f"object-{number}", self._spec(f"cache-{number}"), finalizer=self.dice.random() < 0.3)
        if self.dice.random() < 0.25:
            self._put(f"second-{number}", self._spec(f"cache-{number}"), finalizer=False)

    def _spec(self, name: str) -> Body:
        spec: Body = {"name": name, "images": ["nginx", "busybox:1"], "sizeGiB": self.dice.choice([20, 30])}
        spec["recreateOn"] = self.dice.sample(ON, self.dice.randint(0, 4))
        if not spec["recreateOn"]:
            del spec["recreateOn"]
        if self.dice.random() < 0.2:
            spec["adoptionPolicy"] = "IfIdentical"
        if self.dice.random() < 0.5:
            spec["build"] = {"clusterID": "cluster-2"}
        return spec

    def change(self, key: Key) -> None:
        """A user changes what the cache shall be made of, where that is allowed, or its policies."""
        dice = self.dice

        def edit(it: Body) -> None:
            spec: dict[str, Any] = it["spec"]
            match dice.randrange(8):
                case 0 | 1 | 2:
                    if "images" in spec and "SpecChanged" in spec.get("recreateOn", ()):
                        spec["sizeGiB"] = 50 - spec["sizeGiB"]
                case 3 | 4:
                    it["metadata"].setdefault("annotations", {})[RECREATE_ANNOTATION] = str(dice.random())
                case 5:
                    if "images" in spec:
                        spec["recreateOn"] = dice.sample(ON, dice.randint(1, 4))
                case 6:
                    spec["deletionPolicy"] = dice.choice(["Delete", "Delete", "Retain"])
                case _:
                    spec["managementPolicy"] = dice.choice(["Manage", "Manage", "Manage", "Observe"])

        self.edit(key, edit)

    def jump(self) -> None:
        """The clock is set.

        Across a restart only the clock tells how long ago a POST went out, so where one may be carried out late it is
        not set far.
        """
        seconds = self.dice.choice([-30.0, 30.0] if self.cloud.late else [-400.0, -30.0, 30.0, 400.0])
        if abs(self._off + seconds) <= CLOCK_OFF_MAX:
            self._off += seconds
            self.clock.jump(seconds)

    def vanish(self, key: Key) -> None:
        """Somebody deletes the object's cache in the console."""
        cache_id = (self.cluster.objects.get(key, {}).get("status") or {}).get("imageCacheID")
        if cache_id is not None:
            self.cloud.vanish(cache_id)

    def unsettled(self) -> list[str]:
        """The objects that are not being deleted and of which something is still expected."""
        waits = []
        for key, it in self.cluster.objects.items():
            conditions = (it.get("status") or {}).get("conditions") or []
            if "deletionTimestamp" in it["metadata"]:
                continue
            kinds = {condition["type"] for condition in conditions}
            reasons = {condition["reason"] for condition in conditions}
            if (not kinds or "Reconciling" in kinds) and not reasons & {"QuotaExceeded", "Conflict"}:
                waits.append(f"{key}: {it.get('status')}")
        return waits

    def _judge_release(self, it: Body) -> None:
        """See `World`; whether an object that knew of no cache left one behind is judged at the end."""
        spec, known = it["spec"], (it.get("status") or {}).get("imageCacheID")
        if "images" not in spec or known is not None or "deletionTimestamp" not in it["metadata"]:
            super()._judge_release(it)
        if spec.get("deletionPolicy") == "Retain" or spec.get("managementPolicy") == "Observe":
            self.retained.add(known or spec.get("name", ""))

    def orphans(self) -> list[str]:
        """The caches that POSTs have made, that are there, and that nobody wants to keep."""
        left = self.cloud.left()
        return [cache_id for cache_id, name in left.items() if not self.retained & {cache_id, name}]
