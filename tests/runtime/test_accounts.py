"""Which account looks for which object, and the limiters of the locations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.decision.builders import ELSEWHERE, HERE, ID, PROJECT, US, resource
from tests.runtime.fakes import LIST, FakeSessions
from tests.runtime.virtual_time import LoopClock, pass_time, settle

from imagecache_operator.account import Account
from imagecache_operator.accounts import OWN_CREDENTIALS, Accounts
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.looks import Change
from imagecache_operator.pace import Intervals
from imagecache_operator.placement import Defaults, Placement

REGION = HERE.region


class Kit:
    """The accounts, with a fake cloud behind them, and what they told."""

    def __init__(self, clock: LoopClock) -> None:
        self.sessions = FakeSessions(clock)
        self.defaults = Defaults(REGION, PROJECT)
        self.looks: list[tuple[Account, Change]] = []
        self.woken: list[Key] = []
        self.accounts = Accounts(
            self.sessions, lambda: self.defaults, clock=clock, intervals=Intervals(5.0, 60.0), writes_per_minute=2
        )
        self.accounts.connect(
            on_look=lambda account, change: self.looks.append((account, change)), wake=self.woken.append
        )

    def account_for(self, **changes: Any) -> Account:
        """The account of such an object."""
        found = self.accounts.account_for(resource(**changes))
        assert isinstance(found, Account)
        return found


@pytest.fixture
async def kit(clock: LoopClock) -> AsyncIterator[Kit]:
    """Accounts that are stopped after the test."""
    made = Kit(clock)
    yield made
    await made.accounts.stop()


def pollers() -> int:
    """How many pollers run."""
    return sum(task.get_name().startswith("poll") for task in asyncio.all_tasks())


def elsewhere(name: str = "web") -> dict[str, Any]:
    """An object in another region."""
    return {"name": name, "spec": {"imageCacheID": ID, "region": ELSEWHERE.region, "projectID": PROJECT}}


async def test_one_account_serves_all_objects_of_a_placement(kit: Kit) -> None:
    """A thousand objects cost one poller and one LIST."""
    accounts = {kit.account_for(name=f"o{number}", namespace=f"ns-{number % 7}") for number in range(1000)}
    await settle()
    assert len(accounts) == pollers() == kit.sessions.client.count(LIST) == 1
    [account] = accounts
    assert list(kit.accounts) == [account]
    assert (account.label, account.placement) == (OWN_CREDENTIALS, Placement(REGION, PROJECT))


async def test_a_spec_that_says_what_the_defaults_say_is_the_same_placement(kit: Kit) -> None:
    """It matters where the cache is, not who said so."""
    explicit = {"imageCacheID": ID, "region": REGION, "projectID": PROJECT}
    assert kit.account_for() is kit.account_for(name="explicit", spec=explicit)


async def test_each_placement_has_its_own_account(kit: Kit) -> None:
    """And with it its own poller."""
    assert kit.account_for() is not kit.account_for(**elsewhere())
    await settle()
    assert (pollers(), len(list(kit.accounts)), kit.sessions.client.count(LIST)) == (2, 2, 2)


async def test_an_account_ends_with_its_last_object(kit: Kit) -> None:
    """Not before, and others go on; leaving twice, or without having come, does no harm."""
    one, two = resource(name="one"), resource(name="two")
    account = kit.account_for(name="one")
    assert kit.account_for(name="two") is account
    other = kit.account_for(**elsewhere())
    kit.accounts.left(account, one.key)
    kit.accounts.left(account, one.key)
    kit.accounts.left(account, Key("ns", "stranger"))
    await settle()
    assert set(kit.accounts) == {account, other}
    kit.accounts.left(account, two.key)
    kit.accounts.left(account, two.key)
    await settle()
    assert (list(kit.accounts), pollers()) == ([other], 1)
    before = kit.sessions.client.count(LIST)
    await pass_time(100)
    assert kit.sessions.client.count(LIST) - before == pytest.approx(2, abs=1)


async def test_an_object_that_comes_back_gets_a_new_account(kit: Kit) -> None:
    """What the ended one knew is old."""
    former = kit.account_for()
    await settle()
    kit.accounts.left(former, resource().key)
    assert kit.account_for() is not former
    await settle()
    assert pollers() == 1


@pytest.mark.parametrize(
    ("refused", "defaults", "reason"),
    [
        pytest.param(
            resource(spec={"imageCacheID": ID, "credentialsSecretRef": {"name": "s"}}),
            Defaults(REGION, PROJECT),
            Reason.NOT_ALLOWED,
            id="credentials of its own",
        ),
        pytest.param(
            resource(), Defaults(REGION, PROJECT, frozenset({"team-b"})), Reason.NOT_ALLOWED, id="another namespace"
        ),
        pytest.param(resource(), Defaults(), Reason.ENDPOINT_INVALID, id="no region"),
        pytest.param(resource(), Defaults(trouble="Gone."), Reason.CREDENTIALS_INVALID, id="unreadable credentials"),
    ],
)
async def test_an_object_that_is_refused_has_no_account(
    kit: Kit, refused: ImageCache, defaults: Defaults, reason: Reason
) -> None:
    """It is told why, and nothing is looked at for it."""
    kit.defaults = defaults
    verdict = kit.accounts.account_for(refused)
    assert isinstance(verdict, Verdict)
    assert verdict.reason is reason
    assert (list(kit.accounts), pollers()) == ([], 0)


async def test_the_defaults_are_asked_each_time(kit: Kit) -> None:
    """A rotated Secret may name another project."""
    before = kit.account_for()
    kit.defaults = replace(kit.defaults, project_id="f" * 32)
    assert kit.account_for().placement == Placement(REGION, "f" * 32)
    assert kit.account_for() is not before


async def test_a_location_has_one_limiter_whatever_the_account(kit: Kit) -> None:
    """The cloud counts writes per endpoint, region and project."""
    limiter = kit.accounts.limiter(HERE)
    assert kit.accounts.limiter(replace(HERE)) is limiter
    assert kit.accounts.limiter_at(US.to_status()) is limiter
    assert kit.accounts.limiter_at(replace(US, account_id="other", credential="other").to_status()) is limiter
    for other in (ELSEWHERE, replace(HERE, project_id="f" * 32), replace(HERE, endpoint="https://cce.example.com")):
        assert kit.accounts.limiter(other) is not limiter


async def test_a_limiter_outlives_the_accounts(kit: Kit) -> None:
    """Else deleting the last object and making a new one would give a fresh minute."""
    limiter = kit.accounts.limiter(HERE)
    kit.accounts.left(kit.account_for(), resource().key)
    assert kit.accounts.limiter(HERE) is limiter


async def test_the_limit_of_the_settings_holds_and_grants_wake(kit: Kit) -> None:
    """Two writes a minute here; the third key is woken when it may write, and counted until then, by its account."""
    limiter, deleted = kit.accounts.limiter(HERE), (0, resource().created_at)
    keys = [resource(name=str(number)).key for number in range(3)]
    _, _, account = (kit.account_for(name=key.name) for key in keys)
    other = kit.account_for(**elsewhere())
    await settle()
    for key in keys:
        if limiter.request(key, deleted):
            limiter.begin(key)
            limiter.end()
    assert (kit.accounts.writes_waiting(account), kit.accounts.writes_waiting(other)) == (1, 0)
    await pass_time(61)
    assert kit.woken == keys[2:]
    assert kit.accounts.writes_waiting(account) == 0


async def test_looks_are_told_with_their_account(kit: Kit) -> None:
    """The one to whom all looks are told must know whose they are."""
    here, there = kit.account_for(), kit.account_for(**elsewhere())
    await settle()
    assert {account for account, _ in kit.looks} == {here, there}


async def test_stop_ends_all_pollers(kit: Kit) -> None:
    """Also one whose LIST hangs."""
    kit.sessions.client.hold(LIST)
    kit.account_for()
    kit.account_for(**elsewhere())
    await settle()
    assert pollers() == 2
    await kit.accounts.stop()
    assert pollers() == 0
