"""What the looks at one location showed, and what follows from them: `Present`, `Absent` or not known yet.

A LIST is never the last word on an absence: it only asks for the confirming GET. What counts as `Absent` is decided
here and nowhere else (docs/architecture.md, "What proves that a cache is gone").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagecache_operator.clock import Clock
from imagecache_operator.identity import Identity
from imagecache_operator.observation import (
    Absent,
    Awaited,
    Cache,
    CacheStatus,
    Look,
    Observation,
    Present,
    Trouble,
    Unknown,
    Unlisted,
)


@dataclass(frozen=True, slots=True)
class Listing:
    """A good LIST; times are monotonic seconds."""

    begun: float
    identity: Identity
    by_id: Mapping[str, Cache]
    by_name: Mapping[str, Cache]


@dataclass(frozen=True, slots=True)
class Got:
    """What a GET of one id brought: the cache, None for the cloud's own 404, or trouble, and then when to ask again."""

    begun: float
    identity: Identity
    result: Cache | Trouble | None
    failures: int = 0
    retry_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Failed:
    """A LIST that brought trouble, and how many in a row did."""

    trouble: Trouble
    begun: float
    failures: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """What a look changed: the ids and names concerned, or everything (`all`) when trouble began or ended."""

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    all: bool = False


class Looks:
    """The newest looks; older ones say nothing any more.

    Args:
        clock: where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listing: Listing | None = None
        self._failed: Failed | None = None
        self._got: dict[str, Got] = {}
        # When the last LIST that had it began, of caches that LISTs lack since.
        self._unlisted: dict[str, float] = {}
        # The caches that objects stand for; nothing is kept of others.
        self._wanted: set[str] = set()
        self._good = clock.monotonic()

    # --- what was seen

    def listed(self, caches: tuple[Cache, ...], begun: float, identity: Identity, *, fresh: bool) -> Change:
        """A good LIST; `fresh` when it is the first of a session, so that everybody must hear of it."""
        former, troubled = self._listing, self._failed is not None
        known: Mapping[str, Cache] = former.by_id if former is not None else {}
        # An unchanged cache stays the same object: 1,000 of them are compared, not kept twice.
        by_id = {cache.id: old if (old := known.get(cache.id)) == cache else cache for cache in caches}
        leaving_first = sorted(by_id.values(), key=lambda cache: cache.status != CacheStatus.DELETING)
        self._listing = Listing(begun, identity, by_id, {cache.name: cache for cache in leaving_first if cache.name})
        self._failed = None
        self._good = self._clock.monotonic()
        changed = {cache_id for cache_id, cache in by_id.items() if known.get(cache_id) is not cache}
        gone = known.keys() - by_id.keys()
        names = {by_id[cache_id].name for cache_id in changed} | {known[cache_id].name for cache_id in gone}
        for cache_id in gone & self._wanted:
            self._unlisted[cache_id] = former.begun if former is not None else begun
        for cache_id in self._unlisted.keys() & by_id.keys():
            del self._unlisted[cache_id]
        return Change(frozenset(changed | gone), frozenset(names), all=fresh or former is None or troubled)

    def failed(self, trouble: Trouble, begun: float) -> Change:
        """A LIST that brought trouble."""
        former = self._failed
        self._failed = Failed(trouble, begun, 1 if former is None else former.failures + 1)
        return Change(all=former is None or former.trouble != trouble)

    def got(self, cache_id: str, got: Got) -> Change:
        """A GET has ended; one that began before another that has ended says nothing."""
        if not isinstance(got.result, Trouble):
            self._good = self._clock.monotonic()
        former = self._got.get(cache_id)
        if cache_id in self._wanted and (former is None or former.begun <= got.begun):
            self._got[cache_id] = got
        return Change(ids=frozenset({cache_id}))

    def failed_gets(self, cache_id: str) -> int:
        """How many GETs of it in a row have brought trouble."""
        got = self._got.get(cache_id)
        return got.failures if got is not None else 0

    def want(self, cache_id: str) -> None:
        """Somebody stands for that cache; what looks show of it is kept until it is forgotten."""
        self._wanted.add(cache_id)

    def forget(self, cache_id: str) -> None:
        """Drop what a GET brought; nobody asks for that cache any more."""
        self._wanted.discard(cache_id)
        self._got.pop(cache_id, None)
        self._unlisted.pop(cache_id, None)

    # --- what is known

    @property
    def trouble(self) -> Failed | None:
        """Why the newest LIST was none, None when it was good."""
        return self._failed

    @property
    def count(self) -> int:
        """How many caches the newest good LIST had."""
        return len(self._listing.by_id) if self._listing is not None else 0

    @property
    def listed_at(self) -> float:
        """When the newest good LIST began; minus infinity before the first."""
        return self._listing.begun if self._listing is not None else float("-inf")

    def lists(self, cache_id: str) -> bool:
        """Whether the newest good LIST has that cache; a cloud may leave out what it is deleting."""
        return self._listing is not None and cache_id in self._listing.by_id

    def since_good(self, cache_id: str | None = None) -> float:
        """Seconds since the cloud last gave a usable answer (about that cache); since the start when it never did."""
        lost = self._unlisted.get(cache_id or "", self._good)
        return self._clock.monotonic() - min(lost, self._good)

    def proven_at(self, cache_id: str | None) -> float | None:
        """When the last look that an absence rests on began, None when there is no such proof."""
        got = self._got.get(cache_id) if cache_id is not None else None
        return got.begun if got is not None and got.result is None else None

    def observe(self, cache_id: str, *, not_before: float, proof_after: float) -> Observation:
        """What is known of the cache with that id.

        Args:
            cache_id: the cache.
            not_before: looks that began earlier are not used: our own last write to it was not answered yet.
            proof_after: an absence is proven only by looks that did not begin earlier than this.
        """
        self.want(cache_id)
        listing, got, failed = self._listing, self._got.get(cache_id), self._failed
        newest = max((look.begun for look in (listing, got, failed) if look is not None), default=float("-inf"))
        if newest < not_before or newest == float("-inf"):
            return Awaited(Look.LIST)
        if failed is not None and failed.begun == newest:
            return Unknown(failed.trouble)
        if got is not None and got.begun == newest:
            if isinstance(got.result, Trouble):
                return Unknown(got.result)
            if got.result is not None:
                return Present(got.result, got.identity, got.begun)
        elif listing is not None and (cache := listing.by_id.get(cache_id)) is not None:
            return Present(cache, listing.identity, listing.begun)
        return self._absence(cache_id, max(not_before, proof_after))

    def _absence(self, cache_id: str, since: float) -> Observation:
        """Absent takes both: a LIST that lacks the id, and the cloud's own 404 to a GET, by one identity."""
        listing, got = self._listing, self._got.get(cache_id)
        # A 404 from before a LIST that had the cache says nothing of now.
        since = max(since, self._unlisted.get(cache_id, float("-inf")))
        if listing is None or listing.begun < since or cache_id in listing.by_id:
            return Awaited(Look.LIST)
        if got is not None and isinstance(got.result, Trouble) and got.retry_at > self._clock.monotonic():
            return Unknown(got.result)
        if got is not None and got.begun > listing.begun and got.identity != listing.identity:
            # Another GET would be no better: the next LIST is made by the identity that it was made by.
            return Awaited(Look.LIST)
        if got is None or got.begun < since or got.result is not None or got.identity != listing.identity:
            return Awaited(Look.GET)
        return Absent(listing.identity)

    def observe_name(self, name: str, *, not_before: float, strict: bool = False) -> Observation:
        """What a LIST that did not begin before `not_before` says of a cache with that name.

        An older one may show the cache, but for `strict`: who has had a cache of that name must not take the old one
        for the new one.
        """
        listing, failed = self._listing, self._failed
        if failed is not None and failed.begun >= not_before:
            return Unknown(failed.trouble)
        if listing is None or (strict and listing.begun < not_before):
            return Awaited(Look.LIST)
        if (cache := listing.by_name.get(name)) is not None:
            return Present(cache, listing.identity, listing.begun)
        return Awaited(Look.LIST) if listing.begun < not_before else Unlisted(listing.identity)
