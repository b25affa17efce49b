"""Accounts of objects that bring credentials of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.decision.builders import HERE, ID, PROJECT, resource
from tests.runtime.fakes import FakeSessions
from tests.runtime.virtual_time import LoopClock

from imagecache_operator.account import Account
from imagecache_operator.accounts import NOT_SERVED, Accounts, Tenant
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.identity import Location
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.observation import TroubleKind
from imagecache_operator.pace import Intervals
from imagecache_operator.placement import Defaults


def user_of(
    secret: str | None, name: str = "web", namespace: str = "team-a", status: dict[str, Any] | None = None
) -> ImageCache:
    """An object that uses that Secret."""
    spec: dict[str, Any] = {"imageCacheID": ID}
    if secret is not None:
        spec["credentialsSecretRef"] = {"name": secret}
    return resource(spec=spec, status=status, name=name, namespace=namespace, uid=f"{namespace}-{name}")


class Kit:
    """Accounts that serve Secrets."""

    def __init__(self, clock: LoopClock) -> None:
        self.opened: list[Key] = []
        self.withdrawn: str | None = None
        self.kept: dict[Location, Tenant] = {}
        self.defaults = Defaults(HERE.region, PROJECT)
        self.sessions = FakeSessions(clock)
        self.accounts = Accounts(
            self.sessions,
            lambda: Defaults(HERE.region, PROJECT, frozenset({"team-b"})),
            clock=clock,
            intervals=Intervals(5.0, 60.0),
            writes_per_minute=2,
            tenant_of=self.tenant_of,
        )

    def tenant_of(self, ref: Key) -> Tenant:
        """Open what a Secret holds."""
        self.opened.append(ref)
        return Tenant(str(ref), self.sessions, lambda: self.defaults, lambda: self.withdrawn, self.kept.get)

    def account_for(self, user: ImageCache) -> Account:
        """The account of an object that has one."""
        found = self.accounts.account_for(user)
        assert isinstance(found, Account)
        return found


@pytest.fixture
async def secrets(clock: LoopClock) -> AsyncIterator[Kit]:
    """Accounts that are stopped after the test."""
    made = Kit(clock)
    yield made
    await made.accounts.stop()


async def test_without_the_setting_secrets_are_not_served(clock: LoopClock) -> None:
    """Nor are the operator's own credentials taken instead."""
    accounts = Accounts(
        FakeSessions(clock),
        lambda: Defaults(HERE.region, PROJECT),
        clock=clock,
        intervals=Intervals(5.0, 60.0),
        writes_per_minute=2,
    )
    assert accounts.account_for(user_of("cloud")) == NOT_SERVED
    assert accounts.withdrawn(user_of("cloud")) is None
    assert "IMAGECACHE_NAMESPACED_CREDENTIALS" in NOT_SERVED.message


async def test_each_secret_has_an_account_of_its_own(secrets: Kit) -> None:
    """Objects that use the same one share it; a Secret of the same name in another namespace is another one."""
    ours = secrets.account_for(user_of("cloud"))
    assert ours.label == "team-a/cloud"
    assert secrets.account_for(user_of("cloud", name="other")) is ours
    theirs = secrets.account_for(user_of("cloud", namespace="team-b"))
    own = secrets.account_for(user_of(None, namespace="team-b"))
    assert len({ours, theirs, own}) == 3
    assert (theirs.label, own.label) == ("team-b/cloud", "default")


async def test_who_brings_credentials_needs_no_leave_to_use_the_operators(secrets: Kit) -> None:
    """The setting for own credentials concerns those alone."""
    refused = secrets.accounts.account_for(user_of(None))
    assert isinstance(refused, Verdict)
    assert refused.reason is Reason.NOT_ALLOWED
    secrets.account_for(user_of("cloud"))


def end(secrets: Kit, user: ImageCache, account: Account) -> None:
    """The object is gone."""
    secrets.accounts.left(account, user.key)
    secrets.accounts.gone(user.key)


def name_no_secret(secrets: Kit, user: ImageCache, account: Account) -> None:
    """The object uses the operator's own credentials from now on."""
    secrets.accounts.account_for(user_of(None, name=user.key.name))
    secrets.accounts.left(account, user.key)


@pytest.mark.parametrize("leave", [end, name_no_secret])
async def test_with_the_last_that_names_it_the_copy_goes(
    secrets: Kit, leave: Callable[[Kit, ImageCache, Account], None]
) -> None:
    """Whoever comes later has to find the Secret."""
    first, second = user_of("cloud"), user_of("cloud", name="other")
    account = secrets.account_for(first)
    secrets.account_for(second)
    leave(secrets, first, account)
    assert secrets.account_for(second) is account
    assert len(secrets.opened) == 1
    leave(secrets, second, account)
    assert secrets.account_for(first) is not account
    assert len(secrets.opened) == 2


async def test_a_secret_that_leads_nowhere_for_a_while_keeps_its_copy(secrets: Kit) -> None:
    """The object that names it is still there, only without an account."""
    user = user_of("cloud")
    account = secrets.account_for(user)
    secrets.defaults = Defaults()
    assert isinstance(secrets.accounts.account_for(user), Verdict)
    secrets.accounts.left(account, user.key)
    secrets.defaults = Defaults(HERE.region, PROJECT)
    secrets.account_for(user)
    assert len(secrets.opened) == 1


async def test_who_was_seen_elsewhere_is_served_by_what_worked_there(secrets: Kit) -> None:
    """All others go with the Secret; copies have accounts of their own, and one label in metrics and logs."""
    secrets.kept[HERE] = Tenant("team-a/cloud", secrets.sessions, lambda: Defaults("eu-west-101", PROJECT))
    seen = user_of("cloud", name="seen")
    new = user_of("cloud", status={})
    copy, account = secrets.account_for(seen), secrets.account_for(new)
    assert copy is not account
    assert (copy.label, account.label) == ("team-a/cloud", "team-a/cloud")
    secrets.kept.clear()
    assert secrets.account_for(seen) is account


async def test_withdrawn_credentials_create_nothing(secrets: Kit) -> None:
    """The sentence says which Secret is missing."""
    secrets.account_for(user_of("cloud"))
    assert secrets.accounts.withdrawn(user_of("cloud")) is None
    secrets.withdrawn = "There is no Secret team-a/cloud."
    trouble = secrets.accounts.withdrawn(user_of("cloud"))
    assert trouble is not None
    assert (trouble.kind, trouble.message) == (TroubleKind.CREDENTIALS_INVALID, secrets.withdrawn)
    assert secrets.accounts.withdrawn(user_of(None, namespace="team-b")) is None
