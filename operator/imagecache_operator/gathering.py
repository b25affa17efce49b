"""What one pass looks at: the object, the newest observation, and the facts beside them, gathered once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from imagecache_operator.account import Account
from imagecache_operator.accounts import Accounts
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.decision import CRD_TRUST, Crd, Facts, Room
from imagecache_operator.desired import desired
from imagecache_operator.identity import Location, location_of
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.intent import ABSENCE_COUNTS_AFTER
from imagecache_operator.observation import Awaited, Cache, Look, Observation, Present, Trouble, Unknown
from imagecache_operator.placement import moved
from imagecache_operator.store import Claim, Store
from imagecache_operator.tracking import NEVER, Tracked


@dataclass(slots=True)
class View:
    """What one pass looks at."""

    resource: ImageCache
    tracked: Tracked
    observation: Observation
    facts: Facts


class Gatherer:
    """Gathers; of other objects, too, which may not have had a pass of their own since who serves them has changed.

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
        """What there is to decide on, now; the object has joined the account that serves it."""
        account, monotonic = tracked.account, self._clock.monotonic()
        name_holder, creation = self._name_holder(resource, account), resource.status.creation
        tracked.note_name(held=name_holder is not None and (creation is None or not creation.open), monotonic=monotonic)
        observation = self._observe(resource, tracked)
        if isinstance(observation, Unknown):
            observation = Unknown(self._explained(resource, observation.trouble))
        trouble, opens_in = self._write_trouble(resource, tracked, monotonic)
        asked = tracked.reconcile_seen
        defaults = self._accounts.defaults_for(resource)
        return View(
            resource,
            tracked,
            observation,
            Facts(
                identity=account.identity if account is not None else None,
                obstacle=tracked.obstacle,
                other_holder=self._other_holder(resource, observation, account),
                crd=tracked.crd if monotonic - tracked.crd_read < CRD_TRUST else Crd.UNREAD,
                slot_granted=tracked.limiter is not None and tracked.limiter.granted(resource.key),
                write_trouble=self._explained(resource, trouble) if trouble is not None else None,
                write_opens_in=opens_in,
                answer=tracked.deletion.answer,
                in_flight=tracked.deletion.in_flight,
                desired=desired(resource, defaults) if resource.creates else None,
                default_cluster_id=defaults.cluster_id,
                create_trouble=self._create_trouble(resource, account),
                name_holder=name_holder,
                create_answer=tracked.creation.answer,
                creating=tracked.creation.in_flight,
                since_creation=tracked.since_creation(monotonic),
                room=self._room(resource, tracked),
                since_request=tracked.since_request(monotonic),
                since_good_look=account.since_good_look(resource.cache_id) if account is not None else 0.0,
                waiting=monotonic - tracked.since,
                reconcile_handled=asked is not None and (account is None or account.list_begun >= asked[1]),
                listed=_listed(observation, account),
            ),
        )

    def _observe(self, resource: ImageCache, tracked: Tracked) -> Observation:
        account, cache_id, name = tracked.account, resource.cache_id, resource.cloud_name
        if account is None or (cache_id is None and name is None):
            return Awaited(Look.LIST)
        # Looks that began before our own last write to the cache was answered are not used.
        answered = tracked.write_answered
        if cache_id is not None:
            proof_after = tracked.since if resource.deleting or resource.creates else NEVER
            return account.observe(cache_id, not_before=answered, proof_after=proof_after)
        assert name is not None
        not_before, creation = tracked.first_look_after, resource.status.creation
        if creation is not None and creation.open:
            # A look from soon after the POST may be stale; once absence counts, it is one that began since.
            monotonic = self._clock.monotonic()
            counts_from = monotonic - tracked.since_creation(monotonic) + ABSENCE_COUNTS_AFTER
            if counts_from <= monotonic:
                not_before = max(not_before, counts_from)
        return account.observe_name(name, not_before=not_before, strict=resource.creates)

    def _name_holder(self, resource: ImageCache, account: Account | None) -> Key | None:
        """Who holds the name that the object wants for a cache that it does not have yet."""
        if not resource.creates or resource.cache_id is not None:
            return None
        if account is None or account.identity is None or resource.cloud_name is None:
            return None
        rivals = self._rivals(resource.cloud_name, account.identity.location)
        return self._store.name_holder(resource, rivals, asks=self._asks)

    def _asks(self, resource: ImageCache) -> bool:
        """Whether a POST of the object may be on its way, or may go out next."""
        tracked, creation = self._tracked.get(resource.key), resource.status.creation
        return (tracked is not None and tracked.claiming) or (creation is not None and creation.open)

    def _rivals(self, name: str, location: Location) -> Iterator[Key]:
        """The objects that want that name in that location."""
        for key in self._store.wanting(name):
            rival, tracked = self._store.get(key), self._tracked.get(key)
            if rival is None or tracked is None or (rival.spec.observe_only and not self._asks(rival)):
                continue
            tracked.join(rival, self._accounts)
            identity = tracked.account.identity if tracked.account is not None else None
            pinned = location_of(rival.status.seen_by) if rival.status.seen_by is not None else None
            if location in {pinned, identity.location if identity is not None else None}:
                yield key

    def _room(self, resource: ImageCache, tracked: Tracked) -> Room:
        """Whether the location has room for a cache of the object, should it need one."""
        account, quota = tracked.account, tracked.quota
        if account is None or quota is None or not resource.creates or resource.cache_id is not None:
            return Room()
        age = resource.created_at, resource.uid
        return quota.room_for(resource.key, age)

    def _other_holder(self, resource: ImageCache, observation: Observation, account: Account | None) -> Key | None:
        cache_id = observation.cache.id if isinstance(observation, Present) else resource.cache_id
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
            if resource is None or tracked is None or resource.spec.observe_only or resource.let_go:
                continue
            if resource.creates and resource.cache_id is None:
                continue  # it wants the name, and takes no cache for its own because of it
            tracked.join(resource, self._accounts)
            if tracked.account is account and moved(resource.status.seen_by, account.identity) is None:
                yield key

    def _create_trouble(self, resource: ImageCache, account: Account | None) -> Trouble | None:
        """Why no cache could be created with the object's credentials now."""
        if not resource.creates or account is None:
            return None
        return self._accounts.withdrawn(resource) or account.write_trouble(Operation.CREATE)

    def _explained(self, resource: ImageCache, trouble: Trouble) -> Trouble:
        """Where kept credentials fail, their Secret is what there is to repair."""
        withdrawn = self._accounts.withdrawn(resource)
        if withdrawn is None or trouble.passing or withdrawn.message in trouble.message:
            return trouble
        return replace(trouble, message=f"{withdrawn.message} The newest call failed: {trouble.message}")

    def _write_trouble(
        self, resource: ImageCache, tracked: Tracked, monotonic: float
    ) -> tuple[Trouble | None, float | None]:
        """Why the object's next write cannot be sent now, and in how many seconds writes that it needs may open."""
        account, write = tracked.account, next_write(resource)
        if account is None:
            return None, None
        if (own := tracked.trouble_of(write, monotonic)) is not None:
            return own.trouble, own.until - monotonic
        create_trouble = self._create_trouble(resource, account)
        trouble = create_trouble if write is Operation.CREATE else account.write_trouble(write)
        # Where no POST may be sent, no DELETE replaces a cache.
        writes = {write} if create_trouble is None else {write, Operation.CREATE}
        closed = [account.write_opens_in(each) for each in writes if account.write_trouble(each) is not None]
        return trouble, min(closed, default=None)


def _listed(observation: Observation, account: Account | None) -> bool:
    return account is not None and isinstance(observation, Present) and account.lists(observation.cache.id)


def next_write(resource: ImageCache) -> Operation:
    """What the object would write to the cloud, if anything."""
    return Operation.CREATE if resource.wants_cache else Operation.DELETE
