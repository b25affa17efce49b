"""The election: one leads at most, the next takes over in time, and a leader that is cut off stops before that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import pytest
from tests.runtime.fakes import FakeKubernetes, unreachable
from tests.runtime.virtual_time import START, LoopClock, pass_time, settle

from imagecache_operator.election import LEASE_DURATION, RENEW_DEADLINE, RETRY_PERIOD, Election
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError

WHERE = Key("imagecache-system", "imagecache-operator")


class Link(KubernetesClient):
    """A replica's way to the API server; it may be cut, or swallow what is sent."""

    def __init__(self, server: FakeKubernetes) -> None:
        self.server = server
        self.cut = False
        self.swallows = False
        self.deaf = False

    async def _pass(self) -> None:
        await asyncio.sleep(0.01)
        if self.swallows:
            await asyncio.Event().wait()
        if self.cut:
            raise unreachable()

    async def get_lease(self, where: Key) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._pass()
        return await self.server.get_lease(where)

    async def create_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._pass()
        return await self.server.create_lease(where, lease)

    async def replace_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._pass()
        return await self.server.replace_lease(where, lease)

    async def watch_lease(self, where: Key, version: str) -> AsyncGenerator[dict[str, Any] | None, None]:
        """See `KubernetesClient`."""
        await self._pass()
        if self.deaf:
            raise KubernetesError("watch: 403", 403)
        async for lease in self.server.watch_lease(where, version):
            if self.cut:
                raise unreachable()
            yield lease


class Replica:
    """Campaigns and leads, term after term."""

    def __init__(self, server: FakeKubernetes, name: str, clock: LoopClock) -> None:
        self.link = Link(server)
        self.election = Election(self.link, WHERE, name, clock)
        self.terms: list[float] = []
        self.lost: list[str] = []
        self._clock = clock
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await self.election.campaign()
            self.terms.append(self._clock.monotonic())
            self.lost.append(await self.election.keep())

    @property
    def leads(self) -> bool:
        """Whether it would act now."""
        return self.election.leading()

    async def kill(self) -> None:
        """It is gone without a word."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def stop(self) -> None:
        """It ends in order."""
        await self.kill()
        await self.election.release()


class World:
    """Replicas around one Lease."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.server = FakeKubernetes()
        self.server.put_lease(WHERE, {"metadata": {"name": WHERE.name}})
        self.replicas: list[Replica] = []

    async def start(self, name: str) -> Replica:
        """One more replica."""
        replica = Replica(self.server, name, self.clock)
        self.replicas.append(replica)
        await pass_time(0.1)
        return replica

    async def pair(self) -> tuple[Replica, Replica]:
        """One that leads, and one that stands by for a while already."""
        first, second = await self.start("a"), await self.start("b")
        await pass_time(10)
        assert (first.leads, second.leads) == (True, False)
        return first, second

    def spec(self) -> dict[str, Any]:
        """What the Lease says."""
        return dict(self.server.leases[WHERE]["spec"])

    async def until_leads(self, replica: Replica, *, at_most: float) -> float:
        """Seconds until it leads; nobody else may meanwhile."""
        begun = self.clock.monotonic()
        while not replica.leads:
            assert self.clock.monotonic() - begun < at_most
            assert sum(other.leads for other in self.replicas) <= 1
            await asyncio.sleep(0.01)
        assert sum(other.leads for other in self.replicas) == 1
        return self.clock.monotonic() - begun


@pytest.fixture
async def world(clock: LoopClock) -> AsyncIterator[World]:
    """No replica yet."""
    made = World(clock)
    yield made
    for replica in made.replicas:
        await replica.kill()


async def test_a_lease_that_nobody_holds_is_taken_at_once(world: World) -> None:
    """Nobody is waited for."""
    first = await world.start("a")
    assert first.leads
    assert world.spec()["holderIdentity"] == "a"


async def test_where_there_is_no_lease_its_time_is_waited_for(world: World) -> None:
    """Somebody may still act whose Lease was deleted a moment ago."""
    world.server.delete_lease(WHERE)
    first = await world.start("a")
    assert await world.until_leads(first, at_most=20) >= LEASE_DURATION - 0.2
    spec = world.spec()
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("a", 15, 0)
    assert spec["renewTime"].endswith("Z")
    assert len(spec["renewTime"].partition(".")[2]) == 7


async def test_a_leader_goes_on_leading(world: World) -> None:
    """An hour long: one write every two seconds, and the standby only listens."""
    first, second = await world.pair()
    before = world.server.calls.copy()
    await pass_time(3600)
    assert (first.leads, second.leads, len(first.terms)) == (True, False, 1)
    calls = world.server.calls - before
    assert calls["replace_lease"] == pytest.approx(3600 / RETRY_PERIOD, rel=0.02)
    assert calls["get_lease"] <= 1
    assert world.spec()["leaseTransitions"] == 0


async def test_a_leader_that_stops_hands_over_at_once(world: World) -> None:
    """The watch tells the standby."""
    first, second = await world.pair()
    await first.stop()
    assert not first.leads
    assert await world.until_leads(second, at_most=0.2) < 0.2
    assert (world.spec()["holderIdentity"], world.spec()["leaseTransitions"]) == ("b", 1)


async def test_without_the_right_to_watch_a_hand_over_takes_a_poll(world: World) -> None:
    """The standby then asks every two seconds."""
    first, second = await world.pair()
    third = await world.start("c")
    second.link.deaf = third.link.deaf = True
    await second.kill()
    await pass_time(10)
    await first.stop()
    assert await world.until_leads(third, at_most=3.0) <= RETRY_PERIOD + 0.2


