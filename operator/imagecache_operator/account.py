"""One account at one location: a single LIST answers for all objects in it, however many they are.

A LIST is never the last word on an absence: it only asks for the confirming GET. What counts as `Absent` is decided
here and nowhere else (docs/architecture.md, "What proves that a cache is gone").
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from imagecache_operator.answers import DeleteAnswer, NotDone
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.client import NotThere
from imagecache_operator.cloud.gate import SLOW_LANE, Operation
from imagecache_operator.cloud.session import ACCOUNT_RETRY, Session
from imagecache_operator.identity import Identity
from imagecache_operator.observation import (
    Absent,
    Awaited,
    Cache,
    Look,
    Observation,
    Present,
    Trouble,
    TroubleKind,
    Unknown,
    Unlisted,
)
from imagecache_operator.placement import Placement

BACKOFF_FIRST = 1.0
"""Seconds after a first failed LIST, doubling up to the idle interval, or to the slow lane where a person must act."""

THROTTLE_PAUSE = 60.0
"""Seconds after a 429 to a LIST that names no time (cce-api section 4.3)."""

CREDENTIALS_CHECK = 2.0
"""Seconds between two looks at the credentials: repaired ones take effect at once."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """A good LIST; times are monotonic seconds."""

    begun: float
    identity: Identity
    by_id: Mapping[str, Cache]
    by_name: Mapping[str, Cache]


@dataclass(frozen=True, slots=True)
class Got:
    """What a GET of one id brought: the cache, None for the cloud's own 404, or trouble."""

    begun: float
    identity: Identity
    result: Cache | Trouble | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a look changed: the ids and names concerned, or everything (`all`) when trouble began or ended."""

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    all: bool = False


class SessionOpener(Protocol):
    """Opens sessions and knows the credentials' version (`cloud.session.Sessions`)."""

    async def open(self, placement: Placement) -> Session | Trouble:
        """A session, or why there is none."""
        ...

    def version(self) -> object:
        """Equal for as long as the credentials are the same; those that cannot be read any more stay as they were."""
        ...


