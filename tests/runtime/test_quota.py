"""The room of a location: learnt from refusals, handed out by age, doubted after an hour or by a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.runtime.virtual_time import EPOCH, LoopClock, pass_time

from imagecache_operator.decision import Room
from imagecache_operator.imagecache import Key
from imagecache_operator.quota import RECHECK, Quota

OLD, MIDDLE, YOUNG = (Key("ns", name) for name in ("old", "middle", "young"))
WORDS = "403: the quota is used up"
AGES = {key: (EPOCH + timedelta(days=number), f"uid-{key.name}") for number, key in enumerate([OLD, MIDDLE, YOUNG])}


class Tenant:
    """A location, and the newest list of it."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.quota = Quota(clock)

    def list(self, used: int) -> list[Key]:
        """A LIST begins now and shows so many; whom it wakes."""
        self.quota.listed(used, self.clock.monotonic())
        return self.quota.hopeful()

    def room(self, key: Key) -> Room:
        """Whether there is room for the object."""
        return self.quota.room_for(key, AGES[key])

    def refused(self, key: Key) -> None:
        """A POST goes out and is refused."""
        self.quota.asked(key)
        self.quota.answered(key, created=False)
        self.quota.refused(WORDS)

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
    assert tenant.list(1000) == []


async def test_the_limit_is_what_was_there_at_the_refusal(tenant: Tenant) -> None:
    """No room until a list shows fewer; then there is. The cloud's words are kept."""
    tenant.refused(OLD)
    assert tenant.room(OLD) == Room(3, 3, free=False, words=WORDS)
    tenant.list(3)
    assert tenant.list(3) == []
    assert tenant.list(2) == [OLD]
    assert tenant.room(OLD) == Room(2, 3, free=True, words=WORDS)


async def test_an_older_list_that_ends_late_says_nothing(tenant: Tenant) -> None:
    """Two accounts may look at one location at the same time."""
    await pass_time(1)
    tenant.list(4)
    tenant.quota.listed(2, tenant.clock.monotonic() - 0.5)
    assert tenant.room(OLD).used == 4


async def test_room_goes_to_the_oldest(tenant: Tenant) -> None:
    """Whoever asks first: one place is for the oldest, two are for the two oldest."""
    tenant.refused(YOUNG)
    for key in (YOUNG, MIDDLE, OLD):
        assert not tenant.room(key).free
    assert tenant.list(2) == [OLD, MIDDLE, YOUNG]
    assert [tenant.room(key).free for key in (YOUNG, MIDDLE, OLD)] == [False, False, True]
    tenant.list(1)
    assert [tenant.room(key).free for key in (YOUNG, MIDDLE, OLD)] == [False, True, True]


async def test_who_withdraws_waits_no_more(tenant: Tenant) -> None:
    """Else an object that is gone would keep all others from the room for ever."""
    tenant.refused(OLD)
    tenant.room(OLD), tenant.room(YOUNG)
    tenant.quota.withdraw(OLD)
    assert tenant.list(2) == [YOUNG]
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
    assert tenant.room(YOUNG) == Room(5, 5, free=False, words=WORDS)
    assert tenant.list(4) == [YOUNG]
    assert tenant.room(YOUNG).free


# --- who is told


async def test_who_waits_is_told_what_has_changed(tenant: Tenant) -> None:
    """Fewer caches, more, another limit: each once; and always when there may be room."""
    tenant.refused(OLD)
    tenant.room(OLD), tenant.room(YOUNG)
    both = [OLD, YOUNG]
    assert [tenant.quota.hopeful(), tenant.quota.hopeful()] == [both, []]
    assert [tenant.list(2), tenant.list(2)] == [both, both]
    assert [tenant.list(3), tenant.list(3)] == [both, []]
    assert [tenant.list(4), tenant.list(4)] == [both, []]


# --- posts that wait for their turn


async def test_the_first_refusal_holds_back_the_posts_behind_it(tenant: Tenant) -> None:
    """While nothing was known, all might go; now none may."""
    for key in (OLD, MIDDLE, YOUNG):
        tenant.quota.asked(key)
    assert [tenant.quota.still_room_for(key) for key in (OLD, MIDDLE, YOUNG)] == [True, True, True]
    tenant.quota.answered(OLD, created=False)
    tenant.quota.refused(WORDS)
    assert [tenant.quota.still_room_for(key) for key in (MIDDLE, YOUNG)] == [False, False]


