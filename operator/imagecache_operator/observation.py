"""What the cloud says of one cache: Present, Absent, or that it could not be told.

Facts of the fields: cce-api section 1.4; of the statuses: cce-api section 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum

from imagecache_operator.identity import Identity


class CacheStatus(StrEnum):
    """The cloud's words that we know; others are shown as they are and treated as neither usable nor gone."""

    CREATING = "Creating"
    AVAILABLE = "Available"
    UNAVAILABLE = "Unavailable"
    FAILED = "Failed"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache as the cloud describes it. `status` is a plain string when the cloud says a word that we do not know."""

    id: str
    name: str
    status: CacheStatus | str
    message: str = ""
    created_at: datetime | None = None
    retention_days: int = 0
    size_gib: int | None = None
    images: tuple[str, ...] = ()
    cluster_id: str | None = None
    pull_secrets: tuple[str, ...] = ()

    @property
    def expires_at(self) -> datetime | None:
        """When the retention ends, counted from the creation; None when it never ends or cannot be told."""
        if not self.retention_days or self.created_at is None:
            return None
        try:
            return self.created_at + timedelta(days=self.retention_days)
        except OverflowError:  # a creation time in the year 9999 is the cloud's fault, and no reason to stumble
            return None


class TroubleKind(StrEnum):
    """Why the cloud gave no usable answer. The values are reasons of the Ready condition."""

    THROTTLED = "Throttled"
    CLOUD_UNAVAILABLE = "CloudUnavailable"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    ACCESS_DENIED = "AccessDenied"
    NOT_ALLOWED = "NotAllowed"
    ENDPOINT_INVALID = "EndpointInvalid"
    REQUEST_REJECTED = "RequestRejected"
    NAME_LINGERS = "CreateRequested"
    NAME_TAKEN = "Conflict"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A call that brought no usable answer.

    `retry_after` is in seconds, as the cloud asked for it. `unsent`: there were no temporary keys to make the call
    with, and `retry_after` tells when they are asked for again; the cloud has refused no key that would have to be
    spared. `of_clock`: a signature was refused, and this machine's clock is to blame. `request_id` is for logs alone:
    each call has another, and the trouble is the same.
    """

    kind: TroubleKind
    message: str
    retry_after: float | None = None
    unsent: bool = False
    of_clock: bool = False
    request_id: str | None = field(default=None, compare=False)

    @property
    def passing(self) -> bool:
        """Whether it will pass without a person (retryable); else it is held up until somebody acts."""
        return self.kind in {TroubleKind.THROTTLED, TroubleKind.CLOUD_UNAVAILABLE, TroubleKind.NAME_LINGERS}


class Look(Enum):
    """The look at the cloud that is needed next."""

    LIST = "list"
    GET = "get"


@dataclass(frozen=True, slots=True)
class Present:
    """The cache is there; `begun` is when the look began, on this process's monotonic clock, in seconds."""

    cache: Cache
    identity: Identity
    begun: float


@dataclass(frozen=True, slots=True)
class Absent:
    """Proven: the cloud's own 404 to a GET of the id, and a LIST that lacks it, by one identity, both fresh."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A fresh LIST has no cache of the name that an object without a known id binds to."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class Unknown:
    """The newest look failed."""

    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Awaited:
    """No look that is fresh enough has ended yet; `look` is the one that is needed."""

    look: Look


Observation = Present | Absent | Unlisted | Unknown | Awaited

_GO_TIME = re.compile(r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\s*(?:Z|([+-]\d\d):?(\d\d))?(?:\s+\S+)*$")


def parse_cloud_time(text: object) -> datetime | None:
    """Read `created_at`, be it Go's `time.String()` or RFC 3339; None when it cannot be told (cce-api section 1.4)."""
    match = _GO_TIME.match(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    day, time, fraction, hours, minutes = match.groups()
    micros = (fraction or "")[:6].ljust(6, "0")
    zone = f"{hours}:{minutes}" if hours else "+00:00"
    try:
        return datetime.fromisoformat(f"{day}T{time}.{micros}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
