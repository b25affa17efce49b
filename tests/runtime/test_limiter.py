"""The write limiter of a location: never more than so many writes in any minute, deletions first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from tests.runtime.virtual_time import EPOCH, LoopClock, pass_time

from imagecache_operator.imagecache import Key
from imagecache_operator.limiter import PAUSE, WINDOW, Priority, WriteLimiter

DELETION, CREATION = 0, 1
TICK = 0.01
"""Seconds within which the limiter's timer must have rung."""


def key(number: int) -> Key:
    """The key with that number."""
    return Key("ns", f"k{number:04d}")


def at(seconds: float) -> datetime:
    """When an object was deleted."""
    return EPOCH + timedelta(seconds=seconds)


def deletion(seconds: float = 0.0) -> Priority:
    """The priority of a deletion that was asked for then."""
    return DELETION, at(seconds)


class Woken:
    """Remembers who was woken, in order."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    def __call__(self, woken: Key) -> None:
        """Remember."""
        self.keys.append(woken)

    def take(self) -> list[Key]:
        """Who was woken since the last time."""
        keys, self.keys = self.keys, []
        return keys


@pytest.fixture
def woken() -> Woken:
    """Who was woken."""
    return Woken()


@pytest.fixture
def make(clock: LoopClock, woken: Woken) -> Callable[[int], WriteLimiter]:
    """Makes a limiter of so many writes a minute."""
    return lambda per_window: WriteLimiter(per_window, clock, woken)


def write(limiter: WriteLimiter, number: int) -> None:
    """Use the slot of the key, with an answer at once."""
    limiter.begin(key(number))
    limiter.end()


async def fill(limiter: WriteLimiter, slots: int) -> None:
    """Use all slots, at once."""
    for number in range(slots):
        assert limiter.request(key(900 + number), deletion())
        write(limiter, 900 + number)


async def test_free_slots_are_granted_at_once(make: Callable[[int], WriteLimiter], woken: Woken) -> None:
    """The asking key is told by the answer, and not woken; it holds one slot however often it asks."""
    limiter = make(2)
    assert [limiter.request(key(number), deletion()) for number in (1, 1, 2, 1)] == [True] * 4
    assert not limiter.request(key(3), deletion())
    assert (limiter.granted(key(1)), limiter.granted(key(2)), limiter.granted(key(3))) == (True, True, False)
    assert (limiter.waiting, woken.keys) == (1, [])


async def test_a_slot_is_used_up_by_one_write(make: Callable[[int], WriteLimiter]) -> None:
    """After the write began the key holds none any more."""
    limiter = make(5)
    assert limiter.request(key(1), deletion())
    limiter.begin(key(1))
    assert not limiter.granted(key(1))


async def test_a_slot_is_free_a_minute_after_the_answer(make: Callable[[int], WriteLimiter], woken: Woken) -> None:
    """Not a moment earlier: the cloud may have counted the write as late as when it answered."""
    limiter = make(1)
    assert limiter.request(key(1), deletion())
    limiter.begin(key(1))
    assert not limiter.request(key(2), deletion())
    await pass_time(25)
    limiter.end()
    await pass_time(WINDOW - TICK)
    assert woken.keys == []
    await pass_time(2 * TICK)
    assert woken.keys == [key(2)]
    assert limiter.granted(key(2))
    assert limiter.waiting == 0


async def test_a_grant_wakes_its_key_once(make: Callable[[int], WriteLimiter], woken: Woken) -> None:
    """Each of those that wait is woken when its turn comes, and never again."""
    limiter = make(2)
    await fill(limiter, 2)
    for number in range(4):
        assert not limiter.request(key(number), deletion(number))
    await pass_time(WINDOW + TICK)
    assert woken.take() == [key(0), key(1)]
    write(limiter, 0)
    write(limiter, 1)
    await pass_time(WINDOW + TICK)
    assert woken.take() == [key(2), key(3)]
    await pass_time(600)
    assert woken.take() == []


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
async def test_deletions_go_first_then_the_oldest(
    make: Callable[[int], WriteLimiter], woken: Woken, order: list[int]
) -> None:
    """The order in which they asked does not matter."""
    wanted = [(DELETION, at(-60)), (DELETION, at(-30)), (DELETION, at(0)), (CREATION, at(-90)), (CREATION, at(0))]
    limiter = make(1)
    await fill(limiter, 1)
    for number in order:
        assert not limiter.request(key(number), wanted[number])
    granted = []
    for _ in wanted:
        await pass_time(WINDOW + TICK)
        [now] = woken.take()
        granted.append(now)
        limiter.begin(now)
        limiter.end()
    assert granted == [key(number) for number in range(5)]


async def test_a_key_that_asks_anew_gets_the_place_of_its_new_request(
    make: Callable[[int], WriteLimiter], woken: Woken
) -> None:
    """A creation that waits and becomes a deletion does not wait as a creation."""
    limiter = make(1)
    await fill(limiter, 1)
    limiter.request(key(1), (CREATION, at(-90)))
    limiter.request(key(2), deletion(0))
    limiter.request(key(1), deletion(-10))
    assert limiter.waiting == 2
    await pass_time(WINDOW + TICK)
    assert woken.take() == [key(1)]
    write(limiter, 1)
    await pass_time(WINDOW + TICK)
    assert woken.take() == [key(2)]


async def test_a_key_whose_new_request_is_less_urgent_does_not_keep_its_place(
    make: Callable[[int], WriteLimiter], woken: Woken
) -> None:
    """The place of the former request is nobody's."""
    limiter = make(1)
    await fill(limiter, 1)
    limiter.request(key(1), deletion(-90))
    limiter.request(key(2), deletion(0))
    limiter.request(key(1), (CREATION, at(0)))
    await pass_time(WINDOW + TICK)
    assert woken.take() == [key(2)]