async def test_who_asked_first_has_the_room_that_is_left(tenant: Tenant) -> None:
    """Somebody else took a place meanwhile: the last of them goes without, not all."""
    tenant.refused(YOUNG)
    tenant.list(0)
    for key in (YOUNG, OLD, MIDDLE):
        tenant.quota.asked(key)
    assert [tenant.quota.still_room_for(key) for key in (OLD, MIDDLE, YOUNG)] == [True, True, True]
    tenant.list(1)
    assert [tenant.quota.still_room_for(key) for key in (OLD, MIDDLE, YOUNG)] == [True, False, True]


# --- doubt


async def test_after_an_hour_the_limit_is_doubted(tenant: Tenant) -> None:
    """It may have been raised, which one POST can tell: the oldest object's, though no list shows anything new."""
    tenant.refused(OLD)
    for key in (OLD, YOUNG):
        tenant.room(key)
    tenant.list(3)
    await pass_time(RECHECK - 1)
    assert tenant.list(3) == []
    await pass_time(2)
    assert tenant.list(3) == [OLD, YOUNG]
    assert [tenant.room(key).free for key in (YOUNG, OLD)] == [False, True]
    tenant.refused(OLD)
    assert [tenant.room(key).free for key in (YOUNG, OLD)] == [False, False]


async def test_a_limit_that_is_not_reached_is_not_doubted(tenant: Tenant) -> None:
    """Until a list shows that it matters."""
    tenant.refused(OLD)
    tenant.list(2)
    await pass_time(RECHECK + 1)
    assert tenant.room(OLD).limit == 3
    tenant.quota.doubt(OLD)
    assert tenant.room(OLD).limit == 3
    tenant.list(3)
    assert tenant.room(OLD).limit is None


@pytest.fixture
async def doubted(tenant: Tenant) -> Tenant:
    """A tenant that was full an hour ago, for which three objects wait."""
    tenant.refused(OLD)
    for key in (OLD, MIDDLE, YOUNG):
        tenant.room(key)
    await pass_time(RECHECK + 1)
    assert tenant.list(3) == [OLD, MIDDLE, YOUNG]
    return tenant


async def test_each_that_is_taken_lets_the_next_one_ask(doubted: Tenant) -> None:
    """One at a time, until one is refused."""
    assert [doubted.room(key).free for key in (YOUNG, MIDDLE, OLD)] == [False, False, True]
    doubted.quota.asked(OLD)
    assert not doubted.room(MIDDLE).free
    doubted.quota.answered(OLD, created=True)
    assert doubted.quota.hopeful() == [MIDDLE, YOUNG]
    assert [doubted.room(key).free for key in (YOUNG, MIDDLE)] == [False, True]
    doubted.refused(MIDDLE)
    assert doubted.room(YOUNG) == Room(3, 3, free=False, words=WORDS)


async def test_an_answer_that_was_lost_lets_the_next_one_ask(doubted: Tenant) -> None:
    """Whatever came of it, no list need show it first."""
    doubted.created(OLD)
    doubted.list(3)
    assert doubted.room(MIDDLE).free


async def test_when_all_that_waited_are_served_nothing_is_known(doubted: Tenant) -> None:
    """The limit was raised, and nobody knows by how much."""
    for key in (OLD, MIDDLE, YOUNG):
        doubted.created(key)
    assert [doubted.room(key).free for key in (OLD, MIDDLE, YOUNG)] == [True, True, True]


async def test_a_person_may_doubt_it_at_once(tenant: Tenant) -> None:
    """Whoever asks to look at once at an object that waits has perhaps just raised it; at another object, not."""
    tenant.refused(OLD)
    assert not tenant.room(OLD).free
    tenant.quota.doubt(YOUNG)
    assert not tenant.room(OLD).free
    tenant.quota.doubt(OLD)
    assert tenant.quota.hopeful() == [OLD]
    assert tenant.room(OLD).free


async def test_the_object_that_was_asked_about_is_not_preferred(tenant: Tenant) -> None:
    """A person's doubt is for all; the oldest tries."""
    tenant.refused(OLD)
    for key in (OLD, YOUNG):
        tenant.room(key)
    tenant.quota.doubt(YOUNG)
    assert [tenant.room(key).free for key in (YOUNG, OLD)] == [False, True]


async def test_what_a_former_process_was_refused_is_in_doubt(tenant: Tenant) -> None:
    """The oldest tries; what this process has learnt itself counts more."""
    tenant.quota.was_full()
    assert [tenant.room(key).free for key in (OLD, YOUNG)] == [True, False]
    tenant.refused(OLD)
    tenant.quota.was_full()
    assert tenant.room(YOUNG) == Room(3, 3, free=False, words=WORDS)
