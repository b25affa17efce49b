"""What changed credentials mean for the poller, and credentials that cannot be opened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.decision.builders import ID, ROTATED, US
from tests.runtime.account_kit import IDLE, OUTAGE, Started
from tests.runtime.fakes import DELETE, GET, LIST
from tests.runtime.virtual_time import pass_time

from imagecache_operator.account import CREDENTIALS_CHECK
from imagecache_operator.answers import NotDone
from imagecache_operator.cloud.account_ids import ACCOUNT_RETRY
from imagecache_operator.observation import Awaited, Look, Present, Trouble, TroubleKind, Unknown

REFUSED = Trouble(TroubleKind.CREDENTIALS_INVALID, "401: who are you?")


async def test_changed_credentials_are_used_at_once(started: Started) -> None:
    """Within two seconds, out of the slow lane, and everything is looked at anew."""
    started.client.troubles[LIST] = REFUSED
    await pass_time(10)
    started.client.troubles.clear()
    started.client.put(ID)
    started.sessions.change_credentials(ROTATED)
    started.take_changes()
    generation = started.account.generation
    await pass_time(CREDENTIALS_CHECK + 0.01)
    observation = started.observe()
    assert isinstance(observation, Present)
    assert observation.identity == started.account.identity == ROTATED
    assert started.account.generation == generation + 1
    assert [change.all for change in started.take_changes()] == [True]


async def test_unchanged_credentials_are_opened_once(started: Started) -> None:
    """One session serves all looks."""
    await pass_time(3600)
    assert len(started.sessions.opened) == 1
    assert started.client.count(LIST) > 50


async def test_new_credentials_that_cannot_be_opened_yet_are_tried_again(started: Started) -> None:
    """An outage of IAM must not lead back to the former key, which may be gone."""
    await pass_time(1)
    started.sessions.trouble = OUTAGE
    started.sessions.change_credentials(ROTATED)
    await pass_time(30)
    assert started.client.count(LIST) == 1
    assert started.observe() == Unknown(OUTAGE)
    assert len(started.sessions.opened) > 3
    started.sessions.trouble = None
    await pass_time(60)
    assert started.account.identity == ROTATED
    assert started.client.count(LIST) >= 2


async def test_new_credentials_do_not_wait_for_the_slow_lane_of_the_former_ones(started: Started) -> None:
    """The lane belongs to the key that was refused."""
    started.client.troubles[LIST] = REFUSED
    await pass_time(1)
    started.sessions.trouble = OUTAGE
    started.sessions.change_credentials(ROTATED)
    await pass_time(10)
    started.sessions.trouble = None
    started.client.troubles.clear()
    await pass_time(20)
    assert started.account.identity == ROTATED
    assert not isinstance(started.observe(), Unknown)


async def test_only_credentials_with_which_a_list_succeeded_have_worked(started: Started) -> None:
    """Their source is told, and keeps them when what it holds is gone."""
    former = started.sessions.credentials
    await pass_time(1)
    assert started.sessions.proven == [former]
    started.client.troubles[LIST] = REFUSED
    started.sessions.change_credentials(ROTATED)
    await pass_time(10)
    assert started.client.count(LIST) == 2
    assert started.sessions.proven == [former]
    started.client.troubles.clear()
    started.sessions.change_credentials(ROTATED)
    await pass_time(10)
    assert started.sessions.proven == [former, started.sessions.credentials]


async def test_the_slow_lane_of_former_credentials_is_not_told_of_new_ones(started: Started) -> None:
    """While the new ones cannot be opened, a look that is awaited is just that."""
    await pass_time(1)
    started.client.troubles[LIST] = REFUSED
    await pass_time(IDLE)
    later = started.clock.monotonic() + 1
    await pass_time(2)
    assert started.observe(not_before=later) == Unknown(REFUSED)
    started.sessions.trouble = OUTAGE
    started.sessions.change_credentials(ROTATED)
    await pass_time(CREDENTIALS_CHECK + 0.01)
    assert started.observe(not_before=started.clock.monotonic() + 1) == Awaited(Look.LIST)


async def test_writes_go_on_with_the_former_credentials_until_new_ones_are_open(started: Started) -> None:
    """A deletion under way needs not wait for IAM."""
    started.client.put(ID)
    await pass_time(1)
    started.sessions.trouble = OUTAGE
    started.sessions.change_credentials(ROTATED)
    await pass_time(5)
    assert not isinstance(await started.account.delete(ID, lambda: True), NotDone)
    await started.account.get(ID)
    assert (started.client.count(DELETE), started.client.count(GET)) == (1, 1)


async def test_an_account_that_could_not_be_told_is_asked_for_again(started: Started) -> None:
    """By a session that is opened when that is due; until then identities compare by credential."""
    started.sessions.identity = replace(US, account_id=None)
    await pass_time(ACCOUNT_RETRY - 1)
    assert len(started.sessions.opened) == 1
    started.sessions.identity = US
    await pass_time(2 * IDLE)
    assert len(started.sessions.opened) == 2
    await pass_time(3 * ACCOUNT_RETRY)
    assert len(started.sessions.opened) == 2
    assert started.account.identity == US


async def test_trouble_while_opening_is_trouble_of_the_look(started: Started) -> None:
    """It is shown, backs off by its kind, and ends with the first session."""
    started.sessions.trouble = OUTAGE
    await pass_time(8)
    assert started.observe() == Unknown(OUTAGE)
    assert started.sessions.opened == pytest.approx([1000, 1001, 1003, 1007], abs=0.01)
    started.sessions.trouble = None
    await pass_time(20)
    assert started.client.count(LIST) == 1