@pytest.mark.parametrize("asks_again", [False, True])
async def test_who_withdraws_while_waiting_is_passed_over(
    make: Callable[[int], WriteLimiter], woken: Woken, asks_again: bool
) -> None:
    """And asking again later gives one slot, not two."""
    limiter = make(3)
    await fill(limiter, 3)
    for number in (1, 2):
        limiter.request(key(number), deletion(number))
    limiter.withdraw(key(1))
    if asks_again:
        limiter.request(key(1), deletion(1))
    await pass_time(WINDOW + TICK)
    assert woken.take() == ([key(1), key(2)] if asks_again else [key(2)])
    assert limiter.request(key(3), deletion())
    assert limiter.request(key(4), deletion()) is not asks_again


async def test_who_withdraws_a_granted_slot_frees_it(make: Callable[[int], WriteLimiter], woken: Woken) -> None:
    """At once, for the next; nothing was written, so no minute passes."""
    limiter = make(1)
    assert limiter.request(key(1), deletion())
    limiter.request(key(2), deletion())
    limiter.withdraw(key(1))
    assert woken.take() == [key(2)]
    assert not limiter.granted(key(1))
    limiter.withdraw(key(3))
    assert limiter.granted(key(2))


async def test_a_write_that_was_never_sent_frees_its_slot(make: Callable[[int], WriteLimiter], woken: Woken) -> None:
    """At once, for the next."""
    limiter = make(1)
    assert limiter.request(key(1), deletion())
    limiter.begin(key(1))
    limiter.request(key(2), deletion())
    limiter.end(sent=False)
    assert woken.take() == [key(2)]


@pytest.mark.parametrize(
    ("asked", "lasts"),
    [
        pytest.param(12.5, 12.5, id="as the cloud asks"),
        pytest.param(None, PAUSE, id="60 s when it names no time"),
        pytest.param(0.0, 0.0, id="not at all when it asks for zero"),
    ],
)
@pytest.mark.parametrize("per_window", [10, 0], ids=["ten a minute", "no limit"])
async def test_a_pause_holds_all_writes_for_its_time(
    make: Callable[[int], WriteLimiter], woken: Woken, asked: float | None, lasts: float, per_window: int
) -> None:
    """Also where there is no limit; when it ends, those that wait are woken."""
    limiter = make(per_window)
    limiter.pause(asked)
    assert limiter.paused_for() == pytest.approx(lasts)
    assert limiter.request(key(1), deletion()) is (lasts == 0)
    if lasts:
        await pass_time(lasts - TICK)
        assert woken.keys == []
        await pass_time(2 * TICK)
        assert woken.take() == [key(1)]
    assert limiter.granted(key(1))
    assert limiter.paused_for() == 0


async def test_a_pause_that_ends_does_not_wait_for_a_slot_where_one_is_free(
    make: Callable[[int], WriteLimiter], woken: Woken
) -> None:
    """The write that was throttled holds one slot for a minute, and the others are free when the pause is over."""
    limiter = make(2)
    await fill(limiter, 1)
    limiter.pause(12.5)
    limiter.request(key(1), deletion(1))
    limiter.request(key(2), deletion(2))
    await pass_time(12.5 + TICK)
    assert woken.take() == [key(1)]
    await pass_time(WINDOW - 12.5)
    assert woken.take() == [key(2)]


async def test_the_longer_pause_holds(make: Callable[[int], WriteLimiter], woken: Woken) -> None:
    """A second 429 that asks for less does not shorten the first one's pause."""
    limiter = make(10)
    limiter.pause(50)
    limiter.request(key(1), deletion())
    limiter.pause(5)
    await pass_time(49)
    assert woken.keys == []
    await pass_time(1 + TICK)
    assert woken.take() == [key(1)]


@pytest.mark.parametrize(
    ("ages", "free_in"),
    [
        pytest.param([0.0, 0.0], [60.0, 60.0], id="just answered"),
        pytest.param([45.0, 20.0], [15.0, 40.0], id="some time ago"),
        pytest.param([20.0, 45.0], [15.0, 40.0], id="in any order"),
        pytest.param([60.0, 75.0], [0.0, 0.0], id="out of the window"),
        pytest.param([-30.0, 30.0], [30.0, 60.0], id="one from a clock that goes ahead counts as now"),
        pytest.param([10.0, 20.0, 30.0, 40.0], [40.0, 50.0], id="more than the limit allows now"),
    ],
)
async def test_writes_of_a_former_process_count(
    make: Callable[[int], WriteLimiter], clock: LoopClock, woken: Woken, ages: list[float], free_in: list[float]
) -> None:
    """A restart must not give the location a fresh minute, nor hold it longer than a minute."""
    limiter = make(2)
    for age in ages:
        limiter.occupy(age)
    begun = clock.monotonic()
    granted_in = [0.0 for number in range(2) if limiter.request(key(number), deletion(number))]
    while len(granted_in) < 2:
        await pass_time(TICK)
        granted_in += [clock.monotonic() - begun for _ in woken.take()]
        assert granted_in == [] or granted_in[-1] <= WINDOW + 3 * TICK
    assert granted_in == pytest.approx(free_in, abs=2 * TICK)


async def test_zero_is_no_limit(make: Callable[[int], WriteLimiter]) -> None:
    """All are granted at once, whatever was written before."""
    limiter = make(0)
    limiter.occupy(0.0)
    for number in range(500):
        assert limiter.request(key(number), deletion())
        limiter.begin(key(number))
    assert limiter.waiting == 0
