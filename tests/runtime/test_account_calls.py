"""Calls that an object asks its account for: names, what changed, GET and DELETE, and calls that cannot go out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.decision.builders import ID
from tests.runtime.account_kit import FORBIDDEN, OUTAGE, Started
from tests.runtime.fakes import DELETE, LIST
from tests.runtime.virtual_time import pass_time

from imagecache_operator.answers import Accepted, Lost, NotDone, Refused
from imagecache_operator.looks import Change
from imagecache_operator.observation import (
    Cache,
    CacheStatus,
    TroubleKind,
)

OTHER_ID = "d271e39e-1a6e-4d3d-8fa8-2a36329c68d2"


async def test_each_look_tells_what_it_changed(started: Started) -> None:
    """All at the first LIST, then the ids and names of what came, changed or went, and nothing when nothing did."""
    started.client.put(ID)
    await pass_time(1)
    assert started.take_changes() == [Change(frozenset({ID}), frozenset({"web"}), all=True)]
    web, db = Cache(ID, "web", CacheStatus.AVAILABLE), Cache(OTHER_ID, "db", CacheStatus.AVAILABLE)
    for there, tells in [
        ([web], Change()),
        ([web, db], Change(frozenset({OTHER_ID}), frozenset({"db"}))),
        ([replace(web, status=CacheStatus.DELETING), db], Change(frozenset({ID}), frozenset({"web"}))),
        ([db], Change(frozenset({ID}), frozenset({"web"}))),
    ]:
        started.client.caches = {cache.id: cache for cache in there}
        started.account.poke()
        await pass_time(0.1)
        assert started.take_changes() == [tells]
    await started.account.get(ID)
    assert started.take_changes() == [Change(frozenset({ID}))]


async def test_trouble_that_begins_or_ends_concerns_everything(started: Started) -> None:
    """The same trouble again concerns nobody anew."""
    await pass_time(0.5)
    assert started.take_changes() == [Change(all=True)]
    for trouble, tells in [(OUTAGE, True), (OUTAGE, False), (FORBIDDEN, True), (None, True), (None, False)]:
        started.client.troubles = {} if trouble is None else {LIST: trouble}
        started.account.hurry()
        await pass_time(0.5)
        assert [change.all for change in started.take_changes()] == [tells]


async def test_delete_goes_out_only_when_it_is_still_wanted(started: Started) -> None:
    """It is asked for the last time when its turn has come."""
    started.client.put(ID)
    await pass_time(1)
    assert await started.account.delete(ID, lambda: False) is None
    assert started.client.count(DELETE) == 0
    assert isinstance(await started.account.delete(ID, lambda: True), Accepted)
    started.client.answers.append(Refused("locked"))
    assert await started.account.delete(ID, lambda: True) == Refused("locked")
    assert started.client.count(DELETE) == 2


async def test_a_closed_gate_answers_for_the_cloud(started: Started) -> None:
    """After the key was refused no DELETE goes out, and the answer says that nothing was done."""
    await pass_time(1)
    refused = replace(FORBIDDEN, kind=TroubleKind.CREDENTIALS_INVALID)
    started.client.troubles[LIST] = refused
    started.account.poke()
    await pass_time(1)
    assert await started.account.delete(ID, lambda: True) == NotDone(refused)
    assert started.client.count(DELETE) == 0
    assert started.account.write_trouble(DELETE) == refused
    assert 298 < started.account.write_opens_in(DELETE) <= 300


async def test_without_a_session_nothing_is_called(started: Started) -> None:
    """Before the first session GET and DELETE do nothing, and nothing stands in the way of a later DELETE."""
    started.sessions.trouble = OUTAGE
    await pass_time(0.5)
    await started.account.get(ID)
    assert await started.account.delete(ID, lambda: True) is None
    assert (started.client.calls, started.account.write_trouble(DELETE), started.account.write_opens_in(DELETE)) == (
        [],
        None,
        0.0,
    )
    assert started.account.identity is None


@pytest.mark.parametrize("answer", [None, Lost("cut off")], ids=["it never went out", "its answer was lost"])
async def test_a_delete_without_an_answer_proves_no_permission(started: Started, answer: Lost | None) -> None:
    """What held up all DELETEs holds until the cloud takes one."""
    await pass_time(1)
    for cache_id in (ID, OTHER_ID):
        started.client.answers.append(NotDone(FORBIDDEN))
        await started.account.delete(cache_id, lambda: True)
    assert started.account.write_trouble(DELETE) == FORBIDDEN
    await pass_time(301)
    if answer is not None:
        started.client.answers.append(answer)
    assert await started.account.delete(ID, lambda: answer is not None) == answer
    assert started.account.write_trouble(DELETE) == FORBIDDEN
    await pass_time(301)
    assert isinstance(await started.account.delete(ID, lambda: True), Accepted)
    assert started.account.write_trouble(DELETE) is None
