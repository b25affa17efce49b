"""What this process remembers of one object beside its newest version. All of it may be lost: status has the rest."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from imagecache_operator.account import Account
from imagecache_operator.accounts import Accounts
from imagecache_operator.answers import CreateAnswer, DeleteAnswer
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.conditions import Verdict
from imagecache_operator.decision import Crd
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.limiter import WriteLimiter
from imagecache_operator.observation import Trouble
from imagecache_operator.quota import Quota

NEVER = float("-inf")

TELLS_MAX, TELLS_WITHIN = 10, 10.0
"""So many writes of one object that only tell something, at most, within so many seconds.

Should somebody write the opposite each time, such as a second operator with other settings, then neither the API server
nor the log suffers from it.
"""

Answer = TypeVar("Answer", DeleteAnswer, CreateAnswer)


@dataclass(slots=True)
class Write(Generic[Answer]):
    """The newest write of its kind, DELETE or POST; times are monotonic seconds.

    Attributes:
        in_flight: whether it is on its way, or waits for its turn.
        sent_at: when it truly went out; `NEVER` while it waits for its turn.
        answered_at: when the last one was answered or given up; looks that began earlier are not used.
        answer: what came of it, while it is not in the status yet.
        asked_at: its `requestedAt` in the status, and when that was on the monotonic clock, so that a clock that jumps
            changes nothing.
    """

    in_flight: bool = False
    sent_at: float = NEVER
    answered_at: float = NEVER
    answer: Answer | None = None
    asked_at: tuple[datetime, float] | None = None

    def begin(self) -> None:
        """It is decided on; from now on there is one in flight."""
        self.in_flight, self.sent_at, self.answer = True, NEVER, None

    def end(self, answer: Answer, monotonic: float) -> None:
        """It was answered or given up."""
        self.in_flight, self.answered_at, self.answer = False, monotonic, answer

    def told(self, answer: Answer | None) -> None:
        """The answer is in the status; a newer one is kept."""
        if self.answer is answer:
            self.answer = None

    @property
    def went_out(self) -> bool:
        """Whether the cloud may have carried it out."""
        return self.sent_at > NEVER

    def requested(self, at: datetime | None, seen: datetime, *, monotonic: float) -> None:
        """The status tells `requestedAt`; what is known already of that moment stays. `seen`: when it is now."""
        if at is None:
            self.asked_at = None
        elif self.asked_at is None or self.asked_at[0] != at:
            self.asked_at = at, monotonic - max((seen - at).total_seconds(), 0.0)

    def since(self, monotonic: float, *, or_since: float) -> float:
        """Seconds since it was asked for, or since something later; 0 without one."""
        return monotonic - max(self.asked_at[1], or_since) if self.asked_at is not None else 0.0


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
        deletion, creation: the newest DELETE and the newest POST.
        crd, crd_read: what the CRD said, by a look that began after the deletion was seen; when it was told.
        getting: whether a GET is on its way.
        claiming: the intent of a POST is being written, which is a claim to its name already.
        name_held: whether another object holds the name that this one wants.
        name_free_at: when that was first seen to be over.
        trouble, failures: of writes in a row that brought nothing.
        tells: when the newest of those writes were made.
        reconcile_seen: the newest reconcile annotation, and when it was first seen.
        account, obstacle: who looks at the cloud for the object; why nobody does.
        limiter, quota: the slots and the room of the account's location, once that is known.
        ever_held: whether any version that was seen carried our finalizer.
        releasing: our finalizer is being taken off, so that the object's end is no surprise.
        ghost: the object was gone before our finalizer was on it; what is left of it lives in memory only.
    """

    uid: str
    first_seen: float
    deletion_seen: float | None = None
    deletion: Write[DeleteAnswer] = field(default_factory=Write)
    creation: Write[CreateAnswer] = field(default_factory=Write)
    crd: Crd = Crd.UNREAD
    crd_read: float = NEVER
    getting: bool = False
    claiming: bool = False
    name_held: bool = False
    name_free_at: float = NEVER
    trouble: WriteTrouble | None = None
    failures: int = 0
    tells: deque[float] = field(default_factory=lambda: deque(maxlen=TELLS_MAX))
    reconcile_seen: tuple[str, float] | None = None
    account: Account | None = None
    obstacle: Verdict | None = None
    limiter: WriteLimiter | None = None
    quota: Quota | None = None
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
        self.deletion.requested(requested, now, monotonic=monotonic)
        posted = creation.requested_at if creation is not None else None
        # A POST that is not answered may go out, and take effect, later than its intent was written: what counts then
        # is when this process first saw it.
        seen = now if creation is None or not creation.open else posted
        self.creation.requested(posted, seen or now, monotonic=monotonic)
        asked = resource.reconcile_requested
        if asked is not None and (self.reconcile_seen is None or self.reconcile_seen[0] != asked):
            self.reconcile_seen = (asked, monotonic)

    def since_request(self, monotonic: float) -> float:
        """Seconds since the last DELETE was asked for, or went out after it had waited for its turn; 0 without one."""
        return self.deletion.since(monotonic, or_since=self.deletion.sent_at)

    def since_creation(self, monotonic: float) -> float:
        """Seconds since the last POST was asked for, or answered when that was here; 0 without one."""
        return self.creation.since(monotonic, or_since=self.creation.answered_at)

    @property
    def write_answered(self) -> float:
        """When the last write was answered or given up; looks that began earlier are not used."""
        return max(self.deletion.answered_at, self.creation.answered_at)

    def note_name(self, *, held: bool, monotonic: float) -> None:
        """Another object holds the name that this one wants, or none does."""
        if held:
            self.name_held = True
        elif self.name_held:
            # What its holder did with the name may be younger than the newest LIST.
            self.name_held, self.name_free_at = False, monotonic

    def trouble_of(self, operation: Operation, monotonic: float) -> WriteTrouble | None:
        """What holds up such a write still; other credentials may well do better."""
        own, generation = self.trouble, self.account.generation if self.account is not None else None
        if own is None or own.operation is not operation or monotonic >= own.until or own.generation != generation:
            return None
        return own

    def join(self, resource: ImageCache, accounts: Accounts) -> None:
        """Have the account look that serves the object now, and write by its location's limiter."""
        found, key = accounts.account_for(resource), resource.key
        account, self.obstacle = (found, None) if isinstance(found, Account) else (None, found)
        if account is not self.account:
            self._leave(key, accounts)
            self.account = account
        location = account.identity.location if account is not None and account.identity is not None else None
        limiter, quota = (None, None) if location is None else (accounts.limiter(location), accounts.quota(location))
        if self.limiter not in {None, limiter} or self.quota not in {None, quota}:
            self.stand_back(key)
        self.limiter, self.quota = limiter, quota

    def leave(self, key: Key, accounts: Accounts) -> None:
        """The object is gone."""
        self._leave(key, accounts)
        accounts.gone(key)

    def _leave(self, key: Key, accounts: Accounts) -> None:
        """The object is no concern any more of the account and the limiter that it had."""
        self.stand_back(key)
        if self.account is not None:
            self.account.set_moving(key, False)
            accounts.left(self.account, key)
        self.account = self.limiter = self.quota = None

    def may_tell_in(self, monotonic: float) -> float:
        """Seconds until another write that only tells something may be made; 0 now."""
        return max(self.tells[0] + TELLS_WITHIN - monotonic, 0.0) if len(self.tells) == TELLS_MAX else 0.0

    def stand_back(self, key: Key) -> None:
        """An object that backs off must keep neither a slot nor room in the tenant from others."""
        if self.limiter is not None:
            self.limiter.withdraw(key)
        if self.quota is not None:
            self.quota.withdraw(key)

    @property
    def first_look_after(self) -> float:
        """Looks that began earlier say nothing of a name: the object, or the last write to it, was not there yet."""
        return max(self.since, self.write_answered, self.name_free_at)

    @property
    def since(self) -> float:
        """When the phase that the object is in was first seen: its life, or its deletion."""
        return self.first_seen if self.deletion_seen is None else self.deletion_seen
