"""What goes out after a denied action: nothing of its kind for a while, unless a person asks."""

from __future__ import annotations

from tests.cloud.gated import DENIED, GOOD, REFUSED, Gated
from tests.cloud.kit import TurnedClock

from imagecache_operator.cloud.gate import SLOW_LANE, Operation


async def test_a_denied_list_closes_its_lane_only(one: Gated, clock: TurnedClock) -> None:
    """A LIST that is denied is tried again after 300 s; GET and DELETE go on."""
    one.answer = DENIED
    assert await one.ask(Operation.LIST, "") == DENIED
    assert await one.ask(Operation.LIST, "") == DENIED
    assert len(one.sent) == 1
    one.answer = GOOD
    assert [await one.ask(Operation.GET), await one.ask(Operation.DELETE)] == [GOOD, GOOD]
    assert one.gate.opens_in(Operation.LIST) == SLOW_LANE
    assert one.gate.opens_in(Operation.GET) == 0.0
    clock.advance(SLOW_LANE)
    assert await one.ask(Operation.LIST, "") == GOOD
    assert one.gate.opens_in(Operation.LIST) == 0.0


async def test_one_forbidden_cache_does_not_hold_up_the_others(one: Gated) -> None:
    """A lane closes only once a second cache is denied."""
    one.answer = DENIED
    assert [await one.ask(Operation.DELETE, "a") for _ in range(3)] == [DENIED] * 3
    assert one.gate.trouble(Operation.DELETE) is None
    assert await one.ask(Operation.DELETE, "b") == DENIED
    assert one.gate.trouble(Operation.DELETE) == DENIED
    assert await one.ask(Operation.DELETE, "c") == DENIED
    assert [subject for _, subject in one.sent] == ["a", "a", "a", "b"]


async def test_a_success_clears_the_suspicion(one: Gated) -> None:
    """Two denials with a success between them are two single caches."""
    for subject, answer in (("a", DENIED), ("b", GOOD), ("c", DENIED)):
        one.answer = answer
        assert await one.ask(Operation.DELETE, subject) == answer
    assert one.gate.trouble(Operation.DELETE) is None


async def test_a_denial_proves_the_key(one: Gated, clock: TurnedClock) -> None:
    """A 403 to the attempt of a refused key ends the slow lane: who may not is at least known."""
    one.answer = REFUSED
    await one.ask()
    clock.advance(SLOW_LANE)
    one.answer = DENIED
    assert await one.ask(Operation.GET, "a") == DENIED
    one.answer = GOOD
    assert await one.ask(Operation.DELETE, "a") == GOOD


# --- forgiveness


async def test_forgiveness_opens_denied_lanes(one: Gated) -> None:
    """When a person asks, a denied action is tried again at once, and once."""
    one.answer = DENIED
    await one.ask(Operation.LIST)
    one.gate.forgive()
    assert one.gate.trouble(Operation.LIST) is None
    assert one.gate.opens_in(Operation.LIST) == 0.0
    assert [await one.ask(Operation.LIST) for _ in range(3)] == [DENIED] * 3
    assert len(one.sent) == 2


async def test_forgiveness_does_not_open_the_slow_lane(one: Gated) -> None:
    """A key that failed to authenticate stays slow whatever a person asks: it could be locked for everybody."""
    one.answer = REFUSED
    await one.ask(Operation.LIST)
    one.gate.forgive()
    assert await one.ask(Operation.LIST) == REFUSED
    assert len(one.sent) == 1


async def test_the_time_until_a_lane_opens_is_never_negative(one: Gated, clock: TurnedClock) -> None:
    """Long after a lane could have been tried, it opens in no time."""
    one.answer = REFUSED
    await one.ask()
    clock.advance(10 * SLOW_LANE)
    assert one.gate.opens_in(Operation.GET) == 0.0
