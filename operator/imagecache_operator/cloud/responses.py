"""What an HTTP answer of the cloud means. The one place that reads status codes and bodies.

Bodies are untrusted: anything that is not exactly what it should be is trouble, never an absence and never an
exception. Error shapes and codes: cce-api section 4; success shapes: cce-api section 1.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx

from imagecache_operator.answers import Refusal
from imagecache_operator.clock import read_http_date
from imagecache_operator.cloud.signer import CLOCK_MAX, DATE_HEADER, read_date
from imagecache_operator.observation import Cache, CacheStatus, Trouble, TroubleKind, parse_cloud_time
from imagecache_operator.spec import CACHE_ID_PATTERN

MESSAGE_BYTES_MAX = 1024
"""Bytes of the cloud's own words that are kept; they end in status and events."""

RETRY_AFTER_MAX = 3600.0
"""Seconds; a longer Retry-After is a mistake of somebody's clock."""

_CACHE_ID = re.compile(CACHE_ID_PATTERN)
_GATEWAY_CODE = re.compile(r"^(?:APIGW|APIG)\.", re.IGNORECASE)
_OTHER_QUOTA_CODE = re.compile(r"^CCE\.\d\d400(?:00[7-9]|01[0-39]|020)$")
"""The quota of something else is short (cce-api section 4.2), unless the words speak of image caches."""
_IMAGE_CACHE = re.compile(r"image[\s_-]?cache")
_OTHER_RESOURCE = re.compile(r"\b(?:evs|volume|ecs|server|node|v?cpu|memory|security group|eip)s?\b")
_ERROR_KEYS = frozenset(
    {
        "error_code", "errorCode", "error_msg", "errorMessage", "errorMsg", "error",
        "code", "message", "reason", "encoded_authorization_message",
    }
)  # fmt: skip
"""What only an error has at its top; also in a 200, as some proxies and gateways send it."""
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class CloudError:
    """An answer that is no success: its status, and the code and message that could be read out of the body.

    `own_404` tells the cloud's own "not found" from the gateway's and from proxies'. `clock_ahead` is by how many
    seconds the time of the request's signature was ahead of the time in the answer; None where either is not there.
    """

    status: int
    code: str
    message: str
    request_id: str | None
    own_404: bool
    clock_ahead: float | None = None

    def __str__(self) -> str:
        words = [str(self.status), self.code]
        head = " ".join(word for word in words if word)
        return f"{head}: {self.message}" if self.message else head


def clip(text: object, limit: int = MESSAGE_BYTES_MAX) -> str:
    """Foreign words made fit for one line of status: no control characters, at most `limit` bytes."""
    if not isinstance(text, str):
        return ""
    line = _CONTROL_CHARACTERS.sub(" ", text[: 2 * limit]).strip()
    return line.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def request_id(response: httpx.Response) -> str | None:
    """The id by which the cloud's support finds the request."""
    found = response.headers.get("X-Request-Id") or response.headers.get("X-IAM-Trace-Id")
    return clip(found, 128) or None


