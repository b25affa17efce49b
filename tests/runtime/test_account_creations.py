"""POSTs through the account, and LISTs out of turn for objects that wait for their first look."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.runtime.account_kit import FORBIDDEN, OUTAGE, Started
from tests.runtime.fakes import CREATE, DELETE, LIST
from tests.runtime.virtual_time import pass_time, settle

from imagecache_operator.answers import Created, Lost, NotDone
from imagecache_operator.desired import Desired
from imagecache_operator.observation import TroubleKind
from imagecache_operator.pace import NUDGE_SPACING

WEB = Desired("web", ("nginx",), 20, 0, "c-1", ())


# --- LISTs out of turn


async def test_a_nudge_brings_a_list_at_once(started: Started) -> None:
    """The first object of an idle account does not wait for the interval."""
    await pass_time(20)
    before = started.clock.monotonic()
    started.account.nudge(before)
    await settle()
    assert started.client.begun(LIST)[-1] == pytest.approx(before, abs=0.001)
    assert started.account.list_begun >= before


async def test_many_nudges_share_few_lists(started: Started) -> None:
    """A hundred objects within a second cost no more than a LIST in each half second."""
    await pass_time(20)
    lists = started.client.count(LIST)
    for _ in range(100):
        started.account.nudge(started.clock.monotonic())
        await pass_time(0.01)
    await pass_time(2)
    assert started.client.count(LIST) - lists <= 1 / NUDGE_SPACING + 1
    assert min(started.pauses()[1:]) >= NUDGE_SPACING - 0.001


async def test_a_nudge_counts_on_the_list_that_is_on_its_way(started: Started) -> None:
    """One that began late enough will do; one that began too early is followed by another."""
    await pass_time(20)
    early, before = started.clock.monotonic(), started.client.count(LIST)
    hold = started.client.hold(LIST)
    started.account.nudge(early)
    await pass_time(1)
    started.account.nudge(early)
    started.client.let_go(LIST)
    hold.set()
    await pass_time(3)
    lists = started.client.count(LIST)
    assert lists - before == 1
    hold = started.client.hold(LIST)
    started.account.nudge(started.clock.monotonic())
    await pass_time(1)
    started.account.nudge(started.clock.monotonic())
    started.client.let_go(LIST)
    hold.set()
    await pass_time(3)
    assert started.client.count(LIST) - lists == 2


async def test_a_nudge_does_not_pass_the_slow_lane(started: Started) -> None:
    """A bad key is not tried again because objects come."""
    await pass_time(1)
    started.client.troubles[LIST] = replace(FORBIDDEN, kind=TroubleKind.CREDENTIALS_INVALID)
    started.account.poke()
    await pass_time(1)
    lists = started.client.count(LIST)
    started.account.nudge(started.clock.monotonic())
    await pass_time(200)
    assert started.client.count(LIST) == lists


# --- POST


async def test_create_goes_out_only_when_it_is_still_wanted(started: Started) -> None:
    """It is asked for the last time when its turn has come; the body is what is wanted."""
    await pass_time(1)
    assert await started.account.create(WEB, lambda: False) is None
    assert started.client.count(CREATE) == 0
    assert isinstance(await started.account.create(WEB, lambda: True), Created)
    assert started.client.bodies == [WEB.to_body()]


async def test_without_a_session_nothing_is_created(started: Started) -> None:
    """Nothing goes out, and nothing raises."""
    started.sessions.trouble = OUTAGE
    await pass_time(0.5)
    assert await started.account.create(WEB, lambda: True) is None
    assert started.client.bodies == []


async def test_a_denied_creation_does_not_hold_up_deletions(started: Started) -> None:
    """Permissions are per action: who may not create may still delete."""
    await pass_time(1)
    for name in ("web", "db"):
        started.client.create_answers.append(NotDone(FORBIDDEN))
        assert await started.account.create(replace(WEB, name=name), lambda: True) == NotDone(FORBIDDEN)
    assert started.account.write_trouble(CREATE) == FORBIDDEN
    assert started.account.write_trouble(DELETE) is None
    await pass_time(301)
    started.client.create_answers.append(Lost("cut off"))
    await started.account.create(WEB, lambda: True)
    assert started.account.write_trouble(CREATE) == FORBIDDEN
    await pass_time(301)
    started.take_changes()
    assert isinstance(await started.account.create(WEB, lambda: True), Created)
    assert started.account.write_trouble(CREATE) is None
    assert any(change.all for change in started.changes)
