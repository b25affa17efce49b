"""What the cloud answered to a write, sorted by what it proves (cce-api sections 3 and 4).

None of these proves absence: only looking does (`observation.Absent`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from imagecache_operator.observation import Trouble


@dataclass(frozen=True, slots=True)
class Accepted:
    """202 or 204: the cloud took the request."""

    at: datetime
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The cloud's own 404: nothing to delete, it says; a look must confirm it."""

    message: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """409, 423 or 400: not now."""

    message: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """5xx, time-out, connection cut: it may have been carried out, so it is not repeated before a look."""

    message: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """Certainly not carried out (429, 401, 403, gateway 4xx, no connection): no attempt."""

    trouble: Trouble
    request_id: str | None = None


class Refusal(Enum):
    """Why a POST was refused by CCE itself."""

    QUOTA = "quota"
    """Of image caches: it concerns all objects of the location."""
    OTHER_QUOTA = "another quota"
    """Of volumes, processors and the like: what another object asks for may well be granted."""
    NAME_TAKEN = "name taken"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Created:
    """Any 2xx to a POST; `cache_id` None when the answer does not tell it."""

    cache_id: str | None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class NotCreated:
    """A 4xx to a POST in CCE's own words: no cache came of it."""

    why: Refusal
    message: str
    request_id: str | None = None


DeleteAnswer = Accepted | Gone | Refused | Lost | NotDone
CreateAnswer = Created | NotCreated | Lost | NotDone
