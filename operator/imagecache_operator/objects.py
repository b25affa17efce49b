"""The objects, as they are known: their newest versions, what is remembered of each, and who is to be looked at again.

Whatever happens in the cluster or in the cloud ends here in keys that are due; nothing here waits or writes.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from pydantic import ValidationError

from imagecache_operator.account import Account
from imagecache_operator.accounts import Accounts
from imagecache_operator.clock import Clock
from imagecache_operator.conditions import READY, Reason
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.ledger import Ledger
from imagecache_operator.looks import Change
from imagecache_operator.store import Store
from imagecache_operator.tracking import Tracked
from imagecache_operator.turns import Turns
from imagecache_operator.vitals import Echo
from imagecache_operator.workqueue import WorkQueue

logger = logging.getLogger(__name__)


class Objects:
    """Owns the objects.

    Args:
        accounts: who looks at the cloud for which object.
        ledger: takes down which caches stay.
        queue: of keys that are due.
        turns: of those that wait to tell something.
        clock: where time comes from.
    """

    def __init__(self, accounts: Accounts, ledger: Ledger, queue: WorkQueue, turns: Turns, clock: Clock) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self.queue = queue
        self.turns = turns
        self._clock = clock
        self.store = Store()
        self.tracked: dict[Key, Tracked] = {}
        self.echo = Echo(clock)
        # Weak: an account that nobody needs any more ends without a LIST that would take its entry away.
        self._expecting: WeakKeyDictionary[Account, tuple[float, set[Key]]] = WeakKeyDictionary()
        self._unplaced: WeakKeyDictionary[Account, list[float]] = WeakKeyDictionary()
        self._told_full: WeakSet[Account] = WeakSet()

    # --- what happens in the cluster

    def told(self, body: dict[str, Any]) -> None:
        """The watch tells a version of an object."""
        self.upsert(body)
        self.echo.heard()

    def upsert(self, body: dict[str, Any]) -> None:
        """A version of an object was seen, by a list or a look."""
        if self.store.knows(body.get("metadata") or {}):
            return  # the answer to our own patch told it before the watch did
        try:
            resource = ImageCache.parse(body)
        except (ValidationError, KeyError, ValueError) as error:
            meta = body.get("metadata") or {}
            logger.error(  # noqa: TRY400 (the error is the object's, not ours)
                "The object cannot be read and is left alone: %s",
                error,
                extra={"object": f"{meta.get('namespace')}/{meta.get('name')}"},
            )
            return
        self.note(resource)

    def remove(self, key: Key, uid: str | None = None, *, released: bool = False) -> None:
        """The object is gone from the cluster; `released`: because we let it go."""
        known = self.store.get(key)
        if known is None or (uid is not None and known.uid != uid):
            return
        tracked = self.tracked.pop(key, None)
        self.store.remove(key)
        self.queue.forget(key)
        self.turns.forget(key)
        if tracked is not None:
            cache_id = known.cache_id
            if tracked.account is not None and cache_id is not None and not self.store.concerned([cache_id], []):
                tracked.account.forget(cache_id)
            tracked.leave(key, self._accounts)
        released = released or (tracked is not None and tracked.releasing)
        if not released and known.has_finalizer and known.status.image_cache_id is not None:
            logger.warning(
                "Object vanished although our finalizer held it; its cache is left alone",
                extra={"object": str(key), "cache_id": known.status.image_cache_id},
            )
            why = "The object vanished although the operator's finalizer held it."
            self._ledger.note(known, why, known.cache_id)
        self._wake_rivals(known)

    def vanished(self, body: dict[str, Any]) -> None:
        """The watch saw the end of an object.

        One that was gone before our finalizer could hold it, and that asked for the deletion of a cache by its
        id, gets it all the same: its ghost goes through the same table, best effort, in memory. Any other object that
        is gone leads to no DELETE: what is only remembered may be wrong by now.
        """
        self.echo.heard()
        try:
            resource = ImageCache.parse(body)
        except (ValidationError, KeyError, ValueError):
            return
        key, tracked = resource.key, self.tracked.get(resource.key)
        if tracked is not None and tracked.uid != resource.uid:
            return
        # A deletion that had begun before the finalizer was on wins over it (kubernetes/kubernetes#77988).
        outrun = resource.has_finalizer and not resource.deleting
        held = not outrun and (resource.has_finalizer or (tracked is not None and tracked.ever_held))
        self.remove(key, resource.uid)
        if (
            not held
            and not resource.status.conditions
            and resource.spec.image_cache_id is not None
            and not resource.spec.retain
        ):
            logger.warning(
                "Object was gone before the finalizer could hold it; its cache is deleted all the same",
                extra={"object": str(key), "cache_id": resource.spec.image_cache_id},
            )
            self.tracked[key] = Tracked(resource.uid, first_seen=self._clock.monotonic(), ghost=True)
            self.note(resource.as_ghost(self._clock.now()))

    def real_objects(self) -> dict[Key, str]:
        """The uids of all objects that should be in the cluster."""
        return {key: tracked.uid for key, tracked in self.tracked.items() if not tracked.ghost}

    def look_at_all(self) -> None:
        """Something changed that concerns every object."""
        for resource in self.store:
            self.queue.mark_due(resource.key)

    def seed_limiters(self) -> None:
        """After the first complete list: count the writes of a former process that may still fill the window.

        And remember which tenants it found full, so that not each object that waits asks again.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        for resource in self.store:
            ready, tracked = resource.status.condition(READY), self.tracked[resource.key]
            if ready is not None and ready.reason == Reason.QUOTA_EXCEEDED:
                tracked.join(resource, self._accounts)
                if tracked.account is not None:
                    self._told_full.add(tracked.account)
            seen_by = resource.status.seen_by
            for write in (resource.status.deletion, resource.status.creation):
                if write is None or write.requested_at is None:
                    continue
                age = (now - write.requested_at).total_seconds()
                if seen_by is not None:
                    self._accounts.limiter_at(seen_by).occupy(age)
                    continue
                # Where a cache that nobody has seen was asked for is known with the account's first session.
                tracked.join(resource, self._accounts)
                if tracked.account is not None:
                    self._unplaced.setdefault(tracked.account, []).append(monotonic - age)

    def note(self, resource: ImageCache) -> None:
        """Keep the version when it is news; objects whose claims it touches are looked at again, too."""
        former = self.store.get(resource.key)
        if former is not None and former.uid != resource.uid:
            self.remove(former.key, former.uid)
            former = None
        if not self.store.put(resource):
            return
        self.echo.expect()
        tracked = self.tracked.get(resource.key)
        monotonic = self._clock.monotonic()
        if tracked is None or tracked.uid != resource.uid:
            if tracked is not None:
                tracked.leave(resource.key, self._accounts)
            tracked = self.tracked[resource.key] = Tracked(resource.uid, first_seen=monotonic)
        replaced = former.status.image_cache_id if former is not None else None
        if replaced is not None and resource.status.image_cache_id is None and tracked.account is not None:
            tracked.account.forget(replaced)
        cache_id = resource.status.image_cache_id
        if former is not None and cache_id is not None and former.status.image_cache_id is None:
            # What the POST met, or seemed to have met, is over.
            tracked.trouble, tracked.failures = None, 0
        if former is not None and former.spec != resource.spec:
            # What the cloud refused of the former spec says nothing of this one.
            tracked.trouble, tracked.failures = None, 0
        asked = tracked.reconcile_seen
        tracked.notice(resource, now=self._clock.now(), monotonic=monotonic)
        if (
            tracked.reconcile_seen is not asked
            and resource.reconcile_requested != resource.status.last_handled_reconcile_at
        ):
            self._hurry(resource.key, tracked)
        self.queue.mark_due(resource.key)
        if (
            former is None
            or former.status.seen_by != resource.status.seen_by
            or former.spec != resource.spec
            or resource.let_go
        ):
            self._wake_rivals(resource)

    def _hurry(self, key: Key, tracked: Tracked) -> None:
        """A person asked to look at once: no back-off holds, but the slow lane of a bad key does."""
        tracked.trouble, tracked.failures = None, 0
        self.queue.reset_backoff(key)
        if tracked.account is not None:
            tracked.account.hurry()
        if tracked.quota is not None:
            tracked.quota.doubt(key)

    def _wake_rivals(self, resource: ImageCache) -> None:
        cache_id = resource.cache_id
        names = {resource.status.name, resource.cloud_name} - {None}
        for key in self.store.concerned([cache_id] if cache_id else [], [name for name in names if name]):
            if key != resource.key:
                self.queue.mark_due(key)

    # --- what happens in the cloud

    def on_look(self, account: Account, change: Change) -> None:
        """An account has looked: whom it concerns is looked at again."""
        expecting: set[Key] = set()
        # What they wait for comes with a LIST: each of a thousand GETs would wake all the others.
        if account in self._expecting and account.list_begun > self._expecting[account][0]:
            _, expecting = self._expecting.pop(account)
        if change.all:
            keys = {key for key, tracked in self.tracked.items() if tracked.account is account}
        else:
            keys = expecting | {
                key
                for key in self.store.concerned(change.ids, change.names)
                if (tracked := self.tracked.get(key)) is not None and tracked.account is account
            }
        if account.identity is not None:
            quota = self._accounts.quota(account.identity.location)
            if account in self._told_full:
                self._told_full.discard(account)
                quota.was_full()
            quota.listed(account.quota_used, account.listed)
            keys = keys.union(quota.hopeful())
            for asked in self._unplaced.pop(account, ()):
                self._accounts.limiter(account.identity.location).occupy(self._clock.monotonic() - asked)
        # Whoever comes first asks for what room there is.
        for key in self.store.by_age(keys):
            self.queue.mark_due(key)

    def expect(self, key: Key, account: Account) -> None:
        """The object waits for the account's next LIST, whatever that shows."""
        self._expecting.setdefault(account, (account.list_begun, set()))[1].add(key)
