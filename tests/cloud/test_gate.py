"""What goes out under one access key: few calls at once, and hardly any after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from tests.cloud.gated import BUSY, GOOD, REFUSED, Answer, Gated, settle
from tests.cloud.kit import ID, KEY, PROJECT, SimulatorsClock, TurnedClock, cloud_client

from cce_simulator.testing import DEFAULT_KEY, RunningSimulator
from imagecache_operator.answers import Accepted, DeleteAnswer, NotDone
from imagecache_operator.cloud.auth import SignatureAuth
from imagecache_operator.cloud.client import CloudClient
from imagecache_operator.cloud.gate import (
    CLOCK_SET,
    IN_FLIGHT,
    IN_FLIGHT_PER_KEY,
    OTHERS_PER_KEY,
    SLOW_LANE,
    KeyGate,
    Operation,
)
from imagecache_operator.observation import Trouble

# --- how many at once


GET, LIST, DELETE = Operation.GET, Operation.LIST, Operation.DELETE


async def test_the_limits() -> None:
    """Three calls per key, two of them other than LIST, seven of those in all; five minutes between two attempts."""
    assert (IN_FLIGHT_PER_KEY, OTHERS_PER_KEY, IN_FLIGHT, SLOW_LANE) == (3, 2, 7, 300.0)


@pytest.mark.parametrize(
    ("operation", "places"), [(operation, 3 if operation is LIST else 2) for operation in Operation], ids=str
)
async def test_calls_per_key(one: Gated, operation: Operation, places: int) -> None:
    """Of 20 calls two are in flight, of LISTs three, and the next goes out when one comes back."""
    one.open.clear()
    waiting = [asyncio.create_task(one.ask(operation)) for _ in range(20)]
    await settle()
    assert (one.in_flight, len(one.sent)) == (places, places)
    one.open.set()
    assert await asyncio.gather(*waiting) == [GOOD] * 20
    assert (one.most, len(one.sent)) == (places, 20)


async def test_a_list_does_not_wait_for_calls_that_hang(one: Gated) -> None:
    """However many GETs and DELETEs hang or queue under its key, a LIST goes out at once, and they are three in all."""
    one.open.clear()
    waiting = [asyncio.create_task(one.ask(operation)) for operation in (DELETE, GET, DELETE, GET) * 5]
    await settle()
    assert LIST not in [operation for operation, _ in one.sent]
    waiting += [asyncio.create_task(one.ask(LIST)) for _ in range(3)]
    await settle()
    assert [operation for operation, _ in one.sent] == [DELETE, GET, LIST]
    one.open.set()
    assert await asyncio.gather(*waiting) == [GOOD] * 23
    assert one.most == 3


async def test_lists_that_hang_leave_no_place_for_others(one: Gated) -> None:
    """Three calls per key is the limit whatever they are; the others have their turn when a LIST comes back."""
    one.open.clear()
    waiting = [asyncio.create_task(one.ask(operation)) for operation in (LIST, LIST, LIST, GET)]
    await settle()
    assert [operation for operation, _ in one.sent] == [LIST] * 3
    one.open.set()
    assert await asyncio.gather(*waiting) == [GOOD] * 4


async def hanging(cloud_of: Callable[..., Gated], keys: int) -> tuple[list[Gated], list[asyncio.Task[Answer]]]:
    """Proven keys with six DELETEs each, which hang."""
    clouds = [cloud_of() for _ in range(keys)]
    for cloud in clouds:
        await cloud.ask()
        cloud.open.clear()
        cloud.sent.clear()
    waiting = [asyncio.create_task(cloud.ask(DELETE)) for cloud in clouds for _ in range(6)]
    await settle()
    return clouds, waiting


async def test_seven_calls_in_all_beside_lists(cloud_of: Callable[..., Gated]) -> None:
    """Five keys have seven calls in flight together, not ten, so that connections are left for LISTs."""
    clouds, waiting = await hanging(cloud_of, 5)
    assert sorted(cloud.in_flight for cloud in clouds) == [0, 1, 2, 2, 2]
    for cloud in clouds:
        cloud.open.set()
    assert await asyncio.gather(*waiting) == [GOOD] * 30


async def test_a_list_does_not_wait_for_calls_that_hang_under_other_keys(cloud_of: Callable[..., Gated]) -> None:
    """When the bound over all keys is used up, each key still has its LIST, also one whose DELETEs wait for it."""
    clouds, waiting = await hanging(cloud_of, 5)
    lists = [asyncio.create_task(cloud.ask(LIST)) for cloud in clouds]
    await settle()
    assert [cloud.sent.count((LIST, "a")) for cloud in clouds] == [1] * 5
    for cloud in clouds:
        cloud.open.set()
    assert await asyncio.gather(*waiting, *lists) == [GOOD] * 35


async def test_a_new_key_is_tried_by_one_call_alone(cloud_of: Callable[..., Gated]) -> None:
    """Before its first success a key has one call in flight, be it a LIST or not; afterwards three."""
    cloud = cloud_of()
    cloud.open.clear()
    mixed = (GET, LIST) * 3
    waiting = [asyncio.create_task(cloud.ask(operation)) for operation in mixed]
    await settle()
    assert cloud.in_flight == 1
    cloud.open.set()
    assert await asyncio.gather(*waiting) == [GOOD] * 6
    cloud.open.clear()
    waiting = [asyncio.create_task(cloud.ask(operation)) for operation in mixed]
    await settle()
    assert cloud.in_flight == 3
    cloud.open.set()
    await asyncio.gather(*waiting)


async def test_a_call_that_is_given_up_makes_room(one: Gated) -> None:
    """Calls that are cancelled, in flight or in the queue, hold no place."""
    one.open.clear()
    waiting = [asyncio.create_task(one.ask(operation)) for operation in (GET, LIST, DELETE) * 5]
    await settle()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    one.open.set()
    assert await asyncio.gather(*(one.ask(operation) for operation in (GET, LIST) * 4)) == [GOOD] * 8


# --- the slow lane


async def test_a_refused_key_is_tried_once_in_five_minutes(one: Gated, clock: TurnedClock) -> None:
    """After a 401 every call is answered with it at once; after 300 s one goes out, and then none for 300 s more."""
    one.answer = REFUSED
    assert await one.ask() == REFUSED
    for minute in range(3):
        assert [await one.ask(Operation.LIST), await one.ask(Operation.DELETE)] == [REFUSED] * 2
        assert len(one.sent) == 1 + minute
        clock.advance(SLOW_LANE - 0.1)
        assert one.gate.trouble(Operation.GET) == REFUSED
        assert one.gate.opens_in(Operation.GET) == pytest.approx(0.1)
        assert await one.ask() == REFUSED
        clock.advance(0.1)
        assert one.gate.trouble(Operation.GET) is None
        assert await asyncio.gather(*(one.ask() for _ in range(5))) == [REFUSED] * 5
        assert len(one.sent) == 2 + minute


async def test_a_clock_that_was_set_ends_the_slow_lane_once(one: Gated, clock: TurnedClock) -> None:
    """After a refusal for the clock, one attempt for each time that it is set; drifting and slewing set nothing."""
    one.answer = replace(REFUSED, of_clock=True)
    await one.ask()
    for times in (1, 2):
        assert one.gate.repairs == times - 1
        clock.set(CLOCK_SET)
        assert one.gate.repairs == times - 1
        clock.set(1.0)
        assert one.gate.repairs == times
        assert one.gate.opens_in(LIST) == 0.0
        assert await asyncio.gather(*(one.ask() for _ in range(5))) == [one.answer] * 5
        assert len(one.sent) == 1 + times


async def test_a_clock_that_was_set_repairs_nothing_else(one: Gated, clock: TurnedClock) -> None:
    """A wrong secret stays wrong, and each attempt brings its lock-out nearer; what works needs no repair."""
    clock.set(3600)
    assert (await one.ask(), one.gate.repairs) == (GOOD, 0)
    one.answer = REFUSED
    await one.ask()
    clock.set(3600)
    assert (one.gate.repairs, one.gate.opens_in(LIST)) == (0, SLOW_LANE)


async def test_a_key_that_works_again_is_free_at_once(one: Gated, clock: TurnedClock) -> None:
    """The attempt that succeeds ends the slow lane for all operations."""
    one.answer = REFUSED
    await one.ask()
    clock.advance(SLOW_LANE)
    one.answer = GOOD
    assert await one.ask() == GOOD
    assert await asyncio.gather(*(one.ask(operation) for operation in Operation)) == [GOOD] * len(Operation)
    assert one.gate.opens_in(Operation.LIST) == 0.0


async def test_trouble_of_another_kind_does_not_end_the_slow_lane(one: Gated, clock: TurnedClock) -> None:
    """A 503 to the one attempt says nothing about the key: the next is 300 s later."""
    one.answer = REFUSED
    await one.ask()
    clock.advance(SLOW_LANE)
    one.answer = BUSY
    assert await one.ask() == BUSY
    assert await one.ask() == REFUSED
    assert len(one.sent) == 2
    assert one.gate.opens_in(Operation.GET) == SLOW_LANE


async def test_an_attempt_in_flight_is_the_only_one(one: Gated, clock: TurnedClock) -> None:
    """While the attempt of the five minutes is under way, nothing goes out beside it, however long it takes."""
    one.answer = REFUSED
    await one.ask()
    clock.advance(SLOW_LANE)
    one.open.clear()
    waiting = [asyncio.create_task(one.ask()) for _ in range(8)]
    await settle()
    assert (one.in_flight, len(one.sent)) == (1, 2)
    one.open.set()
    assert await asyncio.gather(*waiting) == [REFUSED] * 8
    assert len(one.sent) == 2


async def test_what_waits_behind_the_attempt_goes_out_when_it_succeeds(one: Gated, clock: TurnedClock) -> None:
    """Calls that come while the attempt is under way wait for its outcome instead of being told the old one."""
    one.answer = REFUSED
    await one.ask()
    clock.advance(SLOW_LANE)
    one.answer = GOOD
    one.open.clear()
    waiting = [asyncio.create_task(one.ask()) for _ in range(8)]
    await settle()
    assert one.in_flight == 1
    one.open.set()
    assert await asyncio.gather(*waiting) == [GOOD] * 8


async def test_a_key_that_dies_under_load(one: Gated) -> None:
    """Of 50 calls those in flight fail, three at most, and what was queued is not sent any more."""
    one.open.clear()
    waiting = [asyncio.create_task(one.ask(operation)) for operation in (GET, LIST) * 25]
    await settle()
    one.answer = REFUSED
    one.open.set()
    assert await asyncio.gather(*waiting) == [REFUSED] * 50
    assert len(one.sent) == 3


async def test_other_trouble_closes_nothing(one: Gated) -> None:
    """A 503 is for the caller to wait out; the next call goes out."""
    one.answer = BUSY
    assert [await one.ask() for _ in range(5)] == [BUSY] * 5
    assert len(one.sent) == 5
    assert one.gate.trouble(Operation.GET) is None


# --- and the cloud's own count


async def _delete(client: CloudClient, gate: KeyGate) -> DeleteAnswer | Trouble:
    async def call() -> DeleteAnswer | Trouble:
        return await client.delete(ID)

    def trouble_in(answer: DeleteAnswer | Trouble) -> Trouble | None:
        return answer.trouble if isinstance(answer, NotDone) else None

    return await gate.run(Operation.DELETE, ID, call, trouble_in)


async def test_the_cloud_does_not_lock_a_key_that_dies(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """40 DELETEs at once under a key that was just disabled: two failures at most, one more per five minutes."""
    clock = SimulatorsClock(cloud)
    client = cloud_client(http, cloud, auth=SignatureAuth(KEY, PROJECT, clock))
    gate = KeyGate(clock, asyncio.Semaphore(IN_FLIGHT))
    assert await gate.run(Operation.LIST, "", client.list, lambda a: a if isinstance(a, Trouble) else None) == ()
    cloud.set(access_keys={DEFAULT_KEY.access_key: {"enabled": False}})

    def failures() -> int:
        return int(cloud.control("GET", "state")["access_keys"][DEFAULT_KEY.access_key]["failures_total"])

    answers = await asyncio.gather(*(_delete(client, gate) for _ in range(40)))
    assert not any(isinstance(answer, Accepted) for answer in answers)
    first = failures()
    assert 1 <= first <= 2
    for more in (1, 2):
        cloud.clock.advance(SLOW_LANE)
        await asyncio.gather(*(_delete(client, gate) for _ in range(10)))
        assert failures() == first + more
    assert cloud.control("GET", "state")["access_keys"][DEFAULT_KEY.access_key]["times_locked"] == 0


async def test_missing_temporary_keys_close_nothing(one: Gated) -> None:
    """No key was refused, so none has to be spared: the next call goes out at once."""
    one.answer = replace(REFUSED, unsent=True)
    for _ in range(3):
        assert await one.ask() == one.answer
    one.answer = GOOD
    assert await one.ask() == GOOD
