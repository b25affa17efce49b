"""Calls to the cloud, on their way while passes go on: each is tracked, and its end marks its object due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, assert_never

from imagecache_operator.account import Account
from imagecache_operator.answers import CreateAnswer, Created, DeleteAnswer, Lost, NotCreated, NotDone, Refusal
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.client import TokenEnded
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.desired import Desired
from imagecache_operator.imagecache import Key
from imagecache_operator.intent import ABSENCE_COUNTS_AFTER
from imagecache_operator.limiter import WriteLimiter
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.quota import Quota
from imagecache_operator.store import Store
from imagecache_operator.tracking import Answer, Tracked, Write, WriteTrouble

WRITE_RETRY_FIRST, WRITE_RETRY_MAX = 1.0, 300.0
"""Seconds after a DELETE that was certainly not carried out, doubling; the second figure where a person must act."""

CREATE_RETRY_FIRST, CREATE_RETRY_MAX = 10.0, 600.0
"""Seconds after a POST that CCE itself refused, doubling; a spec that changes is tried at once."""

NAME_LINGERS_TIMES = 5
"""Refusals in a row because of a name that no LIST shows, before a person is asked: as a rule it is that of a cache
just deleted, and comes free by itself."""

UNAVAILABLE_RETRY_MAX = 30.0
"""Seconds, at most, before a cloud that could not be reached is asked again."""

_NOT_WANTED = Trouble(TroubleKind.CLOUD_UNAVAILABLE, "The write was not wanted any more when its turn came.")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who sends a write, and for whom; the object may be served by others by the time of the answer."""

    key: Key
    tracked: Tracked
    account: Account
    limiter: WriteLimiter

    @classmethod
    def of(cls, key: Key, tracked: Tracked) -> _Sender:
        """As the object is served now."""
        assert tracked.account is not None
        assert tracked.limiter is not None
        return cls(key, tracked, tracked.account, tracked.limiter)


