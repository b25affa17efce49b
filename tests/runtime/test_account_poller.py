"""The poller: when it looks, how it backs off, and what changed credentials mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.decision.builders import ID
from tests.runtime.account_kit import ACTIVE, FORBIDDEN, HERE, IDLE, OUTAGE, Started, throttled
from tests.runtime.fakes import GET, LIST
from tests.runtime.virtual_time import LoopClock, pass_time

from imagecache_operator.observation import Present, Trouble, TroubleKind, Unknown
from imagecache_operator.pace import Intervals, Pace

REFUSED = Trouble(TroubleKind.CREDENTIALS_INVALID, "401: who are you?")
SLOW = 300.0


async def test_the_first_list_is_at_once_the_next_at_the_idle_interval(started: Started) -> None:
    """While nothing moves, an account is looked at every 60 s; for the second time sooner, by its phase."""
    await pass_time(600)
    assert started.client.begun(LIST)[0] == pytest.approx(1000.0)
    assert len(started.client.calls) == len(started.client.begun(LIST)) >= 10
    first, *others = started.pauses()
    assert 0.5 * IDLE <= first <= IDLE
    assert others == pytest.approx([IDLE] * len(others), abs=1e-3)


async def test_accounts_do_not_look_all_at_one_time(clock: LoopClock) -> None:
    """The first idle interval of each has a length of its own."""

    def first_interval() -> float:
        pace, begun = Pace(Intervals(ACTIVE, IDLE), clock), clock.monotonic()
        pace.ended(begun, good=True)
        return pace.due(None) - begun

    lengths = {round(first_interval(), 9) for _ in range(10)}
    assert len(lengths) > 1
    assert all(0.5 * IDLE <= length <= IDLE for length in lengths)


async def test_lists_come_at_the_active_interval_while_something_moves(started: Started) -> None:
    """From the moment it begins to move until the last of several has come to rest."""
    await pass_time(20)
    started.account.set_moving("a", True)
    started.account.set_moving("b", True)
    started.account.set_moving("a", False)
    await pass_time(20)
    pauses = started.pauses()
    assert pauses[0] == pytest.approx(20, abs=1e-3)
    assert pauses[1:] == pytest.approx([ACTIVE] * (len(pauses) - 1), abs=1e-3)
    started.account.set_moving("b", False)
    started.account.set_moving("b", False)
    await pass_time(90)
    assert started.pauses()[-1] >= 0.9 * IDLE - 1e-3


async def test_a_slow_list_is_followed_by_the_next_without_a_pause(started: Started) -> None:
    """The interval counts from begin to begin, and there is one LIST at a time."""
    started.account.set_moving("a", True)
    gate = started.client.hold(LIST)
    await pass_time(12)
    assert started.client.count(LIST) == 1
    started.client.let_go(LIST)
    gate.set()
    await pass_time(ACTIVE + 0.1)
    assert started.pauses() == pytest.approx([12, ACTIVE], abs=1e-3)


async def test_a_poke_lists_at_once(started: Started) -> None:
    """In the middle of an interval, and once per poke."""
    await pass_time(10)
    started.account.poke()
    await pass_time(1)
    assert started.pauses() == pytest.approx([10], abs=1e-3)
    await pass_time(20)
    assert started.client.count(LIST) == 2


async def test_a_poke_during_a_list_leads_to_another_one(started: Started) -> None:
    """The LIST that is on its way began before the poke and may be stale."""
    gate = started.client.hold(LIST)
    await pass_time(3)
    started.account.poke()
    await pass_time(1)
    started.client.let_go(LIST)
    gate.set()
    await pass_time(1)
    assert started.pauses() == pytest.approx([4], abs=1e-3)


@pytest.mark.parametrize(
    ("trouble", "moving", "pauses"),
    [
        pytest.param(OUTAGE, False, [1, 2, 4, 8, 16, 32, 60, 60], id="an outage: doubling up to the idle interval"),
        pytest.param(OUTAGE, True, [1, 2, 4, 8, 16, 30, 30], id="an outage while something moves: up to 30 s"),
        pytest.param(throttled(12.5), False, [12.5, 12.5, 12.5], id="throttled: as the cloud asks"),
        pytest.param(throttled(None), True, [60, 60], id="throttled without a time: a minute"),
        pytest.param(throttled(0.0), True, [1, 1, 1], id="throttled with zero: a second, not at once"),
        pytest.param(REFUSED, True, [300, 300], id="the key is refused: slow lane"),
        pytest.param(FORBIDDEN, True, [300, 300], id="the action is denied: slow lane"),
        pytest.param(
            replace(REFUSED, unsent=True, retry_after=4.0),
            True,
            [4, 4, 4],
            id="no temporary keys: until they are asked for again",
        ),
        pytest.param(
            replace(OUTAGE, kind=TroubleKind.ENDPOINT_INVALID),
            True,
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300],
            id="a wrong endpoint: doubling up to the slow lane",
        ),
        pytest.param(
            replace(OUTAGE, kind=TroubleKind.REQUEST_REJECTED),
            False,
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 300],
            id="a rejected request: likewise",
        ),
    ],
)
async def test_back_off_after_trouble(started: Started, trouble: Trouble, moving: bool, pauses: list[float]) -> None:
    """Each kind of trouble has its own pause between two LISTs; the first good one ends it."""
    started.client.troubles[LIST] = trouble
    started.account.set_moving("a", moving)
    await pass_time(sum(pauses) + 0.5)
    assert started.pauses() == pytest.approx(pauses, abs=0.01)
    started.client.troubles.clear()
    started.account.set_moving("a", True)
    await pass_time(SLOW + ACTIVE + 1)
    assert started.pauses()[-1] == pytest.approx(ACTIVE, abs=0.01)


async def test_a_success_lets_the_next_trouble_count_as_the_first(started: Started) -> None:
    """Back-offs do not add up over days."""
    started.client.troubles[LIST] = OUTAGE
    await pass_time(40)
    started.client.troubles.clear()
    started.account.poke()
    await pass_time(1)
    started.client.troubles[LIST] = OUTAGE
    started.account.poke()
    await pass_time(1.1)
    assert started.pauses()[-1] == pytest.approx(1.0, abs=0.01)


async def test_a_poke_skips_the_back_off(started: Started) -> None:
    """A person's annotation looks at once during an outage."""
    started.client.troubles[LIST] = OUTAGE
    await pass_time(40)
    before = started.client.count(LIST)
    started.account.poke()
    await pass_time(0.1)
    assert started.client.count(LIST) == before + 1


