"""Two clusters, each with an operator, and one account: neither deletes what the other has created.

The operators share nothing but the cloud; which of them made a call is told by its access key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from tests.circle.clusters import CREATE, DELETE, LIST, WEB, Cloud, Team
from tests.runtime.virtual_time import LoopClock

from cce_simulator.faults import FaultSpec

SCHEDULES = 20
STEPS = 20


class Two:
    """Both teams and their cloud."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.cloud = Cloud(self.clock, timing={"create_seconds": 5, "delete_seconds": 8})
        self.ours, self.theirs = Team(self.cloud, self.clock, 0), Team(self.cloud, self.clock, 1)

    def lose(self, operation: str, team: Team) -> None:
        """The answer to the team's next call of that kind is lost, after its work was done."""
        spec = FaultSpec(kind="lost_answer", operation=operation, credential=team.access_key, times=1, work=True)
        self.cloud.simulator.faults.order(spec)

    async def confuse(self, **spec: Any) -> None:
        """Have both hold one cache: theirs has not seen it yet, and never learns that its POST was refused."""
        self.lose(CREATE, self.theirs)
        self.ours.apply(**spec)
        await self.ours.until(lambda: len(self.cloud.made()) == 1)
        old = FaultSpec(kind="stale_reads", operation=LIST, credential=self.theirs.access_key, times=1, seconds=60.0)
        self.cloud.simulator.faults.order(old)
        self.theirs.apply(**spec)
        await self.ours.until(lambda: self.ours.ready() and self.theirs.ready())
        assert list(self.cloud.made().values()) == [self.ours.access_key]

    def trespasses(self) -> list[tuple[str, str]]:
        """DELETEs for caches that the sender had not made: whose, and of what."""
        made = self.cloud.made()
        sent = [call for call in self.cloud.calls(DELETE) if made.get(call["cache_id"]) != call["credential"]]
        return [(call["credential"], call["cache_id"]) for call in sent]


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    """Both at work."""
    made = Two()
    yield made
    await made.ours.operator.kill()
    await made.theirs.operator.kill()


async def test_the_second_to_come_leaves_the_cache_alone(two: Two) -> None:
    """It shows Conflict, deletes nothing when it goes, and takes over the name once the first has gone."""
    two.ours.apply()
    await two.ours.until(two.ours.ready)
    two.theirs.apply()
    await two.theirs.until_reason("Conflict")
    two.theirs.delete()
    await two.theirs.until_gone()
    assert two.ours.ready()
    two.theirs.apply()
    await two.theirs.until_reason("Conflict")
    two.ours.delete()
    await two.ours.until_gone()
    await two.theirs.until(two.theirs.ready, within=4000.0)
    assert two.cloud.made()[two.cloud.only("web").id] == two.theirs.access_key
    assert two.trespasses() == []


async def test_both_ask_at_the_same_time(two: Two) -> None:
    """Both have seen that the name is free; the cloud takes one POST, and whose was refused holds nothing."""
    two.ours.apply()
    two.theirs.apply()
    await two.ours.until(lambda: {two.ours.reason(), two.theirs.reason()} == {"Available", "Conflict"})
    assert [call["status"] for call in two.cloud.calls(CREATE)] == [201, 409]
    loser, winner = sorted((two.ours, two.theirs), key=Team.ready)
    loser.delete()
    await loser.until_gone()
    assert winner.ready()
    assert two.trespasses() == []


@pytest.mark.parametrize("lost_to", ["ours", "theirs", "both"])
async def test_answers_get_lost_and_the_fields_differ(two: Two, lost_to: str) -> None:
    """Who asked for other fields does not take the other's cache for what became of its own POST."""
    for team in (two.ours, two.theirs):
        if lost_to in {"both", "ours" if team is two.ours else "theirs"}:
            two.lose(CREATE, team)
    two.ours.apply(sizeGiB=30)
    two.theirs.apply(sizeGiB=40)
    await two.ours.until(lambda: {two.ours.reason(), two.theirs.reason()} == {"Available", "Conflict"})
    loser, winner = sorted((two.ours, two.theirs), key=Team.ready)
    assert two.cloud.made() == {winner.status()["imageCacheID"]: winner.access_key}
    loser.delete()
    await loser.until_gone()
    assert winner.ready()
    assert loser.sent(DELETE) == []


