"""Which account looks at the cloud for which object, and the write limiter of each location."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from imagecache_operator.account import Account, SessionOpener
from imagecache_operator.clock import Clock
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.identity import Location, location_of
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.limiter import WriteLimiter
from imagecache_operator.looks import Change
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.pace import Intervals
from imagecache_operator.placement import Defaults, Placement, place
from imagecache_operator.quota import Quota
from imagecache_operator.status import SeenBy

_Place: TypeAlias = "tuple[Tenant, Placement]"

OWN_CREDENTIALS = "default"
"""The label of accounts that use the operator's own credentials."""


NOT_SERVED = Verdict(
    Reason.NOT_ALLOWED,
    "spec.credentialsSecretRef is not served here: the operator runs without IMAGECACHE_NAMESPACED_CREDENTIALS. Remove "
    "it to use the operator's own credentials, or ask an administrator for the setting.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Tenant:
    """One source of credentials.

    Attributes:
        label: `default`, or `namespace/secret`.
        sessions: opens sessions with them.
        defaults: what holds where a spec is silent; asked at each pass, because credentials may change.
        withdrawn: why nothing may be created with them any more, None when it may.
        kept: who goes on with the credentials that worked at a location, when their Secret is out of use and others
            worked last; None: this one.
    """

    label: str
    sessions: SessionOpener
    defaults: Callable[[], Defaults]
    withdrawn: Callable[[], str | None] = lambda: None
    kept: Callable[[Location], Tenant | None] = lambda _location: None


class Accounts:
    """All accounts that objects need; one poller each, started with the first object and ended with the last.

    Args:
        sessions: opens sessions with the operator's own credentials.
        defaults: asked at each pass, because credentials that change may change the defaults.
        tenant_of: opens what a Secret holds; None when Secrets are not served.
        clock: where time comes from.
        intervals: how often to LIST.
        writes_per_minute: of each location's limiter.
    """

    def __init__(
        self,
        sessions: SessionOpener,
        defaults: Callable[[], Defaults],
        *,
        clock: Clock,
        intervals: Intervals,
        writes_per_minute: int,
        tenant_of: Callable[[Key], Tenant] | None = None,
    ) -> None:
        self._tenants: dict[Key | None, Tenant] = {None: Tenant(OWN_CREDENTIALS, sessions, defaults)}
        self._tenant_of = tenant_of
        self._refs: dict[Key, Key] = {}
        self._clock = clock
        self._intervals = intervals
        self._writes_per_minute = writes_per_minute
        self._accounts: dict[_Place, Account] = {}
        self._places: dict[Account, _Place] = {}
        self._users: dict[Account, set[Key]] = {}
        self._pollers: dict[Account, asyncio.Task[None]] = {}
        self._limiters: dict[Location, WriteLimiter] = {}
        self._quotas: dict[Location, Quota] = {}
        self._on_look: Callable[[Account, Change], None] = lambda _account, _change: None
        self._wake: Callable[[Key], None] = lambda _key: None

    def __iter__(self) -> Iterator[Account]:
        return iter(list(self._users))

    def connect(self, *, on_look: Callable[[Account, Change], None], wake: Callable[[Key], None]) -> None:
        """Say who is told of looks and of granted writes."""
        self._on_look, self._wake = on_look, wake

    def account_for(self, resource: ImageCache) -> Account | Verdict:
        """The account that looks for the object, or why none does."""
        self._name(resource.key, resource.credentials_ref)
        tenant = self._tenant(resource)
        if tenant is None:
            return NOT_SERVED
        placement = place(resource, tenant.defaults())
        if isinstance(placement, Verdict):
            return placement
        where = tenant, placement
        account = self._accounts.get(where) or self._open(where)
        self._users[account].add(resource.key)
        return account

    def _tenant(self, resource: ImageCache) -> Tenant | None:
        tenant, seen_by = self._tenants.get(resource.credentials_ref), resource.status.seen_by
        kept = tenant.kept(location_of(seen_by)) if tenant is not None and seen_by is not None else None
        return kept or tenant

    def _name(self, key: Key, ref: Key | None) -> None:
        """The object names that Secret from now on; what is kept of one that nobody names any more goes."""
        former = self._refs.get(key)
        if former == ref or self._tenant_of is None:
            return
        self._refs.pop(key, None)
        if ref is not None:
            self._refs[key] = ref
            if ref not in self._tenants:
                self._tenants[ref] = self._tenant_of(ref)
        if former is not None and former not in self._refs.values():
            del self._tenants[former]

    def gone(self, key: Key) -> None:
        """The object is no more."""
        self._name(key, None)

    def _open(self, where: _Place) -> Account:
        tenant, placement = where
        account = Account(
            tenant.label,
            placement,
            tenant.sessions,
            clock=self._clock,
            intervals=self._intervals,
            on_look=self._looked,
        )
        self._accounts[where], self._places[account] = account, where
        self._users[account] = set()
        self._pollers[account] = asyncio.get_running_loop().create_task(
            account.run(), name=f"poll {tenant.label} {placement.region}"
        )
        return account

    def left(self, account: Account, key: Key) -> None:
        """The object does not use the account any more; with its last user an account goes."""
        users = self._users.get(account)
        if users is None:
            return
        users.discard(key)
        if not users:
            del self._users[account]
            del self._accounts[self._places.pop(account)]
            self._pollers.pop(account).cancel()

    def limiter(self, location: Location) -> WriteLimiter:
        """The write limiter of a location, whatever the credentials."""
        if location not in self._limiters:
            self._limiters[location] = WriteLimiter(self._writes_per_minute, self._clock, self._granted)
        return self._limiters[location]

    def quota(self, location: Location) -> Quota:
        """What is known of the room in a location, whatever the credentials."""
        if location not in self._quotas:
            self._quotas[location] = Quota(self._clock)
        return self._quotas[location]

    def defaults_for(self, resource: ImageCache) -> Defaults:
        """What holds for the object where its spec is silent."""
        tenant = self._tenant(resource)
        return tenant.defaults() if tenant is not None else Defaults()

    def withdrawn(self, resource: ImageCache) -> Trouble | None:
        """Why nothing may be created with the object's credentials any more, None when it may."""
        tenant = self._tenant(resource)
        sentence = tenant.withdrawn() if tenant is not None else None
        return Trouble(TroubleKind.CREDENTIALS_INVALID, sentence) if sentence is not None else None

    def limiter_at(self, seen_by: SeenBy) -> WriteLimiter:
        """The write limiter of the location that an object's status names."""
        return self.limiter(location_of(seen_by))

    def writes_waiting(self, account: Account) -> int:
        """How many objects of the account wait for a write slot."""
        limiter = self._limiters.get(account.identity.location) if account.identity is not None else None
        return sum(limiter.waits(key) for key in self._users.get(account, ())) if limiter is not None else 0

    def _looked(self, account: Account, change: Change) -> None:
        self._on_look(account, change)

    def _granted(self, key: Key) -> None:
        self._wake(key)

    async def stop(self) -> None:
        """End all pollers."""
        pollers = list(self._pollers.values())
        for poller in pollers:
            poller.cancel()
        await asyncio.gather(*pollers, return_exceptions=True)
