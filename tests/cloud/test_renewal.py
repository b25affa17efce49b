"""What ends is renewed in time, by one attempt at a time, and serves until its end while that fails."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import httpx
import pytest
from tests.cloud.kit import TurnedClock

from imagecache_operator.cloud import renewal
from imagecache_operator.cloud.iam import IamError
from imagecache_operator.cloud.renewal import LIFE_MIN, PAUSE_MAX, Renewed
from imagecache_operator.observation import Trouble, TroubleKind

LIFE = 3600.0
DOWN = Trouble(TroubleKind.CLOUD_UNAVAILABLE, "STS is down.", unsent=True)
REFUSED, TAKEN = httpx.Response(401), httpx.Response(200)


class Source:
    """Gives 1, 2 and so on; fails while there is trouble; holds back while it is not `open`."""

    def __init__(self, clock: TurnedClock) -> None:
        self.clock = clock
        self.asked: list[float] = []
        self.trouble: Trouble | None = None
        self.life = LIFE
        self.stamp = "first"
        self.early = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self.renewed = Renewed(
            "keys", self.fetch, lambda _: self.life, clock, early=lambda: self.early, watch=lambda: self.stamp
        )

    async def fetch(self) -> int:
        """A fresh one."""
        self.asked.append(self.clock.monotonic())
        number = len(self.asked)
        await self.open.wait()
        if self.trouble is not None:
            raise IamError(self.trouble)
        return number

    async def current(self) -> int | Trouble:
        """The one in use, or why there is none."""
        try:
            return (await self.renewed.current()).value
        except IamError as error:
            return error.trouble

    async def said(self) -> str:
        """Why there is none."""
        trouble = await self.current()
        assert isinstance(trouble, Trouble)
        return trouble.message


@pytest.fixture
async def source(clock: TurnedClock) -> Source:
    """A source that works."""
    return Source(clock)


@pytest.mark.parametrize(("early", "due"), [(0.0, 0.8), (0.1, 0.7), (0.2, 0.6)])
async def test_a_renewal_comes_after_a_part_of_the_life(
    source: Source, clock: TurnedClock, early: float, due: float
) -> None:
    """Not a moment before four fifths, or as much earlier as chance has it."""
    source.early = early
    assert await source.current() == 1
    clock.advance(due * LIFE - 0.1)
    assert await source.current() == 1
    clock.advance(0.2)
    assert await source.current() == 2


async def test_while_renewals_fail_the_old_one_serves_until_its_end(source: Source, clock: TurnedClock) -> None:
    """And not a moment longer: then the failure is told, with the time of the next attempt."""
    await source.current()
    source.trouble = DOWN
    clock.advance(0.8 * LIFE)
    assert [await source.current() for _ in range(3)] == [1, 1, 1]
    clock.advance(0.2 * LIFE - 0.1)
    assert await source.current() == 1
    clock.advance(0.1)
    trouble = await source.current()
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.message, trouble.unsent) == (DOWN.kind, DOWN.message, True)
    assert trouble.retry_after is not None
    assert 0 < trouble.retry_after <= PAUSE_MAX


async def test_pauses_between_failures_double(source: Source, clock: TurnedClock) -> None:
    """However often it is asked meanwhile: no attempt before the pause is over, and never more than a minute."""
    source.trouble = DOWN
    for _ in range(2400):
        await source.current()
        clock.advance(0.125)
    pauses = [after - before for before, after in pairwise(source.asked)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_success_ends_the_row_of_failures(source: Source, clock: TurnedClock) -> None:
    """After it the next failure pauses as the first one does."""
    source.trouble = DOWN
    for _ in range(3):
        await source.current()
        clock.advance(PAUSE_MAX)
    source.trouble = None
    assert await source.current() == 4
    source.trouble = DOWN
    clock.advance(LIFE)
    trouble = await source.current()
    assert isinstance(trouble, Trouble)
    assert trouble.retry_after == 1.0


async def test_what_is_watched_ends_a_pause(source: Source, clock: TurnedClock) -> None:
    """A token file that has changed is tried at once, and once."""
    source.trouble = DOWN
    for _ in range(5):
        await source.current()
        clock.advance(PAUSE_MAX)
    await source.current()
    asked = len(source.asked)
    source.stamp = "second"
    await source.current()
    await source.current()
    assert len(source.asked) == asked + 1


async def test_many_who_wait_share_one_attempt(source: Source) -> None:
    """20 at once cause one attempt, be it good or bad."""
    for trouble in (DOWN, None):
        source.trouble, source.stamp = trouble, str(trouble)
        source.open.clear()
        waiting = [asyncio.create_task(source.current()) for _ in range(20)]
        await asyncio.sleep(0)
        source.open.set()
        answers = await asyncio.gather(*waiting)
        assert len(set(map(str, answers))) == 1
    assert len(source.asked) == 2


async def test_a_slow_renewal_holds_up_nobody(
    source: Source, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts it waits a moment, the others not at all; all have the old one until the new one is there."""
    monkeypatch.setattr(renewal, "PATIENCE", 0.01)
    await source.current()
    clock.advance(0.8 * LIFE)
    source.open.clear()
    assert [await source.current() for _ in range(3)] == [1, 1, 1]
    assert len(source.asked) == 2
    source.open.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert await source.current() == 2