def read_json(response: httpx.Response) -> Any:
    """The body as JSON, None when it is none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def read_error(response: httpx.Response) -> CloudError:
    """Read any of the error shapes of cce-api section 4.1; an unreadable body leaves code and message empty."""
    body = read_json(response)
    code = message = ""
    own_404 = response.status_code == 404 and not response.content
    if isinstance(body, dict):
        code, message = _code_and_message(body)
        status_not_found = body.get("kind") == "Status" and body.get("reason") == "NotFound"
        own_404 = response.status_code == 404 and (
            (bool(code) and _GATEWAY_CODE.match(code) is None) or (not code and status_not_found)
        )
    return CloudError(response.status_code, code, message, request_id(response), own_404, _clock_ahead(response))


def _clock_ahead(response: httpx.Response) -> float | None:
    if response.status_code != 401:
        return None
    signed = read_date(response.request.headers.get(DATE_HEADER, ""))
    answered = read_http_date(response.headers.get("Date"))
    return None if signed is None or answered is None else (signed - answered).total_seconds()


def _code_and_message(body: Mapping[str, Any]) -> tuple[str, str]:
    keystone = body.get("error")
    if isinstance(keystone, dict):
        return "", clip(keystone.get("message"))
    code = body.get("error_code") or body.get("errorCode")
    message = body.get("error_msg") or body.get("errorMessage") or body.get("errorMsg") or body.get("message")
    return clip(code, 64), clip(message)


def refusal_of(error: CloudError) -> Refusal:
    """Why CCE refused a POST. No code is known for either cause (cce-api sections 2 and 4.2), so the words decide."""
    words = f"{error.code} {error.message}".lower()
    if _GATEWAY_CODE.match(error.code):
        return Refusal.OTHER
    other_code = _OTHER_QUOTA_CODE.match(error.code) is not None
    # In a 400 it may as well be a field that exceeds its range.
    if "quota" in words or other_code or (error.status == 403 and "exceed" in words):
        other = _OTHER_RESOURCE.search(words) or (other_code and not _IMAGE_CACHE.search(words))
        return Refusal.OTHER_QUOTA if other else Refusal.QUOTA
    if error.status == 409 or "already exist" in words or "duplicate" in words:
        return Refusal.NAME_TAKEN
    return Refusal.OTHER


def trouble_of(error: CloudError, *, who: str, action: str, api: str = "image cache API") -> Trouble:
    """Sort an error by who must act; the sentences say what is wrong and what to do.

    Args:
        error: the answer.
        who: the identity that asked, as a person should read it.
        action: the permission that the call needs (cce-api section 9).
        api: what should have been found at the endpoint.
    """
    return replace(_by_status(error, who, action, api), request_id=error.request_id)


def _by_status(error: CloudError, who: str, action: str, api: str) -> Trouble:
    match error.status:
        case 429:
            return Trouble(TroubleKind.THROTTLED, f"The cloud's request limit is reached ({error}).")
        case 401 if error.clock_ahead is not None and abs(error.clock_ahead) > CLOCK_MAX:
            off = f"{abs(error.clock_ahead) / 60:.0f} min {'ahead of' if error.clock_ahead > 0 else 'behind'}"
            return Trouble(
                TroubleKind.CREDENTIALS_INVALID,
                f"The cloud does not accept {who} ({error}): the clock of the operator's machine is {off} the cloud's, "
                f"and {CLOCK_MAX / 60:.0f} min are allowed. Set it (NTP); the key is then tried again at once.",
                of_clock=True,
            )
        case 401:
            return Trouble(
                TroubleKind.CREDENTIALS_INVALID,
                f"The cloud does not accept {who} ({error}): check that the key or user exists and is enabled, its "
                "secret, and the clock of the operator's machine.",
            )
        case 403:
            return Trouble(
                TroubleKind.ACCESS_DENIED, f"The cloud does not allow {action} to {who} ({error}): grant it in IAM."
            )
        case 408 | 425:
            return Trouble(TroubleKind.CLOUD_UNAVAILABLE, f"The cloud's {api} did not answer ({error}).")
        case status if status >= 500:
            return Trouble(TroubleKind.CLOUD_UNAVAILABLE, f"The cloud's {api} has trouble of its own ({error}).")
        case status if status in {404, 405} or status < 400:
            return Trouble(
                TroubleKind.ENDPOINT_INVALID,
                f"There is no {api} at this endpoint ({error}): check region and endpoint.",
            )
        case _:
            return Trouble(TroubleKind.REQUEST_REJECTED, f"The cloud rejected the request ({error}).")


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds of Retry-After, be it a decimal (cce-api section 4.3) or a date; None when there is none."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        moment = read_http_date(text)
        if moment is None:
            return None
        seconds = (moment - now).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_MAX) if math.isfinite(seconds) else None


def is_error(body: Mapping[str, Any]) -> bool:
    """Whether an object is one of the error shapes of cce-api section 4.1, whatever the status that came with it."""
    return not _ERROR_KEYS.isdisjoint(body) or body.get("kind") == "Status"


def read_list(response: httpx.Response) -> tuple[Cache, ...] | None:
    """The caches of a good LIST (exactly 200, an object without error keys); None when it is not one."""
    body = read_json(response) if response.status_code == 200 else None
    if not isinstance(body, dict) or is_error(body):
        return None
    items = body.get("image_caches")
    if items is None:
        return ()
    if not isinstance(items, list):
        return None
    caches = tuple(cache for item in items if (cache := read_cache(item)) is not None)
    # One entry that cannot be read could be the very cache whose absence is to be proven.
    return caches if len(caches) == len(items) else None


def read_one(response: httpx.Response, cache_id: str) -> Cache | None:
    """The cache of a good GET (exactly 200, and the id that was asked for); None when it is not one."""
    body = read_json(response) if response.status_code == 200 else None
    if not isinstance(body, dict) or is_error(body):
        return None
    cache = read_cache(body.get("image_cache"))
    return cache if cache is not None and cache.id == cache_id else None


def read_cache(item: object) -> Cache | None:
    """One ImageCacheDetail; only id and status must be readable, all else is tolerated (cce-api section 1.4)."""
    if not isinstance(item, dict):
        return None
    cache_id, status = item.get("id"), item.get("status")
    if not isinstance(cache_id, str) or not cache_id or not isinstance(status, str) or not status:
        return None
    config = item.get("building_config")
    building: Mapping[str, Any] = config if isinstance(config, dict) else {}
    return Cache(
        id=cache_id,
        name=clip(item.get("name"), 128),
        status=_status(status),
        message=clip(item.get("message")),
        created_at=parse_cloud_time(item.get("created_at")),
        retention_days=_integer(item.get("retention_days"), 0, 10000) or 0,
        size_gib=_integer(item.get("image_cache_size"), 0, 2**31),
        images=_texts(item.get("images")),
        cluster_id=cluster if isinstance(cluster := building.get("cluster"), str) else None,
        pull_secrets=_texts(building.get("image_pull_secrets")),
    )


def read_created_id(response: httpx.Response) -> str | None:
    """The id in the answer to a POST; None where it cannot be told (then the cache is looked up by its name)."""
    body = read_json(response)
    if not isinstance(body, dict) or is_error(body):
        return None
    cache = body.get("image_cache")
    cache_id = cache.get("id") if isinstance(cache, dict) else None
    return cache_id if isinstance(cache_id, str) and _CACHE_ID.fullmatch(cache_id) else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _status(word: str) -> CacheStatus | str:
    try:
        return CacheStatus(word)
    except ValueError:
        return clip(word, 64) or "?"


def _integer(value: object, low: int, high: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None
