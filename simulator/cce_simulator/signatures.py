"""SDK-HMAC-SHA256 as section 6 describes it, from the verifier's side."""

from __future__ import annotations

import calendar
import dataclasses
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"
DATE_HEADER = "x-sdk-date"
CLOCK_WINDOW_SECONDS = 15 * 60
UNSIGNED = "UNSIGNED-PAYLOAD"

_PARTS = re.compile(r"Access=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})")
_DATE = re.compile(r"\d{8}T\d{6}Z")


class SignatureError(Exception):
    """The request is not rightly signed; the text says why, in the gateway's manner."""


@dataclasses.dataclass(frozen=True, slots=True)
class Authorization:
    """The three parts of the Authorization header."""

    access_key: str
    signed_headers: tuple[str, ...]
    signature: str


def read_authorization(value: str) -> Authorization | None:
    """Take the header apart; None when it is of another kind or malformed."""
    algorithm, _, rest = value.partition(" ")
    match = _PARTS.fullmatch(rest.strip()) if algorithm == ALGORITHM else None
    if match is None:
        return None
    return Authorization(match[1], tuple(match[2].split(";")), match[3])


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], signed: tuple[str, ...], payload_hash: str
) -> str:
    """Step 5. `path` and `query` are as on the wire; `headers` must be case-insensitive."""
    segments = (quote(unquote(segment), safe="-_.~") for segment in path.split("/"))
    uri = "/".join(segments)
    if not uri.endswith("/"):
        uri += "/"
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}" for key, value in pairs)
    names = sorted(signed)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    return "\n".join([method.upper(), uri, canonical_query, lines, ";".join(names), payload_hash])


def sign(secret_key: str, date: str, canonical: str) -> str:
    """Steps 6 and 7."""
    digest = hashlib.sha256(canonical.encode(errors="surrogateescape")).hexdigest()
    text = f"{ALGORITHM}\n{date}\n{digest}"
    return hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()


def payload_hash(headers: Mapping[str, str], body: bytes) -> str:
    """Step 3: a body of another content type may go unsigned; without a body there is nothing to leave out."""
    if body and headers.get("x-sdk-content-sha256") == UNSIGNED:
        return UNSIGNED
    return hashlib.sha256(body).hexdigest()


def verify(
    authorization: Authorization,
    secret_key: str,
    *,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
) -> None:
    """Raise SignatureError unless the request was signed with this key within 15 minutes of `now`."""
    date = headers.get(DATE_HEADER, "")
    if not _DATE.fullmatch(date):
        raise SignatureError("x-sdk-date is missing or malformed")
    if DATE_HEADER not in authorization.signed_headers:
        raise SignatureError("x-sdk-date is not signed")
    missing = [name for name in authorization.signed_headers if name not in headers]
    if missing:
        raise SignatureError(f"signed header {missing[0]} is missing")
    canonical = canonical_request(
        method, path, query, headers, authorization.signed_headers, payload_hash(headers, body)
    )
    if not hmac.compare_digest(sign(secret_key, date, canonical), authorization.signature):
        raise SignatureError("verify aksk signature fail")
    if abs(_epoch(date) - now) > CLOCK_WINDOW_SECONDS:
        raise SignatureError("x-sdk-date is too far from the time of the gateway")


def _epoch(date: str) -> float:
    try:
        return calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError as error:
        raise SignatureError("x-sdk-date is missing or malformed") from error
