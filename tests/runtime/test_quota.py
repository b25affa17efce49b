"""The room of a location: learnt from refusals, handed out by age, doubted after an hour or by a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.runtime.virtual_time import EPOCH, LoopClock, pass_time

from imagecache_operator.decision import Room
from imagecache_operator.imagecache import Key
from imagecache_operator.quota import RECHECK, Quota

OLD, MIDDLE, YOUNG = (Key("ns", name) for name in ("old", "middle", "young"))
AGES = {key: (EPOCH + timedelta(days=number), f"uid-{key.name}") for number, key in enumerate([OLD, MIDDLE, YOUNG])}


class Tenant:
    """A location, and the newest list of it."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.quota = Quota(clock)
        self.used = 0
        self.listed = 0.0

    def list(self, used: int) -> None:
        """A LIST begins now and shows so many."""
        self.used, self.listed = used, self.clock.monotonic()

    def room(self, key: Key) -> Room:
        """Whether there is room for the object."""
        return self.quota.room_for(key, AGES[key], used=self.used, listed=self.listed)

    def refused(self, key: Key) -> None:
        """A POST goes out and is refused."""
        self.quota.asked(key)
        self.quota.answered(key, created=False)
        self.quota.refused(self.used)

    def created(self, key: Key) -> None:
        """A POST goes out and may have made a cache."""
        self.quota.asked(key)
        self.quota.answered(key, created=True)


@pytest.fixture
async def tenant(clock: LoopClock) -> Tenant:
    """A tenant whose list shows three caches."""
    made = Tenant(clock)
    made.list(3)
    return made


async def test_nothing_is_assumed(tenant: Tenant) -> None:
    """Before a refusal there is room, however many caches are there."""
    tenant.list(1000)
    assert tenant.room(OLD) == Room(1000, None, free=True)
    assert tenant.quota.hopeful(1000) == []


async def test_the_limit_is_what_was_there_at_the_refusal(tenant: Tenant) -> None:
    """No room until a list shows fewer; then there is."""
    tenant.refused(OLD)
    assert tenant.room(OLD) == Room(3, 3, free=False)
    assert tenant.quota.hopeful(3) == []
    tenant.list(2)
    assert tenant.quota.hopeful(2) == [OLD]
    assert tenant.room(OLD) == Room(2, 3, free=True)


async def test_room_goes_to_the_oldest(tenant: Tenant) -> None:
    """Whoever asks first: one place is for the oldest, two are for the two oldest."""
    tenant.refused(YOUNG)
    for key in (YOUNG, MIDDLE, OLD):
        assert not tenant.room(key).free
    tenant.list(2)
    assert [tenant.room(key).free for key in (YOUNG, MIDDLE, OLD)] == [False, False, True]
    tenant.list(1)
    assert [tenant.room(key).free for key in (YOUNG, MIDDLE, OLD)] == [False, True, True]


async def test_who_withdraws_waits_no_more(tenant: Tenant) -> None:
    """Else an object that is gone would keep all others from the room for ever."""
    tenant.refused(OLD)
    tenant.room(OLD), tenant.room(YOUNG)
    tenant.quota.withdraw(OLD)
    tenant.list(2)
    assert tenant.quota.hopeful(2) == [YOUNG]
    assert tenant.room(YOUNG).free


async def test_a_post_on_its_way_takes_room(tenant: Tenant) -> None:
    """The next object does not ask for a place that is being taken; the one that asks does not stand in its own way."""
    tenant.refused(OLD)
    tenant.room(MIDDLE)
    tenant.list(2)
    tenant.quota.asked(OLD)
    assert not tenant.room(MIDDLE).free
    assert tenant.room(OLD).free
    tenant.quota.answered(OLD, created=False)
    tenant.quota.withdraw(OLD)
    assert tenant.room(MIDDLE).free


async def test_a_cache_takes_room_until_a_list_shows_it(tenant: Tenant) -> None:
    """A list that began before the answer does not show it, and one that began later does: it is not counted twice."""
    tenant.refused(OLD)
    tenant.list(1)
    await pass_time(1)
    tenant.created(OLD)
    assert tenant.room(MIDDLE).free
    tenant.created(MIDDLE)
    assert not tenant.room(YOUNG).free
    await pass_time(1)
    tenant.list(2)
    assert tenant.room(YOUNG).free


async def test_a_limit_learnt_from_a_list_that_was_behind_is_put_right(tenant: Tenant) -> None:
    """Two caches were made that the list did not show when the third was refused: the limit is five, not three."""
    tenant.created(OLD)
    tenant.created(MIDDLE)
    tenant.refused(YOUNG)
    await pass_time(1)
    tenant.list(5)
    assert tenant.room(YOUNG) == Room(5, 5, free=False)
    tenant.list(4)
    assert tenant.quota.hopeful(4) == [YOUNG]
    assert tenant.room(YOUNG).free


async def test_after_an_hour_the_limit_is_doubted(tenant: Tenant) -> None:
    """It may have been raised, which one POST can tell: the oldest object's, though no list shows anything new."""
    tenant.list(3)
    tenant.refused(OLD)
    for key in (OLD, YOUNG):
        tenant.room(key)
    await pass_time(RECHECK - 1)
    assert tenant.quota.hopeful(3) == []
    await pass_time(2)
    assert set(tenant.quota.hopeful(3)) == {OLD, YOUNG}
    assert [tenant.room(key).free for key in (YOUNG, OLD)] == [False, True]
    tenant.refused(OLD)
    assert [tenant.room(key).free for key in (YOUNG, OLD)] == [False, False]


async def test_a_limit_that_was_raised_is_forgotten(tenant: Tenant) -> None:
    """The one that tries is taken, so the others may try, too."""
    tenant.list(3)
    tenant.refused(OLD)
    for key in (OLD, YOUNG):
        tenant.room(key)
    await pass_time(RECHECK + 1)
    assert tenant.room(OLD).free
    tenant.quota.asked(OLD)
    tenant.quota.answered(OLD, created=True)
    assert tenant.room(YOUNG) == Room(3, None, free=True)


async def test_a_person_may_doubt_it_at_once(tenant: Tenant) -> None:
    """Whoever asks to look at once at an object that waits has perhaps just raised it; at another object, not."""
    tenant.refused(OLD)
    assert not tenant.room(OLD).free
    tenant.quota.doubt(YOUNG)
    assert not tenant.room(OLD).free
    tenant.quota.doubt(OLD)
    assert tenant.quota.hopeful(3) == [OLD]
    assert tenant.room(OLD).free