async def test_the_same_fields_but_made_long_before(two: Two) -> None:
    """A cache that is older than the intent by more than clocks may differ is the other's, whatever was lost."""
    two.ours.apply()
    await two.ours.until(two.ours.ready)
    await asyncio.sleep(20 * 60.0)
    # They have not seen it yet: their list was stale.
    old = FaultSpec(kind="stale_reads", operation=LIST, credential=two.theirs.access_key, times=1, seconds=3600.0)
    two.cloud.simulator.faults.order(old)
    two.lose(CREATE, two.theirs)
    two.theirs.apply()
    await two.theirs.until_reason("Conflict")
    assert len(two.theirs.sent(CREATE)) == 1
    two.theirs.delete()
    await two.theirs.until_gone()
    assert two.ours.ready()
    assert two.theirs.sent(DELETE) == []


async def test_the_case_that_cannot_be_decided(two: Two) -> None:
    """The limit of what can be known: the same name, the same fields, the same time, and an answer that was lost.

    The cloud has no tags and knows no idempotency keys. Their POST was refused because ours had just taken the name,
    but all that they know is that its answer was lost. A cache of that name is there now, with every field that they
    asked for, made when they asked for it: it looks exactly as if theirs had been carried out, and had they not taken
    it, a cache of their own would be forgotten whenever it had been. So both hold the one cache, and whoever goes
    first takes it along; the other tells that it is gone, and creates it anew where it may. `deletionPolicy: Retain`,
    or names that tell the cluster, keep clear of it.
    """
    await two.confuse()
    assert two.ours.status()["imageCacheID"] == two.theirs.status()["imageCacheID"]
    two.theirs.delete()
    await two.theirs.until_gone()
    assert [whose for whose, _ in two.trespasses()] == [two.theirs.access_key]
    await two.ours.until_reason("NotFound", within=4000.0)
    two.ours.edit(recreateOn=["NotFound"])
    await two.ours.until(two.ours.ready, within=4000.0)


async def test_the_way_out_of_it(two: Two) -> None:
    """With Retain, neither takes along what the other may have created."""
    await two.confuse(deletionPolicy="Retain")
    for team in (two.ours, two.theirs):
        team.delete()
        await team.until_gone()
    assert len(two.cloud.here("web")) == 1
    assert two.cloud.calls(DELETE) == []


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_no_schedule_lets_one_delete_what_the_other_created(two: Two, seed: int) -> None:
    """Answers are lost, operators are killed, objects come, change and go: each deletes what it has made itself.

    Their fields always differ; where they do not, see the case that cannot be decided.
    """
    dice, teams = Random(seed), (two.ours, two.theirs)
    sizes = {two.ours: (30, 50), two.theirs: (40, 60)}
    for _ in range(STEPS):
        team = dice.choice(teams)
        match dice.randrange(6):
            case 0 | 1:
                two.lose(dice.choice([CREATE, DELETE, LIST]), team)
            case 2:
                await team.restart()
            case 3 if "deletionTimestamp" not in team.body().get("metadata", {"deletionTimestamp": ""}):
                team.delete()
            case _ if WEB not in team.cluster.objects:
                team.apply(sizeGiB=dice.choice(sizes[team]), recreateOn=["SpecChanged", "NotFound"])
            case _ if "deletionTimestamp" not in team.body()["metadata"]:
                team.edit(sizeGiB=dice.choice(sizes[team]))
        await asyncio.sleep(dice.choice([0.02, 0.1, 0.5, 3.0, 10.0, 60.0, 150.0]))
    two.cloud.simulator.faults.clear()
    for team in teams:
        if "deletionTimestamp" not in team.body().get("metadata", {"deletionTimestamp": ""}):
            team.delete()
    for team in teams:
        await team.until_gone(within=4 * 3600.0)
    assert two.trespasses() == []
    assert two.cloud.here("web") == []