class CloudCalls:
    """Sends, and remembers in `Tracked` what came of it.

    Args:
        store: the newest versions, looked at again right before a DELETE goes out.
        clock: where time comes from.
        wake: called with the key whose call has ended.
    """

    def __init__(self, store: Store, clock: Clock, wake: Callable[[Key], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, key: Key, tracked: Tracked, cache_id: str) -> None:
        """Send the GET; one at a time."""
        account = tracked.account
        if tracked.getting or account is None:
            return
        tracked.getting = True

        async def call() -> None:
            try:
                await account.get(cache_id)
            finally:
                tracked.getting = False
                self._wake(key)

        self._spawn(call(), f"get {key}")

    def delete(self, key: Key, tracked: Tracked, cache_id: str) -> None:
        """Send the DELETE, for which the limiter has granted a slot."""
        sender, decided_on = _Sender.of(key, tracked), self._store.get(key)
        generation = decided_on.generation if decided_on is not None else None

        def ended(answer: DeleteAnswer) -> None:
            if isinstance(answer, NotDone):
                self._not_done(sender, Operation.DELETE, answer.trouble)
            else:
                tracked.failures = 0

        self._write(
            "DELETE",
            tracked.deletion,
            sender,
            lambda goes_out: sender.account.delete(cache_id, goes_out),
            wanted=lambda: self._deletion_still_wanted(sender, generation),
            ended=ended,
            cache_id=cache_id,
        )

    def create(self, key: Key, tracked: Tracked, desired: Desired) -> None:
        """Send the POST, for which the limiter has granted a slot, and whose intent is in the status."""
        sender, quota = _Sender.of(key, tracked), tracked.quota
        assert quota is not None
        quota.asked(key)

        def ended(answer: CreateAnswer) -> None:
            quota.answered(key, created=isinstance(answer, Created | Lost))
            self._not_created(sender, desired, answer, quota)

        self._write(
            "POST",
            tracked.creation,
            sender,
            lambda goes_out: sender.account.create(desired, goes_out),
            wanted=lambda: self._creation_still_wanted(sender) and quota.still_room_for(key),
            ended=ended,
        )

    def _write(
        self,
        verb: str,
        write: Write[Answer],
        sender: _Sender,
        send: Callable[[Callable[[], bool]], Awaitable[Answer | None]],
        *,
        wanted: Callable[[], bool],
        ended: Callable[[Answer], None],
        cache_id: str | None = None,
    ) -> None:
        """Send a write, which asks right before it goes out whether it is still wanted; then take note of its end."""
        key, account, limiter = sender.key, sender.account, sender.limiter
        limiter.begin(key)
        write.begin()

        def goes_out() -> bool:
            if limiter.paused_for() > 0 or not wanted():
                return False
            write.sent_at = self._clock.monotonic()
            return True

        async def call() -> None:
            answer: Answer | Lost | NotDone | None = None
            try:
                answer = await send(goes_out)
            finally:
                if answer is None:
                    # Nothing may come of a write that never left, and anything of one that was cut off.
                    answer = Lost(f"The {verb} was cut off.") if write.went_out else NotDone(_not_sent(limiter))
                limiter.end(sent=write.went_out and _reached_the_cloud(answer))
                write.end(answer, self._clock.monotonic())
                ended(answer)
                about = {"object": str(key), "cache_id": cache_id, "account": account.label}
                logger.info("%s: %s", verb, type(answer).__name__, extra=about | _about(answer))
                self._wake(key)

        self._spawn(call(), f"{verb} {key}")

    def _deletion_still_wanted(self, sender: _Sender, generation: int | None) -> bool:
        """Asked right before the DELETE goes out: a word to retain, given while it waited for its turn, holds."""
        resource = self._store.get(sender.key)
        if resource is None or resource.uid != sender.tracked.uid:
            return False
        if resource.deleting:
            return not resource.spec.retain
        # A replacement was decided on by the spec as it was; any change of it is to be decided on anew.
        return resource.creates and not resource.spec.observe_only and resource.generation == generation

    def _creation_still_wanted(self, sender: _Sender) -> bool:
        """Asked right before the POST goes out."""
        resource = self._store.get(sender.key)
        return (
            resource is not None
            and resource.uid == sender.tracked.uid
            and not resource.deleting
            and not resource.spec.observe_only
        )

    def _not_created(self, sender: _Sender, desired: Desired, answer: CreateAnswer, quota: Quota) -> None:
        """Hold the next POST until what this one met may be gone."""
        tracked, create = sender.tracked, Operation.CREATE
        pause = min(CREATE_RETRY_FIRST * 2.0 ** min(tracked.failures, 20), CREATE_RETRY_MAX)
        match answer:
            case NotDone(trouble):
                self._not_done(sender, create, trouble)
            case NotCreated(Refusal.QUOTA, message):
                quota.refused(message)
            case NotCreated(Refusal.NAME_TAKEN, message):
                trouble = _name_taken(desired.name, message, lingers=tracked.failures < NAME_LINGERS_TIMES)
                self._hold(sender, create, trouble, pause)
            case NotCreated(_, message):
                trouble = Trouble(TroubleKind.REQUEST_REJECTED, f"The cloud refused to create the cache ({message}).")
                self._hold(sender, create, trouble, pause)
            case Lost(message):
                # Should it have come to nothing, which takes its time to be certain.
                trouble = Trouble(
                    TroubleKind.CLOUD_UNAVAILABLE, f"The POST came to nothing ({message}). It goes again."
                )
                self._hold(sender, create, trouble, ABSENCE_COUNTS_AFTER + pause)
            case Created():
                tracked.failures = 0
            case _:
                assert_never(answer)

    def _not_done(self, sender: _Sender, operation: Operation, trouble: Trouble) -> None:
        """The write was certainly not carried out: hold the next one until its obstacle may be gone."""
        if trouble is _NOT_WANTED:
            return  # the next pass sees why
        pause = min(WRITE_RETRY_FIRST * 2.0 ** min(sender.tracked.failures, 20), WRITE_RETRY_MAX)
        match trouble.kind:
            case TroubleKind.THROTTLED:
                sender.limiter.pause(trouble.retry_after)
                pause = sender.limiter.paused_for()
            case TroubleKind.ACCESS_DENIED | TroubleKind.CREDENTIALS_INVALID if not trouble.unsent:
                # Where the key's lane is slow for all, it opens for all.
                pause = 0.0 if sender.account.write_opens_in(operation) > 0 else WRITE_RETRY_MAX
            case TroubleKind.CLOUD_UNAVAILABLE | TroubleKind.ACCESS_DENIED | TroubleKind.CREDENTIALS_INVALID:
                pause = min(pause, UNAVAILABLE_RETRY_MAX)
            case TroubleKind.NOT_ALLOWED | TroubleKind.ENDPOINT_INVALID | TroubleKind.REQUEST_REJECTED:
                pass
            case TroubleKind.NAME_LINGERS | TroubleKind.NAME_TAKEN:
                pass
            case _:
                assert_never(trouble.kind)
        self._hold(sender, operation, trouble, pause)

    def _hold(self, sender: _Sender, operation: Operation, trouble: Trouble, pause: float) -> None:
        """No such write of the object for so many seconds, unless its credentials change."""
        tracked, until = sender.tracked, self._clock.monotonic() + pause
        tracked.failures += 1
        tracked.trouble = WriteTrouble(operation, trouble, until, sender.account.generation)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, seconds: float) -> None:
        """Give calls that are on their way that time to end."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _name_taken(name: str, message: str, *, lingers: bool) -> Trouble:
    """What to tell of a name that the cloud does not give, though no LIST shows a cache of it."""
    told = f"The cloud says that the name {name} is taken, and lists no such cache ({message})"
    if lingers:
        return Trouble(TroubleKind.NAME_LINGERS, f"{told}. It is asked again.")
    return Trouble(TroubleKind.NAME_TAKEN, f"{told}: choose another spec.name, or find and delete that cache.")


def _not_sent(limiter: WriteLimiter) -> Trouble:
    """Why a write did not go out when its turn came."""
    if (seconds := limiter.paused_for()) > 0:
        message = "The cloud's request limit is reached, as another write has learnt; this one waits with it."
        return Trouble(TroubleKind.THROTTLED, message, seconds)
    return _NOT_WANTED


def _reached_the_cloud(answer: DeleteAnswer | CreateAnswer) -> bool:
    """Whether the cloud counts the write in its limit; what it throttles it counts, too (cce-api section 4.3)."""
    if isinstance(answer, NotDone) and not isinstance(answer, TokenEnded):
        return answer.trouble.kind is not TroubleKind.CLOUD_UNAVAILABLE
    return True


def _about(answer: DeleteAnswer | CreateAnswer) -> dict[str, str | None]:
    """What a log line tells of an answer."""
    found = {"request_id": answer.request_id, "detail": getattr(answer, "message", None)}
    if isinstance(answer, Created):
        found["cache_id"] = answer.cache_id
    if isinstance(answer, NotDone):
        found |= {"reason": answer.trouble.kind.value, "detail": answer.trouble.message}
    return {name: value for name, value in found.items() if value}