@dataclass(slots=True)
class _Trouble:
    trouble: Trouble
    begun: float
    failures: int = 1


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between two LISTs: while something of ours is in motion, and otherwise."""

    active: float = 5.0
    idle: float = 60.0


@dataclass(slots=True)
class _Looks:
    """The newest looks; older ones say nothing any more."""

    listing: Listing | None = None
    trouble: _Trouble | None = None
    got: dict[str, Got] = field(default_factory=dict)


class Account:
    """Polls the location with LIST and answers what is known of a cache.

    Args:
        label: names the account in metrics and logs.
        placement: region and project.
        sessions: opens sessions.
        clock: where time comes from.
        intervals: how often to LIST.
        on_look: told after each LIST and GET what changed.
    """

    def __init__(
        self,
        label: str,
        placement: Placement,
        sessions: SessionOpener,
        *,
        clock: Clock,
        intervals: Intervals,
        on_look: Callable[[Account, Change], None],
    ) -> None:
        self.label = label
        self.placement = placement
        self._sessions = sessions
        self._clock = clock
        self._intervals = intervals
        self._on_look = on_look
        self._session: Session | None = None
        self._version: object = None
        self.generation = 0
        self._opened = float("-inf")
        self._reopened = False
        self._outdated = False
        self._looks = _Looks()
        # When the last LIST that had it began, of caches that LISTs lack since.
        self._unlisted: dict[str, float] = {}
        self._moving: set[object] = set()
        self._wake = asyncio.Event()
        self._list_begun = float("-inf")
        self._list_ended = float("-inf")
        self._poked_at = float("-inf")
        self._good_look = clock.monotonic()
        self._phase = random.uniform(0.9, 1.0)  # noqa: S311 (jitter)

    # --- what is known

    @property
    def identity(self) -> Identity | None:
        """Who looks, None until it is known."""
        return self._session.identity if self._session is not None else None

    @property
    def list_begun(self) -> float:
        """When the newest LIST that has ended began; minus infinity before the first."""
        return self._list_begun

    @property
    def quota_used(self) -> int:
        """How many caches the newest good LIST had."""
        return len(self._looks.listing.by_id) if self._looks.listing is not None else 0

    def since_good_look(self, cache_id: str | None = None) -> float:
        """Seconds since the cloud last gave a usable answer (about that cache); since the start when it never did."""
        lost = self._unlisted.get(cache_id or "", self._good_look)
        return self._clock.monotonic() - min(lost, self._good_look)

    def observe(self, cache_id: str, *, not_before: float, proof_after: float) -> Observation:
        """What is known of the cache with that id.

        Args:
            cache_id: the cache.
            not_before: looks that began earlier are not used: our own last write to it was not answered yet.
            proof_after: an absence is proven only by looks that began later than this.
        """
        listing, got, trouble = self._looks.listing, self._looks.got.get(cache_id), self._looks.trouble
        newest = max((look.begun for look in (listing, got, trouble) if look is not None), default=float("-inf"))
        if newest < not_before or newest == float("-inf"):
            return self._list_awaited()
        if trouble is not None and trouble.begun == newest:
            return Unknown(trouble.trouble)
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
        listing, got = self._looks.listing, self._looks.got.get(cache_id)
        if listing is None or listing.begun < since or cache_id in listing.by_id:
            return self._list_awaited()
        if got is None or got.begun < since or got.result is not None or got.identity != listing.identity:
            return Awaited(Look.GET)
        return Absent(listing.identity)

    def observe_name(self, name: str, *, not_before: float) -> Observation:
        """What a LIST that began later than `not_before` says of a cache with that name."""
        listing, trouble = self._looks.listing, self._looks.trouble
        if trouble is not None and trouble.begun >= not_before:
            return Unknown(trouble.trouble)
        if listing is None:
            return self._list_awaited()
        if (cache := listing.by_name.get(name)) is not None:
            return Present(cache, listing.identity, listing.begun)
        return self._list_awaited() if listing.begun < not_before else Unlisted(listing.identity)

    def _list_awaited(self) -> Observation:
        """A LIST will come; but where the key may not even ask for minutes, that is what there is to tell."""
        closed = self._session.gate.trouble(Operation.LIST) if self._session is not None else None
        return Awaited(Look.LIST) if closed is None else Unknown(closed)

    # --- what is asked for

    def set_moving(self, who: object, moving: bool) -> None:
        """Whether something of that object is in motion, so that LISTs come at the active interval."""
        if moving and who not in self._moving:
            self._moving.add(who)
            self._wake.set()
        elif not moving:
            self._moving.discard(who)

    def poke(self) -> None:
        """LIST now, without waiting for an interval or a back-off (but not past the slow lane of a bad key)."""
        self._poked_at = self._clock.monotonic()
        self._wake.set()

    def hurry(self) -> None:
        """A person asked to look at once: denied actions are tried again, too."""
        if self._session is not None:
            self._session.gate.forgive()
        self.poke()

    def write_opens_in(self) -> float:
        """Seconds until a DELETE may be tried again, 0 when it may now."""
        return self._session.gate.opens_in(Operation.DELETE) if self._session is not None else 0.0

    def proven_at(self, cache_id: str | None) -> float | None:
        """When the last look that an absence rests on began, None when there is no such proof."""
        got = self._looks.got.get(cache_id) if cache_id is not None else None
        return got.begun if got is not None and got.result is None else None

    def write_trouble(self) -> Trouble | None:
        """Why no DELETE would go out now, as far as the credentials are concerned."""
        if self._session is None:
            return None
        return self._session.gate.trouble(Operation.DELETE)

    async def get(self, cache_id: str) -> None:
        """GET one cache and remember what it brought."""
        session = self._session
        if session is None:
            return
        begun = self._clock.monotonic()
        answer: Cache | NotThere | Trouble = await session.gate.run(
            Operation.GET,
            cache_id,
            lambda: session.client.get(cache_id),
            lambda a: a if isinstance(a, Trouble) else None,
        )
        result = None if isinstance(answer, NotThere) else answer
        if not isinstance(result, Trouble):
            self._good_look = self._clock.monotonic()
        former = self._looks.got.get(cache_id)
        if former is None or former.begun <= begun:
            self._looks.got[cache_id] = Got(begun, session.identity, result)
        self._on_look(self, Change(ids=frozenset({cache_id})))

    async def delete(self, cache_id: str, still_wanted: Callable[[], bool]) -> DeleteAnswer | None:
        """Send the DELETE; None when, its turn having come, it was not wanted any more."""
        session = self._session
        if session is None:
            return None

        async def call() -> DeleteAnswer | None:
            return await session.client.delete(cache_id) if still_wanted() else None

        barred = session.gate.barred(Operation.DELETE)
        answer = await session.gate.run(
            Operation.DELETE, cache_id, call, lambda a: a.trouble if isinstance(a, NotDone) else None
        )
        if barred and not session.gate.barred(Operation.DELETE):
            self._on_look(self, Change(all=True))  # what held up all of them is repaired
        return NotDone(answer) if isinstance(answer, Trouble) else answer

    def forget(self, cache_id: str) -> None:
        """Drop what a GET brought; nobody asks for that cache any more."""
        self._looks.got.pop(cache_id, None)
        self._unlisted.pop(cache_id, None)

    # --- the poller

    async def run(self) -> None:
        """LIST for ever."""
        while True:
            begun = self._clock.monotonic()
            try:
                await self._list()
            except Exception:
                # A fault of ours must not end the poller: without it every deletion would stand still.
                logger.exception("LIST failed", extra={"account": self.label})
                trouble = Trouble(TroubleKind.CLOUD_UNAVAILABLE, "Looking at the cloud failed; see the log.")
                self._failed(trouble, begun)
            await self._pause()

    async def _list(self) -> None:
        begun = self._clock.monotonic()
        if self._must_open():
            # Until the new credentials can be opened, no LIST goes out with the former ones.
            self._outdated = self._outdated or self._credentials_changed()
            self._version, self._opened = self._sessions.version(), begun
            opened = await self._sessions.open(self.placement)
            if isinstance(opened, Trouble):
                self._failed(opened, begun)
                return
            self._session, self._outdated = opened, False
            self.generation += 1
            self._reopened = True
            begun = self._clock.monotonic()
        assert self._session is not None
        session = self._session
        answer = await session.gate.run(
            Operation.LIST, "", session.client.list, lambda a: a if isinstance(a, Trouble) else None
        )
        if isinstance(answer, Trouble):
            self._failed(answer, begun)
        else:
            self._listed(answer, begun, session.identity)

    def _credentials_changed(self) -> bool:
        return self._sessions.version() != self._version

    def _must_open(self) -> bool:
        """No session, other credentials, or an account that could not be told for long."""
        session = self._session
        if session is None or self._outdated or self._credentials_changed():
            return True
        return session.identity.account_id is None and self._clock.monotonic() - self._opened > ACCOUNT_RETRY

    def _failed(self, trouble: Trouble, begun: float) -> None:
        former = self._looks.trouble
        failures = 1 if former is None else former.failures + 1
        self._looks.trouble = _Trouble(trouble, begun, failures)
        self._ended(begun)
        self._on_look(self, Change(all=former is None or former.trouble != trouble))

    def _listed(self, caches: tuple[Cache, ...], begun: float, identity: Identity) -> None:
        former, troubled = self._looks.listing, self._looks.trouble is not None
        known: Mapping[str, Cache] = former.by_id if former is not None else {}
        # An unchanged cache stays the same object: 1,000 of them are compared, not kept twice.
        by_id = {cache.id: old if (old := known.get(cache.id)) == cache else cache for cache in caches}
        listing = Listing(begun, identity, by_id, {cache.name: cache for cache in by_id.values() if cache.name})
        self._looks.listing, self._looks.trouble = listing, None
        self._good_look = self._clock.monotonic()
        self._ended(begun)
        changed = {cache_id for cache_id, cache in by_id.items() if known.get(cache_id) is not cache}
        gone = known.keys() - by_id.keys()
        names = {by_id[cache_id].name for cache_id in changed} | {known[cache_id].name for cache_id in gone}
        for cache_id in gone:
            self._unlisted[cache_id] = former.begun if former is not None else begun
        for cache_id in self._unlisted.keys() & by_id.keys():
            del self._unlisted[cache_id]
        fresh = former is None or troubled or self._reopened
        self._reopened = False
        self._on_look(self, Change(frozenset(changed | gone), frozenset(names), all=fresh))

    def _ended(self, begun: float) -> None:
        self._list_begun = begun
        self._list_ended = self._clock.monotonic()

    def _due(self) -> float:
        """When the next LIST should begin."""
        if self._poked_at > self._list_begun:
            return self._poked_at
        interval = self._intervals.active if self._moving else self._intervals.idle * self._phase
        if (trouble := self._looks.trouble) is not None:
            return self._list_ended + self._backoff(trouble)
        return self._list_begun + interval

    def _backoff(self, trouble: _Trouble) -> float:
        match trouble.trouble.kind:
            case TroubleKind.THROTTLED:
                asked = trouble.trouble.retry_after
                # Zero, or a date that has passed on our clock, must not become a LIST without any pause.
                return THROTTLE_PAUSE if asked is None else max(asked, BACKOFF_FIRST)
            case TroubleKind.CREDENTIALS_INVALID | TroubleKind.ACCESS_DENIED:
                return SLOW_LANE
            case TroubleKind.ENDPOINT_INVALID | TroubleKind.REQUEST_REJECTED:
                limit = SLOW_LANE
            case TroubleKind.CLOUD_UNAVAILABLE:
                limit = min(self._intervals.idle, 6 * self._intervals.active) if self._moving else self._intervals.idle
            case _:
                assert_never(trouble.trouble.kind)
        return min(BACKOFF_FIRST * 2.0 ** min(trouble.failures - 1, 20), limit)

    async def _pause(self) -> None:
        """Until the next LIST is due; credentials that change meanwhile end the pause."""
        while True:
            self._wake.clear()
            session = None if self._outdated else self._session
            slow = session.gate.opens_in(Operation.LIST) if session is not None else 0.0
            remaining = max(self._due() - self._clock.monotonic(), slow)
            if remaining <= 0 or self._credentials_changed():
                return
            try:
                async with asyncio.timeout(min(remaining, CREDENTIALS_CHECK)):
                    await self._wake.wait()
            except TimeoutError:
                continue
