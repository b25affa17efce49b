"""The values that go into a decision and come out of it. Pure: no I/O, no clock, no environment.

What the tables are made of is in `table.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from imagecache_operator.answers import CreateAnswer, DeleteAnswer
from imagecache_operator.conditions import Verdict
from imagecache_operator.desired import Desired
from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import Trouble
from imagecache_operator.status import ImageCacheStatus

CRD_TRUST = 60.0
"""Seconds for which it holds that the CRD is not being deleted; an object that waits longer has it read again."""

PATIENCE = 2.0
"""Seconds that a first look may take before the status says that it is awaited."""


class Outcome(StrEnum):
    """Why an object was let go; the label of a metric."""

    DELETED = "deleted"
    RETAINED = "retained"
    NEVER_CREATED = "never_created"
    ALREADY_GONE = "already_gone"
    NEVER_SEEN = "never_seen"
    NOT_OWNER = "not_owner"


@dataclass(frozen=True, slots=True)
class Note:
    """An Event for the object."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing to do but to show the status."""


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Put our finalizer on, before anything else."""


@dataclass(frozen=True, slots=True)
class Release:
    """Take our finalizer off. `cache_id`: the cache in question, where it is known."""

    outcome: Outcome
    note: Note
    cache_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReadCrd:
    """Read the CRD: is it being deleted?"""


@dataclass(frozen=True, slots=True)
class QueueWrite:
    """Ask the limiter for a slot; its grant wakes the object."""


@dataclass(frozen=True, slots=True)
class AwaitRoom:
    """Wait until the tenant has room; a LIST that shows it wakes the object."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """GET the cache that a LIST lacks."""

    cache_id: str


@dataclass(frozen=True, slots=True)
class RequestDeletion:
    """Write the status (with `deletion.requestedAt`), then send the DELETE. `attempt` counts from 1."""

    cache_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class RequestCreation:
    """Write the status (with the intent in `creation`), then send the POST."""

    desired: Desired


Action = (
    Nothing | AddFinalizer | Release | ReadCrd | QueueWrite | AwaitRoom | Confirm | RequestDeletion | RequestCreation
)


@dataclass(frozen=True, slots=True)
class Room:
    """How full the tenant is, as far as it can be told.

    Attributes:
        used: caches in the newest good LIST.
        limit: how many there may be, as a refusal taught; None while none did, or while that is in doubt.
        free: whether there is room for this object, after those that have waited longer.
        words: the cloud's own, of that refusal.
    """

    used: int = 0
    limit: int | None = None
    free: bool = True
    words: str = ""


class Crd(Enum):
    """What is known of the CRD, from a GET begun after the object's deletionTimestamp was seen."""

    UNREAD = "unread"
    ALIVE = "alive"
    DELETING = "deleting"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings that decisions depend on; both in seconds."""

    stalled_after: float = 1800.0
    delete_retry_after: float = 60.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the object and the observation.

    Attributes:
        identity: who looks now; None until it is known.
        obstacle: why the object's settings are refused, before any look.
        other_holder: the object that holds the cache, when it is not this one.
        crd: see `Crd`.
        slot_granted: whether the limiter has a write slot for this object.
        write_trouble: why the object's next write cannot be sent now.
        write_opens_in: seconds until that, or what keeps a new cache from being asked for, may be over; None when
            nothing is in the way, or no time is known.
        answer: the answer to the newest DELETE, when it is not in the status yet.
        in_flight: whether a DELETE is on its way.
        desired: what the cache of an object that creates shall be, or why it cannot; None for one that binds.
        default_cluster_id: the cluster that builds caches whose objects name none.
        create_trouble: why no POST can be sent now, as far as the credentials are concerned.
        name_holder: the object that holds the name in the cloud, when it is not this one.
        create_answer: the answer to the newest POST, when it is not in the status yet.
        creating: whether a POST is on its way.
        since_creation: seconds since the newest POST was answered, or else asked for, on a clock that does not jump.
        room: see `Room`.
        since_request: seconds since `deletion.requestedAt`, on a clock that does not jump.
        since_good_look: seconds since the cloud last gave a usable answer; process start when it never did.
        waiting: seconds since what this pass is about (creation, deletion) was first seen.
        reconcile_handled: whether a look has ended that began after the reconcile annotation was seen.
        listed: whether the newest good LIST has the cache that is `Present`.
    """

    identity: Identity | None = None
    obstacle: Verdict | None = None
    other_holder: Key | None = None
    crd: Crd = Crd.UNREAD
    slot_granted: bool = False
    write_trouble: Trouble | None = None
    write_opens_in: float | None = None
    answer: DeleteAnswer | None = None
    in_flight: bool = False
    desired: Desired | Verdict | None = None
    default_cluster_id: str | None = None
    create_trouble: Trouble | None = None
    name_holder: Key | None = None
    create_answer: CreateAnswer | None = None
    creating: bool = False
    since_creation: float = 0.0
    room: Room = Room()
    since_request: float = 0.0
    since_good_look: float = 0.0
    waiting: float = 0.0
    reconcile_handled: bool = False
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, what to show, and when to come back. Events that change something always bring the object back.

    Attributes:
        action: one at most.
        status: to show.
        requeue_after: seconds after which to come back; None when only an event can change anything.
        in_motion: whether looks are to come at the active interval.
        notes: Events beside those that tell a new reason.
        awaits_list: whether the next LIST brings the object back, whatever it shows.
        hurries_list: whether a LIST out of turn is worth it.
    """

    action: Action
    status: ImageCacheStatus
    requeue_after: float | None = None
    in_motion: bool = False
    notes: tuple[Note, ...] = ()
    awaits_list: bool = False
    hurries_list: bool = False

    @property
    def wants_slot(self) -> bool:
        """Whether it uses a write slot, or waits for one."""
        return isinstance(self.action, QueueWrite | RequestDeletion | RequestCreation)

    @property
    def wants_room(self) -> bool:
        """Whether it uses room in the tenant, or waits for some."""
        return isinstance(self.action, QueueWrite | AwaitRoom | RequestCreation)
