"""Create, follow, replace, delete, with every pair of positions of the simulator's switches.

On the way each open question is asked: a POST for a name that somebody has just taken, one into a full tenant, a DELETE
of what is being built, of what is in use, of what somebody else has just begun to delete, and of what has just gone.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from tests.circle.clusters import CREATE, DELETE, IDLE, LIST, PROJECT, SECOND_PROJECT, WEB, Cloud, Team, unseemly
from tests.circle.pairwise import pairwise
from tests.runtime.virtual_time import LoopClock

from cce_simulator.caches import Cache
from cce_simulator.switches import allowed_values

ROWS = pairwise(allowed_values())
DAY = 86_400.0
BYSTANDERS = ("alpha", "beta", "omega")
BUILD_SECONDS = 30.0
DELETE_SECONDS = 8.0
"""More than an active interval, so that what is being deleted is met."""

SPEC: dict[str, Any] = {
    "images": ["nginx", "ghcr.io/team/app:1"],
    "sizeGiB": 40,
    "retentionDays": 1,
    "recreateOn": ["SpecChanged", "Expired"],
    "build": {"pullSecretRefs": [{"name": "pull"}]},
}


class Circle:
    """One circle under one row of positions."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        clock = LoopClock()
        self.cloud = Cloud(clock, row, timing={"create_seconds": BUILD_SECONDS, "delete_seconds": DELETE_SECONDS})
        self.bystanders = [self.cloud.put(name) for name in BYSTANDERS]
        self.team = Team(self.cloud, clock)
        self.team.cluster.watched = self.look
        self.refused_posts = 0
        self.deletes = 0
        self.faults: list[str] = []

    def look(self, it: dict[str, Any]) -> None:
        """At no time are there two of ours, or does Ready say of a cache what is not so."""
        made = self.cloud.made()
        ours = [cache for cache in self.cloud.here("web") if cache.id in made]
        if len(ours) > 1:
            self.faults.append(f"{len(ours)} caches at once")
        status, spec = it.get("status") or {}, it["spec"]
        ready = (status.get("conditions") or [{}])[0]
        if ready.get("status") == "True" and ready["observedGeneration"] == it["metadata"]["generation"]:
            cache = next((cache for cache in ours if cache.id == status["imageCacheID"]), None)
            if cache is None or (list(cache.images), cache.image_cache_size) != (spec["images"], spec["sizeGiB"]):
                self.faults.append(f"Ready, and the cloud has {cache}")

    # --- the parts of the circle

    async def create(self) -> None:
        """The name is taken, then the tenant is full, both since the last look; then it works."""
        cloud, team = self.cloud, self.team
        taken: list[Cache] = []
        cloud.wire.before(CREATE, lambda: taken.append(cloud.put("web")))
        team.apply(**SPEC)
        await team.until_reason("Conflict")
        self.refused_posts += 1
        cloud.delete(taken[0])
        if (self.row["list_deleting"], self.row["name_reuse"]) == ("no", "refused"):
            # Nobody can know that the name is still taken.
            self.refused_posts += 1
            before = len(team.sent(CREATE))
            self.hurry("taken")
            await team.until(lambda: len(team.sent(CREATE)) > before)
        await team.until(lambda: not cloud.here("web"))
        await self.full_tenant()

    async def full_tenant(self) -> None:
        """A refusal for the quota is waited out without another POST."""
        cloud, team = self.cloud, self.team
        elsewhere = self.row["quota_scope"] == "account"
        filler: list[Cache] = []

        def fill() -> None:
            filler.append(cloud.put("filler", SECOND_PROJECT if elsewhere else PROJECT))
            cloud.set(quota=len(BYSTANDERS) + 1)

        cloud.wire.before(CREATE, fill)
        self.hurry("full")
        await team.until_reason("QuotaExceeded")
        self.refused_posts += 1
        await asyncio.sleep(300.0)
        assert len(team.sent(CREATE)) == self.refused_posts
        cloud.vanish(filler[0])
        # Where another region has filled the account, no list shows that there is room again.
        await team.until_reason("Creating", within=3600.0 + 2 * IDLE)
        cloud.set(quota=50)

    def hurry(self, value: str) -> None:
        """A person asks to look at once."""
        annotation = {"cce.huaweicloud.com/reconcile-requested-at": value}
        self.team.cluster.edit(WEB, lambda it: it["metadata"].setdefault("annotations", {}).update(annotation))

    def check_fields(self, **changes: Any) -> Cache:
        """The cache has every field as the spec has it, and the object names it."""
        spec, cache = SPEC | changes, self.cloud.only("web")
        assert self.team.status()["imageCacheID"] == cache.id
        assert list(cache.images) == spec["images"]
        assert cache.image_cache_size == spec["sizeGiB"]
        assert cache.retention_days == spec["retentionDays"]
        assert cache.cluster == "c271e39f-1a6e-4d3d-8fa8-2a36329c68d2"
        assert cache.image_pull_secrets == ("team-a:pull",)
        return cache

    async def replace_while_it_is_built(self) -> None:
        """Where that is refused, it is replaced once it is there."""
        cloud, team = self.cloud, self.team
        old = self.check_fields()
        assert old.status == "Creating"
        team.edit(sizeGiB=60)
        self.deletes += 1 if self.row["delete_creating"] == "accepted" else 2
        await team.until(team.ready)
        new = self.check_fields(sizeGiB=60)
        assert new.id != old.id
        assert cloud.simulator.store.find(old.id) is None

    async def replace_while_it_is_in_use(self) -> None:
        """Where that is refused, it is replaced once nobody uses it any more."""
        cloud, team = self.cloud, self.team
        old = cloud.only("web")
        old.in_use = True
        before = len(team.sent(DELETE))
        team.edit(images=["busybox:1"])
        self.deletes += 1 if self.row["delete_in_use"] == "accepted" else 2
        await team.until(lambda: len(team.sent(DELETE)) > before and team.sent(DELETE)[-1]["finished"])
        old.in_use = False
        await team.until(team.ready)
        assert self.check_fields(sizeGiB=60, images=["busybox:1"]).id != old.id

    async def expire(self) -> None:
        """The cloud takes it away when its time is over, and it is created anew."""
        cloud, team = self.cloud, self.team
        old = cloud.only("web")
        told = datetime.fromisoformat(team.status()["expiresAt"]).timestamp()
        assert told == pytest.approx(old.created_wall + DAY, abs=1.0)
        await team.until(lambda: team.ready() and team.status()["imageCacheID"] != old.id, within=DAY + 2 * IDLE)
        # The operator may have seen its last minute.
        self.deletes += sum(call["cache_id"] == old.id for call in team.sent(DELETE))
        self.check_fields(sizeGiB=60, images=["busybox:1"])

    async def delete_what_is_being_deleted(self) -> None:
        """Somebody has begun since the last look; the tenant is empty afterwards."""
        cloud, team = self.cloud, self.team
        for bystander in self.bystanders:
            assert bystander.deletions == 0
            cloud.vanish(bystander)
        cache = cloud.only("web")
        cloud.wire.before(DELETE, lambda: cloud.delete(cache))
        team.delete()
        self.deletes += 1
        await team.until_gone()

    async def delete_what_has_gone(self) -> None:
        """A second object of that name; its cache goes right before it is deleted."""
        cloud, team = self.cloud, self.team
        team.apply(**SPEC)
        await team.until(lambda: WEB in team.cluster.objects and team.ready())
        cache = self.check_fields()
        cloud.wire.before(DELETE, lambda: cloud.vanish(cache))
        team.delete()
        self.deletes += 1
        await team.until_gone()


@pytest.mark.parametrize("row", ROWS, ids=[f"row-{number}" for number in range(len(ROWS))])
async def test_a_circle_under_every_pair_of_positions(row: dict[str, Any]) -> None:
    """One cache at most, made once; each field as specified; nothing left; no DELETE but where it is called for."""
    circle = Circle(row)
    cloud, team = circle.cloud, circle.team
    await circle.create()
    await circle.replace_while_it_is_built()
    await circle.replace_while_it_is_in_use()
    await circle.expire()
    await circle.delete_what_is_being_deleted()
    await circle.delete_what_has_gone()
    await team.operator.kill()
    assert circle.faults == []
    assert cloud.simulator.store.projects[PROJECT].by_id == {}
    assert len(cloud.made()) == 5
    assert len(team.sent(CREATE)) == 5 + circle.refused_posts
    assert len(team.sent(DELETE)) == circle.deletes
    # Just those two that somebody else was a moment quicker with.
    assert len(unseemly(team.sent(DELETE))) == 2
    throttled = [call for call in cloud.calls(LIST) + cloud.calls(CREATE) if call["status"] == 429]
    assert throttled == []
