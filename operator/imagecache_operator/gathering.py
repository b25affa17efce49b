"""What one pass looks at: the object, the newest observation, and the facts beside them, gathered once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imagecache_operator.account import Account
from imagecache_operator.accounts import Accounts
from imagecache_operator.clock import Clock
from imagecache_operator.conditions import Verdict
from imagecache_operator.decision import Facts
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.observation import Awaited, Cache, Look, Observation, Present, Trouble
from imagecache_operator.placement import moved
from imagecache_operator.store import Claim, Store, cache_id_of
from imagecache_operator.tracking import NEVER, Tracked


@dataclass(slots=True)
class View:
    """What one pass looks at."""

    resource: ImageCache
    tracked: Tracked
    observation: Observation
    facts: Facts


class Gatherer:
    """Gathers; and keeps in step which account looks for which object.

    Args:
        accounts: who looks at the cloud.
        store: the newest versions.
        tracked: the memory of each object; owned by the reconciler.
        clock: where time comes from.
    """

    def __init__(self, accounts: Accounts, store: Store, tracked: Mapping[Key, Tracked], clock: Clock) -> None:
        self._accounts = accounts
        self._store = store
        self._tracked = tracked
        self._clock = clock

    def gather(self, resource: ImageCache, tracked: Tracked) -> View:
        """What there is to decide on, now."""
        obstacle, monotonic = self._join(resource, tracked), self._clock.monotonic()
        account = tracked.account
        identity = account.identity if account is not None else None
        tracked.limiter = self._accounts.limiter(identity.location) if identity is not None else None
        observation = self._observe(resource, tracked)
        trouble = self._write_trouble(tracked, monotonic)
        asked = tracked.reconcile_seen
        return View(
            resource,
            tracked,
            observation,
            Facts(
                identity=identity,
                obstacle=obstacle,
                other_holder=self._other_holder(resource, observation, account),
                crd=tracked.crd,
                slot_granted=tracked.limiter is not None and tracked.limiter.granted(resource.key),
                write_trouble=trouble,
                answer=tracked.answer,
                in_flight=tracked.deleting is not None,
                since_request=tracked.since_request(monotonic),
                since_good_look=account.since_good_look(cache_id_of(resource)) if account is not None else 0.0,
                waiting=monotonic - tracked.since,
                reconcile_handled=asked is not None and (account is None or account.list_begun >= asked[1]),
            ),
        )

    def _join(self, resource: ImageCache, tracked: Tracked) -> Verdict | None:
        """Have the account look that serves the object now; or say why none does."""
        found = self._accounts.account_for(resource)
        account = found if isinstance(found, Account) else None
        if account is not tracked.account:
            self.leave(resource.key, tracked)
            tracked.account = account
        return found if isinstance(found, Verdict) else None

    def _observe(self, resource: ImageCache, tracked: Tracked) -> Observation:
        account, cache_id, name = tracked.account, cache_id_of(resource), resource.spec.name
        if account is None or (cache_id is None and name is None):
            return Awaited(Look.LIST)
        if cache_id is not None:
            proof_after = tracked.deletion_seen if tracked.deletion_seen is not None else NEVER
            return account.observe(cache_id, not_before=tracked.write_answered, proof_after=proof_after)
        assert name is not None
        return account.observe_name(name, not_before=tracked.since)

    def _other_holder(self, resource: ImageCache, observation: Observation, account: Account | None) -> Key | None:
        cache_id = observation.cache.id if isinstance(observation, Present) else cache_id_of(resource)
        if cache_id is None or account is None or account.identity is None:
            return None
        claim: Claim = (account.identity.location, cache_id)
        if moved(resource.status.seen_by, account.identity) is not None:
            return None
        sees = isinstance(observation, Present) or resource.status.seen_by is not None
        witnesses = self._witnesses(observation.cache, account) if isinstance(observation, Present) else ()
        return self._store.other_holder(resource, claim, sees=sees, witnesses=witnesses)

    def _witnesses(self, cache: Cache, account: Account) -> Iterator[Key]:
        """The objects to which the look that showed this cache shows it, too; two of them must not both hold it."""
        for key in self._store.concerned([cache.id], [cache.name]):
            resource, tracked = self._store.get(key), self._tracked.get(key)
            if resource is None or tracked is None or resource.spec.observe_only:
                continue
            self._join(resource, tracked)
            if tracked.account is account and moved(resource.status.seen_by, account.identity) is None:
                yield key

    def _write_trouble(self, tracked: Tracked, monotonic: float) -> Trouble | None:
        account, own = tracked.account, tracked.trouble
        if account is None:
            return None
        if own is not None and (monotonic >= own.until or own.generation != account.generation):
            own = tracked.trouble = None
        return own.trouble if own is not None else account.write_trouble()

    def leave(self, key: Key, tracked: Tracked) -> None:
        """The object is no concern any more of the account and the limiter that it had."""
        if tracked.limiter is not None:
            tracked.limiter.withdraw(key)
        if tracked.account is not None:
            tracked.account.set_moving(key, False)
            self._accounts.left(tracked.account, key)
        tracked.account = tracked.limiter = None
