"""SDK-HMAC-SHA256 request signatures (cce-api section 6). Pure: method, URL, headers, body, key and time go in."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
DATE_HEADER = "X-Sdk-Date"

CLOCK_MAX = 900.0
"""Seconds; a signature whose time is further off is refused by the cloud."""

_SIGNED = frozenset({"content-type", "host", "x-project-id", "x-sdk-date", "x-security-token"})
"""Headers that are signed where they are there. Others may be changed on the way by proxies."""


def format_date(now: datetime) -> str:
    """A moment (in UTC) as `X-Sdk-Date` has it."""
    return now.strftime(DATE_FORMAT)


def read_date(text: str) -> datetime | None:
    """The moment of an `X-Sdk-Date`; None where there is none."""
    try:
        return datetime.strptime(text, DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def authorization(
    *, access_key: str, secret_key: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> str:
    """The `Authorization` header of a request.

    Args:
        access_key: names the key.
        secret_key: signs.
        method: in capitals.
        path: as it goes out, percent-encoded.
        query: as it goes out, without the `?`.
        headers: must have Host and X-Sdk-Date; of them, those that are worth it are signed.
        body: the bytes that go out.
    """
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    names = sorted(_SIGNED & lowered.keys())
    canonical = canonical_request(method, path, query, {name: lowered[name] for name in names}, body)
    to_sign = "\n".join((ALGORITHM, lowered["x-sdk-date"], hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Access={access_key}, SignedHeaders={';'.join(names)}, Signature={signature}"


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> str:
    """The text whose hash is signed; `headers` are lower-cased, sorted and trimmed already."""
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    return "\n".join(
        (
            method,
            _canonical_path(path),
            _canonical_query(query),
            lines,
            ";".join(headers),
            hashlib.sha256(body).hexdigest(),
        )
    )


def _canonical_path(path: str) -> str:
    """Decoded and encoded again in the one canonical way, with a slash at the end that the URL itself has not."""
    encoded = quote(unquote(path), safe="/~")
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    # Sorted before they are encoded: afterwards the order is another one.
    decoded = sorted((_decode(name), _decode(value)) for name, _, value in pairs)
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in decoded)


def _decode(text: str) -> str:
    return unquote(text.replace("+", " "))
