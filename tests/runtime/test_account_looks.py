"""What an account knows of a cache: Present, Absent, Unlisted, Unknown or Awaited, and what it takes to say so."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.decision.builders import ID, ROTATED, STRANGER, US
from tests.runtime.account_kit import ACTIVE, FORBIDDEN, OUTAGE, Started
from tests.runtime.fakes import GET, LIST
from tests.runtime.virtual_time import LoopClock, pass_time, settle

from imagecache_operator.identity import Identity
from imagecache_operator.looks import Looks
from imagecache_operator.observation import (
    Absent,
    Awaited,
    Cache,
    CacheStatus,
    Look,
    Present,
    Trouble,
    Unknown,
    Unlisted,
)

OTHER_ID = "d271e39e-1a6e-4d3d-8fa8-2a36329c68d2"


async def test_nothing_is_known_before_the_first_look(started: Started) -> None:
    """A LIST is awaited, by id and by name."""
    started.client.hold(LIST)
    await settle()
    assert started.observe() == Awaited(Look.LIST)
    assert started.account.observe_name("web", not_before=0) == Awaited(Look.LIST)
    assert (started.account.quota_used, started.account.identity) == (0, US)


async def test_a_list_that_has_the_id_is_a_sighting(started: Started) -> None:
    """One LIST answers for all caches, and tells who looked and when it began."""
    started.client.put(ID)
    started.client.put(OTHER_ID, "Polishing", "db")
    gate = started.client.hold(LIST)
    await pass_time(3)
    gate.set()
    await settle()
    [begun] = started.client.begun(LIST)
    assert started.observe() == Present(started.client.caches[ID], US, begun)
    assert started.observe(OTHER_ID) == Present(started.client.caches[OTHER_ID], US, begun)
    assert started.account.quota_used == 2
    assert started.client.count(GET) == 0


async def test_a_get_after_the_list_is_the_newest_look(started: Started) -> None:
    """The status is that of the look that began last."""
    started.client.put(ID)
    await pass_time(1)
    started.client.put(ID, CacheStatus.DELETING)
    await started.account.get(ID)
    observation = started.observe()
    assert isinstance(observation, Present)
    assert observation.cache.status == "Deleting"
    assert observation.begun == started.client.begun(GET)[0]


async def test_absence_takes_a_list_and_a_get(started: Started) -> None:
    """A LIST that lacks the id only asks for the GET; its 404 completes the proof."""
    await pass_time(1)
    assert started.observe() == Awaited(Look.GET)
    assert started.account.proven_at(ID) is None
    await pass_time(1)
    await started.account.get(ID)
    assert started.observe() == Absent(US)
    assert started.account.proven_at(ID) == started.client.begun(GET)[0]
    assert started.account.proven_at(None) is None


async def test_a_get_alone_proves_nothing(started: Started) -> None:
    """A 404 to a GET while the newest LIST has the id awaits another LIST."""
    started.client.put(ID)
    await pass_time(1)
    started.client.caches.clear()
    await started.account.get(ID)
    assert started.observe() == Awaited(Look.LIST)
    started.account.poke()
    await settle()
    assert started.observe() == Absent(US)


@pytest.mark.parametrize(
    ("after_the_list", "after_the_get", "says"),
    [
        pytest.param(False, False, Absent(US), id="both began later"),
        pytest.param(True, False, Awaited(Look.LIST), id="only the GET began later"),
        pytest.param(True, True, Awaited(Look.LIST), id="neither began later"),
    ],
)
async def test_an_absence_is_proven_only_by_looks_that_began_later(
    started: Started, after_the_list: bool, after_the_get: bool, says: object
) -> None:
    """Looks from before the deletionTimestamp was seen do not count, however clearly they miss the cache."""
    seen = started.clock.monotonic() - 1.0
    await pass_time(1)
    if after_the_list:
        seen = started.clock.monotonic()
    await pass_time(1)
    await started.account.get(ID)
    await pass_time(1)
    if after_the_get:
        seen = started.clock.monotonic()
    assert started.observe(proof_after=seen) == says


async def test_a_get_from_before_the_deletion_does_not_complete_a_later_list(started: Started) -> None:
    """The LIST is fresh, the 404 is not: another GET is needed."""
    await pass_time(1)
    await started.account.get(ID)
    await pass_time(1)
    seen = started.clock.monotonic()
    await pass_time(1)
    started.account.poke()
    await settle()
    assert started.observe(proof_after=seen) == Awaited(Look.GET)
    await started.account.get(ID)
    assert started.observe(proof_after=seen) == Absent(US)


@pytest.mark.parametrize(
    "other", [ROTATED, STRANGER, replace(US, account_id=None)], ids=["rotated", "stranger", "untold"]
)
async def test_both_looks_must_be_of_one_identity(started: Started, other: Identity) -> None:
    """A 404 to the former credentials does not complete the LIST of the new ones."""
    await pass_time(1)
    await started.account.get(ID)
    assert started.observe() == Absent(US)
    await pass_time(1)
    started.sessions.change_credentials(other)
    await pass_time(ACTIVE)
    assert started.observe() == Awaited(Look.GET)
    await started.account.get(ID)
    assert started.observe() == Absent(other)


async def test_looks_that_began_before_our_write_was_answered_are_not_used(started: Started) -> None:
    """A stale read, be it a sighting or an absence, says nothing after a DELETE."""
    started.client.put(ID)
    gate = started.client.hold(LIST)
    await pass_time(1)
    answered = started.clock.monotonic()
    gate.set()
    await pass_time(1)
    assert isinstance(started.observe(), Present)
    assert started.observe(not_before=answered) == Awaited(Look.LIST)
    started.client.caches.clear()
    await started.account.get(ID)
    assert started.observe(not_before=answered) == Awaited(Look.LIST)
    started.account.poke()
    await pass_time(1)
    assert started.observe(not_before=answered) == Absent(US)


async def test_trouble_from_before_our_write_was_answered_is_not_used_either(started: Started) -> None:
    """What is awaited then is a fresh look."""
    started.client.troubles[LIST] = OUTAGE
    await pass_time(0.5)
    assert started.observe() == Unknown(OUTAGE)
    assert started.observe(not_before=started.clock.monotonic()) == Awaited(Look.LIST)


async def test_trouble_hides_older_looks(started: Started) -> None:
    """When the newest look failed nothing is known, whatever was seen before."""
    started.client.put(ID)
    await pass_time(1)
    started.client.troubles[LIST] = OUTAGE
    started.account.poke()
    await pass_time(0.5)
    assert started.observe() == Unknown(OUTAGE)
    assert started.account.observe_name("web", not_before=0) == Unknown(OUTAGE)


async def test_trouble_hides_no_newer_good_look(started: Started) -> None:
    """A GET that succeeds after a LIST failed is used."""
    started.client.put(ID)
    started.client.troubles[LIST] = OUTAGE
    await pass_time(0.5)
    await started.account.get(ID)
    assert isinstance(started.observe(), Present)
    assert started.observe(OTHER_ID) == Unknown(OUTAGE)


@pytest.mark.parametrize("trouble", [OUTAGE, FORBIDDEN], ids=lambda trouble: trouble.kind)
async def test_a_get_that_fails_is_repeated_after_its_back_off(started: Started, trouble: Trouble) -> None:
    """It concerns that cache alone, and no LIST makes it come sooner."""
    started.client.put(OTHER_ID)
    await pass_time(1)
    started.client.troubles[GET] = trouble
    await started.account.get(ID)
    assert started.observe() == Unknown(trouble)
    assert isinstance(started.observe(OTHER_ID), Present)
    for _ in range(3):
        await pass_time(0.1)
        started.account.poke()
        await settle()
        assert started.observe() == Unknown(trouble)
    await pass_time(300)
    started.account.poke()
    await settle()
    assert started.observe() == Awaited(Look.GET)


async def test_an_older_get_that_ends_later_does_not_replace_a_newer_one(started: Started) -> None:
    """Two objects may GET the same cache; the answer that began last is the newest."""
    started.client.put(ID)
    await pass_time(1)
    gate = started.client.hold(GET)
    started.client.troubles[GET] = OUTAGE
    older = asyncio.create_task(started.account.get(ID))
    await pass_time(1)
    started.client.let_go(GET)
    started.client.troubles.clear()
    await started.account.get(ID)
    gate.set()
    await older
    assert isinstance(started.observe(), Present)


async def test_what_a_get_brought_can_be_forgotten(started: Started) -> None:
    """Nothing is kept of caches that nobody asks for."""
    await pass_time(1)
    await started.account.get(ID)
    started.account.forget(ID)
    started.account.forget(OTHER_ID)
    assert started.observe() == Awaited(Look.GET)
    assert started.account.proven_at(ID) is None


async def test_a_name_is_looked_up_in_a_fresh_list(started: Started) -> None:
    """There: the cache; not there: Unlisted, but only a LIST that began later than asked for says so."""
    started.client.put(ID)
    await pass_time(1)
    now = started.clock.monotonic()
    assert isinstance(started.account.observe_name("web", not_before=now), Present)
    assert started.account.observe_name("db", not_before=0) == Unlisted(US)
    assert started.account.observe_name("db", not_before=now) == Awaited(Look.LIST)
    await pass_time(1)
    started.account.poke()
    await settle()
    assert started.account.observe_name("db", not_before=now) == Unlisted(US)


async def test_how_long_ago_a_cache_was_seen_for_the_last_time(started: Started) -> None:
    """Good LISTs that lack it say nothing good of it; once it is back they do again."""
    started.client.put(ID)
    await pass_time(1)
    started.account.observe(ID, not_before=0.0, proof_after=0.0)
    del started.client.caches[ID]
    started.client.troubles[GET] = OUTAGE
    await pass_time(300)
    assert started.account.since_good_look() < 61
    assert started.account.since_good_look(ID) > 299
    started.client.put(ID)
    await pass_time(61)
    assert started.account.since_good_look(ID) < 61


async def test_of_two_caches_of_one_name_the_one_that_stays_is_seen(clock: LoopClock) -> None:
    """A cloud that gives a name again while the former cache is being deleted; in whatever order it lists them."""
    new, old = Cache(ID, "web", CacheStatus.CREATING), Cache(OTHER_ID, "web", CacheStatus.DELETING)
    for caches in ((new, old), (old, new)):
        looks = Looks(clock)
        looks.listed(caches, clock.monotonic(), US, fresh=False)
        seen = looks.observe_name("web", not_before=0.0)
        assert isinstance(seen, Present)
        assert seen.cache == new