@pytest.mark.parametrize("after", [0.1, 0.7, 1.3, 1.9])
async def test_a_leader_that_was_killed_is_followed_in_time(world: World, after: float) -> None:
    """When its Lease has not changed for 15 s on the standby's own clock."""
    first, second = await world.pair()
    await pass_time(after)
    await first.kill()
    taken = await world.until_leads(second, at_most=20)
    assert LEASE_DURATION - RETRY_PERIOD - 0.2 <= taken <= LEASE_DURATION + 0.5


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
    world.server.put_lease(WHERE, world.server.leases[WHERE] | {"spec": world.spec() | {"holderIdentity": "c"}})
    await pass_time(2.5)
    assert not first.leads
    assert first.lost == ["c holds it now"]


async def test_a_frozen_leader_does_not_lead_when_it_thaws(world: World) -> None:
    """Its own clock tells it, before it has asked anybody."""
    first, second = await world.pair()
    await first.kill()  # nothing of it runs any more, and then its clock is asked
    await pass_time(RENEW_DEADLINE - RETRY_PERIOD - 0.5)
    assert first.leads
    await pass_time(RETRY_PERIOD + 0.6)
    assert not first.leads
    await world.until_leads(second, at_most=20)


@pytest.mark.parametrize("status", [401, 403, 404, None])
async def test_a_lease_that_cannot_be_read_is_asked_for_every_two_seconds(world: World, status: int | None) -> None:
    """Also by a standby whose time to wait is over; the API server is not hammered for being away."""
    first, _ = await world.pair()
    await first.kill()
    error = KubernetesError("no", status)
    world.server.fail("get_lease", *[error] * 1000)
    world.server.fail("watch_lease", *[error] * 1000)
    await pass_time(30)
    before = world.server.calls["get_lease"]
    await pass_time(60)
    assert world.server.calls["get_lease"] - before <= 60 / RETRY_PERIOD + 2


class SlowLink(Link):
    """Writes are carried out; their answers take half a second."""

    async def replace_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        answer = await self.server.replace_lease(where, lease)
        await asyncio.sleep(0.5)
        return answer


@pytest.mark.parametrize("during", ["the taking", "a renewal"])
async def test_a_stop_in_the_middle_of_a_write_hands_over(world: World, during: str) -> None:
    """The write that was cut off has been carried out: the Lease is read again, and handed back."""
    first = Replica(world.server, "a", world.clock)
    first.link.__class__ = SlowLink
    world.replicas.append(first)
    await pass_time(0.2)
    assert world.spec()["holderIdentity"] == "a"
    if during == "a renewal":
        await pass_time(2.4)
        assert first.leads
    await first.stop()
    second = await world.start("b")
    assert await world.until_leads(second, at_most=20) <= 2.0


WIPED_OUT = [None, {}, {"holderIdentity": ""}, {"holderIdentity": "", "leaseDurationSeconds": 15}]


@pytest.mark.parametrize("spec", WIPED_OUT, ids=str)
async def test_a_holder_that_was_wiped_out_by_hand_still_leads_alone(world: World, spec: dict[str, Any] | None) -> None:
    """As with a Lease that was deleted: only our own release says that nobody acts."""
    await world.pair()
    wiped = {name: value for name, value in world.server.leases[WHERE].items() if name != "spec"}
    world.server.put_lease(WHERE, wiped | ({"spec": spec} if spec is not None else {}))
    for _ in range(1500):
        await asyncio.sleep(0.02)
        assert sum(replica.leads for replica in world.replicas) <= 1


async def test_without_the_right_to_watch_a_standby_is_ready(world: World) -> None:
    """It can take over, so it says so."""
    await world.pair()
    third = Replica(world.server, "c", world.clock)
    third.link.deaf = True
    world.replicas.append(third)
    await pass_time(1)
    for _ in range(100):
        await asyncio.sleep(0.3)
        assert third.election.obstacle is None


async def test_odd_values_do_not_stop_the_election(world: World) -> None:
    """The counter at its end, and a duration of an hour, both written by hand."""
    spec = {"leaseTransitions": 2**31 - 1, "holderIdentity": "", "leaseDurationSeconds": 1}
    world.server.put_lease(WHERE, {"metadata": {"name": WHERE.name}, "spec": spec})
    first = await world.start("a")
    assert first.leads
    assert world.spec()["leaseTransitions"] == 2**31 - 1
    world.server.put_lease(WHERE, world.server.leases[WHERE] | {"spec": world.spec() | {"leaseDurationSeconds": 3600}})
    await pass_time(5)
    assert world.spec()["leaseDurationSeconds"] == 15


async def something_happens(world: World, dice: random.Random, name: str) -> None:
    """One of the things that happen to replicas."""
    replica = dice.choice(world.replicas)
    match dice.randrange(8):
        case 0 | 1:
            await (replica.kill() if dice.random() < 0.5 else replica.stop())
            await world.start(name)
        case 2:
            replica.link.cut = True
        case 3:
            replica.link.swallows = True
        case 4:
            world.clock.jump(dice.uniform(-4000, 4000))
        case 5 if WHERE in world.server.leases:
            world.server.delete_lease(WHERE)
        case _:
            for other in world.replicas:
                other.link.cut = other.link.swallows = False


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_one_leads_at_most(world: World, seed: int) -> None:
    """Kills, stops, cuts, silence, a deleted Lease, wall clocks that jump; and in the end one leads."""
    dice = random.Random(seed)
    for name in "abc":
        await world.start(name)
    for number in range(60):
        await something_happens(world, dice, f"r{number}")
        for _ in range(dice.randrange(1, 400)):
            await asyncio.sleep(0.05)
            assert sum(other.leads for other in world.replicas) <= 1
    for other in world.replicas:
        other.link.cut = other.link.swallows = False
    await pass_time(40)
    assert sum(other.leads for other in world.replicas) == 1
    assert world.clock.monotonic() > START
    await settle()
