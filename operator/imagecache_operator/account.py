"""One account at one location: a single LIST answers for all objects in it, however many they are.

With which credentials to look, and what is sent; when to look is decided in `pace`, what the looks say in `looks`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from imagecache_operator.answers import CreateAnswer, DeleteAnswer, Lost, NotDone
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.client import NotThere
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.cloud.session import Session
from imagecache_operator.desired import Desired
from imagecache_operator.identity import Identity
from imagecache_operator.looks import Change, Got, Looks
from imagecache_operator.observation import Awaited, Cache, Look, Observation, Trouble, TroubleKind, Unknown
from imagecache_operator.pace import Intervals, Pace
from imagecache_operator.placement import Placement
from imagecache_operator.vitals import Pulse

CREDENTIALS_CHECK = 2.0
"""Seconds between two looks at the credentials: repaired ones take effect at once."""

REQUESTS_MAX = 4
"""Requests that one look may need, one after the other: token, project, account, LIST."""

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


class SessionOpener(Protocol):
    """Opens sessions and knows the credentials' version (`cloud.session.Sessions`)."""

    async def open(self, placement: Placement) -> Session | Trouble:
        """A session, or why there is none."""
        ...

    def version(self) -> object:
        """Equal for as long as the credentials, or the reason why there are none, are the same."""
        ...

    def worked(self, session: Session) -> None:
        """A LIST has succeeded with that session."""
        ...


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
        self._on_look = on_look
        self._session: Session | None = None
        self._version: object = None
        self.generation = 0
        self._reopened = False
        self._outdated = False
        self._looks = Looks(clock)
        self._pace = Pace(intervals, clock)
        self.pulse = Pulse(f"Looking at the cloud ({label})", REQUESTS_MAX * intervals.request, clock)

    # --- what is known

    @property
    def identity(self) -> Identity | None:
        """Who looks, None until it is known."""
        return self._session.identity if self._session is not None else None

    @property
    def list_begun(self) -> float:
        """When the newest LIST that has ended began; minus infinity before the first."""
        return self._pace.list_begun

    @property
    def listed(self) -> float:
        """When the newest good LIST began; minus infinity before the first."""
        return self._looks.listed_at

    def lists(self, cache_id: str) -> bool:
        """Whether the newest good LIST has that cache."""
        return self._looks.lists(cache_id)

    @property
    def quota_used(self) -> int:
        """How many caches the newest good LIST had."""
        return self._looks.count

    def since_good_look(self, cache_id: str | None = None) -> float:
        """Seconds since the cloud last gave a usable answer (about that cache); since the start when it never did."""
        return self._looks.since_good(cache_id)

    def observe(self, cache_id: str, *, not_before: float, proof_after: float) -> Observation:
        """What is known of the cache with that id; see `Looks.observe`."""
        return self._or_closed(self._looks.observe(cache_id, not_before=not_before, proof_after=proof_after))

    def observe_name(self, name: str, *, not_before: float, strict: bool = False) -> Observation:
        """What is known of a cache with that name; see `Looks.observe_name`."""
        return self._or_closed(self._looks.observe_name(name, not_before=not_before, strict=strict))

    def _or_closed(self, observation: Observation) -> Observation:
        """A LIST will come; but where the key may not even ask for minutes, that is what there is to tell."""
        if observation != Awaited(Look.LIST) or self._session is None or self._outdated:
            return observation
        closed = self._session.gate.trouble(Operation.LIST)
        return observation if closed is None else Unknown(closed)

    # --- what is asked for

    def set_moving(self, who: object, moving: bool) -> None:
        """Whether something of that object is in motion, so that LISTs come at the active interval."""
        self._pace.set_moving(who, moving)

    def poke(self) -> None:
        """LIST now, without waiting for an interval or a back-off (but not past the slow lane of a bad key)."""
        self._pace.poke()

    def nudge(self, after: float) -> None:
        """LIST soon, out of turn, for an object that waits for one that begins after that; many together share one."""
        # A new object is no reason to ask a cloud again that wants to be left alone.
        if self._looks.trouble is None:
            self._pace.nudge(after)

    def hurry(self) -> None:
        """A person asked to look at once: denied actions are tried again, too."""
        if self._session is not None:
            self._session.gate.forgive()
        self.poke()

    def write_opens_in(self, operation: Operation) -> float:
        """Seconds until such a write may be tried again, 0 when it may now."""
        return self._session.gate.opens_in(operation) if self._session is not None else 0.0

    def proven_at(self, cache_id: str | None) -> float | None:
        """When the last look that an absence rests on began, None when there is no such proof."""
        return self._looks.proven_at(cache_id)

    def write_trouble(self, operation: Operation) -> Trouble | None:
        """Why no such write would go out now, as far as the credentials are concerned."""
        return self._session.gate.trouble(operation) if self._session is not None else None

    async def get(self, cache_id: str) -> None:
        """GET one cache and remember what it brought."""
        session = self._session
        if session is None:
            return
        self._looks.want(cache_id)
        begun = self._clock.monotonic()
        answer: Cache | NotThere | Trouble = await session.gate.run(
            Operation.GET,
            cache_id,
            lambda: session.client.get(cache_id),
            lambda a: a if isinstance(a, Trouble) else None,
        )
        if isinstance(answer, Trouble):
            failures = self._looks.failed_gets(cache_id) + 1
            retry_at = self._clock.monotonic() + self._pace.backoff(answer, failures)
            got = Got(begun, session.identity, answer, failures, retry_at)
        else:
            got = Got(begun, session.identity, None if isinstance(answer, NotThere) else answer)
        self._on_look(self, self._looks.got(cache_id, got))

    async def delete(self, cache_id: str, still_wanted: Callable[[], bool]) -> DeleteAnswer | None:
        """Send the DELETE; None when, its turn having come, it was not wanted any more."""
        session = self._session
        if session is None:
            return None
        return await self._write(
            session, Operation.DELETE, cache_id, lambda: session.client.delete(cache_id), still_wanted
        )

    async def create(self, desired: Desired, still_wanted: Callable[[], bool]) -> CreateAnswer | None:
        """Send the POST; None when, its turn having come, it was not wanted any more."""
        session = self._session
        if session is None:
            return None
        body = desired.to_body()
        return await self._write(
            session, Operation.CREATE, desired.name, lambda: session.client.create(body), still_wanted
        )

    async def _write(
        self,
        session: Session,
        operation: Operation,
        subject: str,
        send: Callable[[], Awaitable[Answer]],
        still_wanted: Callable[[], bool],
    ) -> Answer | NotDone | None:
        async def call() -> Answer | None:
            return await send() if still_wanted() else None

        barred = session.gate.barred(operation)
        answer = await session.gate.run(operation, subject, call, _trouble_of)
        if barred and not session.gate.barred(operation):
            self._on_look(self, Change(all=True))  # what held up all of them is repaired
        return NotDone(answer) if isinstance(answer, Trouble) else answer

    def forget(self, cache_id: str) -> None:
        """Drop what a GET brought; nobody asks for that cache any more."""
        self._looks.forget(cache_id)

    # --- the poller

    async def run(self) -> None:
        """LIST for ever."""
        while True:
            begun = self._clock.monotonic()
            self.pulse.beat()
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
            self._version = self._sessions.version()
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
        self._pace.begun(begun)
        answer = await session.gate.run(
            Operation.LIST, "", session.client.list, lambda a: a if isinstance(a, Trouble) else None
        )
        if isinstance(answer, Trouble):
            self._failed(answer, begun)
        else:
            self._sessions.worked(session)
            self._listed(answer, begun, session.identity)

    def _credentials_changed(self) -> bool:
        return self._sessions.version() != self._version

    def _must_open(self) -> bool:
        """No session, other credentials, or one that would know more."""
        session = self._session
        if session is None or self._outdated or self._credentials_changed():
            return True
        return self._clock.monotonic() >= session.reopen_at

    def _failed(self, trouble: Trouble, begun: float) -> None:
        former = self._looks.trouble
        if former is None or former.trouble.kind is not trouble.kind:
            detail = f"{self.placement.region}: {trouble.message}"
            about = {"account": self.label, "reason": trouble.kind.value, "request_id": trouble.request_id}
            logger.warning("Looking at the cloud fails", extra={**about, "detail": detail})
        change = self._looks.failed(trouble, begun)
        self._pace.ended(begun, good=False)
        self._on_look(self, change)

    def _listed(self, caches: tuple[Cache, ...], begun: float, identity: Identity) -> None:
        if self._looks.trouble is not None:
            logger.info("Looking at the cloud works again", extra={"account": self.label})
        change = self._looks.listed(caches, begun, identity, fresh=self._reopened)
        self._reopened = False
        self._pace.ended(begun, good=True)
        self._on_look(self, change)

    async def _pause(self) -> None:
        """Until the next LIST is due; credentials that change meanwhile end the pause."""
        while True:
            self.pulse.beat()
            session = None if self._outdated else self._session
            slow = session.gate.opens_in(Operation.LIST) if session is not None else 0.0
            remaining = max(self._pace.due(self._looks.trouble) - self._clock.monotonic(), slow)
            if remaining <= 0 or self._credentials_changed():
                return
            await self._pace.wait(min(remaining, CREDENTIALS_CHECK))


def _trouble_of(answer: object) -> Trouble | None:
    """What the gate learns from a write; one that never went out, or whose answer is lost, proves no credentials."""
    match answer:
        case NotDone(trouble):
            return trouble
        case None | Lost():
            return Trouble(TroubleKind.CLOUD_UNAVAILABLE, "No answer.")
        case _:
            return None
