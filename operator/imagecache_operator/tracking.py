"""What this process remembers of one object beside its newest version. All of it may be lost: status has the rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from imagecache_operator.account import Account
from imagecache_operator.answers import CreateAnswer, DeleteAnswer
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.decision import Crd
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.limiter import WriteLimiter
from imagecache_operator.observation import Trouble
from imagecache_operator.quota import Quota

NEVER = float("-inf")


@dataclass(slots=True)
class WriteTrouble:
    """Why the last write brought nothing, until when it is not tried again, and under which credentials."""

    operation: Operation
    trouble: Trouble
    until: float
    generation: int


@dataclass(slots=True)
class Tracked:
    """The memory of one object; times are monotonic seconds.

    Attributes:
        uid: another object of the same name is another story.
        first_seen: when this process first saw the object.
        deletion_seen: when it first saw the deletionTimestamp.
        write_answered: when the last DELETE was answered or given up; looks that began earlier are not used.
        sent_at: when the last DELETE truly went out; it may have waited for its turn.
        anchor: `deletion.requestedAt` and when that was on the monotonic clock, so that a clock that jumps changes
            nothing.
        answer: of the newest DELETE, while it is not in the status yet.
        crd, crd_read: what the CRD said, by a look that began after the deletion was seen; when it was told.
        deleting, creating, getting: calls in flight.
        claiming: the intent of a POST is being written, which is a claim to its name already.
        created_answer: of the newest POST, while it is not in the status yet.
        creation_anchor: as `anchor`, for `creation.requestedAt`.
        posted_at: when the last POST was answered or given up.
        name_held: whether another object holds the name that this one wants.
        name_free_at: when that was first seen to be over.
        quota: the room of the object's location.
        trouble, failures: of writes in a row that brought nothing.
        reconcile_seen: the newest reconcile annotation, and when it was first seen.
        ever_held: whether any version that was seen carried our finalizer.
        releasing: our finalizer is being taken off, so that the object's end is no surprise.
        ghost: the object was gone before our finalizer was on it; what is left of it lives in memory only.
    """

    uid: str
    first_seen: float
    deletion_seen: float | None = None
    write_answered: float = NEVER
    sent_at: float = NEVER
    anchor: tuple[datetime, float] | None = None
    answer: DeleteAnswer | None = None
    crd: Crd = Crd.UNREAD
    crd_read: float = NEVER
    deleting: asyncio.Task[None] | None = None
    creating: asyncio.Task[None] | None = None
    claiming: bool = False
    created_answer: CreateAnswer | None = None
    creation_anchor: tuple[datetime, float] | None = None
    posted_at: float = NEVER
    name_held: bool = False
    name_free_at: float = NEVER
    quota: Quota | None = None
    getting: asyncio.Task[None] | None = None
    trouble: WriteTrouble | None = None
    failures: int = 0
    reconcile_seen: tuple[str, float] | None = None
    account: Account | None = None
    limiter: WriteLimiter | None = None
    ever_held: bool = False
    releasing: bool = False
    ghost: bool = False

    def notice(self, resource: ImageCache, *, now: datetime, monotonic: float) -> None:
        """Take note of a new version."""
        self.ever_held = self.ever_held or resource.has_finalizer
        if resource.deleting and self.deletion_seen is None:
            self.deletion_seen = monotonic
        deletion, creation = resource.status.deletion, resource.status.creation
        requested = deletion.requested_at if deletion is not None else None
        self.anchor = _anchored(self.anchor, requested, now, monotonic)
        posted = creation.requested_at if creation is not None else None
        # A POST that is not answered may go out, and take effect, later than its intent was written: what counts then
        # is when this process first saw it.
        seen = now if creation is None or not creation.open else posted
        self.creation_anchor = _anchored(self.creation_anchor, posted, seen or now, monotonic)
        asked = resource.reconcile_requested
        if asked is not None and (self.reconcile_seen is None or self.reconcile_seen[0] != asked):
            self.reconcile_seen = (asked, monotonic)

    def since_request(self, monotonic: float) -> float:
        """Seconds since the last DELETE was asked for, or went out after it had waited for its turn; 0 without one."""
        return monotonic - max(self.anchor[1], self.sent_at) if self.anchor is not None else 0.0

    def since_creation(self, monotonic: float) -> float:
        """Seconds since the last POST was asked for, or answered when that was here; 0 without one."""
        return monotonic - max(self.creation_anchor[1], self.posted_at) if self.creation_anchor is not None else 0.0

    def stand_back(self, key: Key) -> None:
        """An object that backs off must keep neither a slot nor room in the tenant from others."""
        if self.limiter is not None:
            self.limiter.withdraw(key)
        if self.quota is not None:
            self.quota.withdraw(key)

    @property
    def first_look_after(self) -> float:
        """Looks that began earlier say nothing of a name: the object, or the last write to it, was not there yet."""
        return max(self.since, self.write_answered, self.posted_at, self.name_free_at)

    @property
    def since(self) -> float:
        """When the phase that the object is in was first seen: its life, or its deletion."""
        return self.first_seen if self.deletion_seen is None else self.deletion_seen


def _anchored(
    known: tuple[datetime, float] | None, requested: datetime | None, now: datetime, monotonic: float
) -> tuple[datetime, float] | None:
    """A time of the status and when that was on the monotonic clock; what is known already stays."""
    if requested is None or (known is not None and known[0] == requested):
        return known if requested is not None else None
    return requested, monotonic - max((now - requested).total_seconds(), 0.0)