@pytest.mark.parametrize("how", ["poke", "hurry"])
async def test_nothing_skips_the_slow_lane_of_a_refused_key(started: Started, how: str) -> None:
    """A key that fails too often is locked for everybody who uses it."""
    started.client.troubles[LIST] = REFUSED
    await pass_time(10)
    for _ in range(20):
        getattr(started.account, how)()
        await pass_time(10)
    assert started.client.count(LIST) == 1
    await pass_time(SLOW - 210 + 1)
    assert started.client.count(LIST) == 2


@pytest.mark.parametrize(("how", "tries"), [("poke", 1), ("hurry", 2)])
async def test_a_denied_action_is_tried_again_when_a_person_asks(started: Started, how: str, tries: int) -> None:
    """A denial locks nothing, so a person who granted the permission does not wait; other pokes do."""
    started.client.troubles[LIST] = FORBIDDEN
    await pass_time(10)
    getattr(started.account, how)()
    await pass_time(10)
    assert started.client.count(LIST) == tries


async def test_a_fault_of_ours_does_not_end_the_poller(started: Started, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, shown as trouble, and backs off like an outage, also after a poke."""
    started.client.put(ID)
    await pass_time(1)
    assert isinstance(started.observe(), Present)
    started.client.troubles[LIST] = ValueError("a fault")
    started.account.poke()
    await pass_time(10)
    observation = started.observe()
    assert isinstance(observation, Unknown)
    assert "see the log" in observation.trouble.message
    assert started.pauses()[1:] == pytest.approx([1, 2, 4], abs=0.01)
    assert caplog.messages.count("LIST failed") == 4
    assert started.account.list_begun == started.client.begun(LIST)[-1]
    started.client.troubles.clear()
    await pass_time(20)
    assert isinstance(started.observe(), Present)


async def test_the_age_of_the_last_good_look(started: Started) -> None:
    """Good LISTs and GETs renew it, trouble does not."""
    await pass_time(1)
    started.client.troubles[LIST] = started.client.troubles[GET] = OUTAGE
    await pass_time(99)
    await started.account.get(ID)
    assert started.account.since_good_look() == pytest.approx(100, abs=7)
    assert started.account.since_good_look() > 30
    started.client.troubles.clear()
    await started.account.get(ID)
    assert started.account.since_good_look() == 0.0
    assert started.account.placement == HERE


async def test_when_the_newest_list_began(started: Started) -> None:
    """Minus infinity before the first has ended; a LIST that failed counts, too, because it was a look."""
    gate = started.client.hold(LIST)
    await pass_time(3)
    assert started.account.list_begun == float("-inf")
    started.client.let_go(LIST)
    gate.set()
    await pass_time(1)
    assert started.account.list_begun == started.client.begun(LIST)[0]
    started.client.troubles[LIST] = OUTAGE
    started.account.poke()
    await pass_time(0.5)
    assert started.account.list_begun == started.client.begun(LIST)[1]