async def test_who_gives_up_waiting_does_not_end_the_renewal(source: Source) -> None:
    """The attempt goes on, and serves whoever comes next."""
    source.open.clear()
    impatient = asyncio.create_task(source.current())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    source.open.set()
    assert await source.current() == 1
    assert len(source.asked) == 1


async def test_what_is_refused_is_fetched_once_and_then_on_trial(source: Source) -> None:
    """A late word about a former one changes nothing; the trial ends when it is taken."""
    old = await source.renewed.current()
    source.renewed.learn(old, REFUSED)
    fresh = await source.renewed.current()
    assert (fresh.value, fresh.on_trial) == (2, True)
    source.renewed.learn(old, REFUSED)
    assert await source.renewed.current() is fresh
    source.renewed.learn(fresh, TAKEN)
    assert not fresh.on_trial


async def test_what_has_ended_when_it_comes_is_not_fetched_without_end(source: Source, clock: TurnedClock) -> None:
    """By a clock that is ahead everything fresh has ended already: it is used all the same, for a moment each."""
    source.life = -600.0
    for _ in range(50):
        await source.current()
    assert len(source.asked) == 1
    clock.advance(LIFE_MIN)
    assert await source.current() == 2


async def test_a_fault_of_ours_is_a_failure_like_others(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its place, pauses, and does not stay for ever."""

    async def broken() -> int:
        raise ZeroDivisionError

    source.renewed._fetch = broken
    assert await source.said() == "Renewal of keys failed; see the log."
    assert "ZeroDivisionError" in caplog.text
    source.renewed._fetch, source.stamp = source.fetch, "second"
    assert await source.current() == 1


async def test_what_the_log_says(source: Source, clock: TurnedClock, caplog: pytest.LogCaptureFixture) -> None:
    """While the old one serves: the trouble once, how long there is still time, and that it goes well again."""
    caplog.set_level(logging.INFO)
    await source.current()
    source.trouble = DOWN
    clock.advance(0.8 * LIFE)
    for _ in range(3):
        await source.current()
        clock.advance(10)
    source.trouble = None
    clock.advance(PAUSE_MAX)
    assert await source.current() == len(source.asked)
    assert [record.getMessage() for record in caplog.records] == [
        "STS is down. The present keys serve for another 720 s",
        "Renewal of keys goes well again",
    ]


async def test_the_version_tells_when_to_open_anew(source: Source, clock: TurnedClock) -> None:
    """Not over what nobody feels; but when there is nothing, when it may go better, and when it does."""
    await source.current()
    versions = [source.renewed.version]
    clock.advance(0.9 * LIFE)
    await source.current()
    source.trouble = DOWN
    clock.advance(0.9 * LIFE)
    await source.current()
    versions.append(source.renewed.version)
    assert versions[0] == versions[1]
    clock.advance(LIFE)
    await source.current()
    versions.append(source.renewed.version)
    clock.advance(PAUSE_MAX)
    await source.current()
    assert source.renewed.version == versions[-1]
    source.stamp = "second"
    versions.append(source.renewed.version)
    source.trouble = None
    await source.current()
    versions.append(source.renewed.version)
    assert len(set(map(str, versions))) == 4
