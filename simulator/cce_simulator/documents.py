"""Caches as the API shows them (section 1.4)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cce_simulator.answers import dump
from cce_simulator.switches import Switches

if TYPE_CHECKING:
    from cce_simulator.caches import Cache


def created_at(wall: float, form: str) -> str:
    """Go's time.String() drops the zeros at the end of the fraction; RFC 3339 keeps six digits."""
    micros = round(wall * 1_000_000)
    moment = time.gmtime(micros // 1_000_000)
    fraction = f"{micros % 1_000_000:06d}"
    if form == "rfc3339":
        return time.strftime("%Y-%m-%dT%H:%M:%S", moment) + f".{fraction}Z"
    digits = fraction.rstrip("0")
    return time.strftime("%Y-%m-%d %H:%M:%S", moment) + (f".{digits}" if digits else "") + " +0000 UTC"


def canonical_image(reference: str) -> str:
    """The full form of an image reference: registry, `library/` and tag spelled out."""
    first, slash, rest = reference.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", reference if slash else f"library/{reference}"
    if "@" not in rest and ":" not in rest.rsplit("/", 1)[-1]:
        rest += ":latest"
    return f"{first}/{rest}"


def document(cache: Cache, switches: Switches, *, status: str, message: str | None) -> dict[str, Any]:
    """ImageCacheDetail; the status is given apart because a stale read shows an older one."""
    images = cache.images
    if switches.images_echo == "canonical":
        images = tuple(canonical_image(image) for image in images)
    elif switches.images_echo == "reordered":
        images = tuple(reversed(images))
    building: dict[str, Any] = {"cluster": cache.cluster}
    if cache.image_pull_secrets is not None:
        building["image_pull_secrets"] = list(cache.image_pull_secrets)
    shown: dict[str, Any] = {
        "name": cache.name,
        "id": cache.id,
        "created_at": created_at(cache.created_wall, switches.created_at),
        "images": list(images),
        "image_cache_size": cache.image_cache_size,
        "retention_days": cache.retention_days,
        "building_config": building,
        "status": status,
    }
    if message is not None:
        shown["message"] = message
    return shown


def rendered(cache: Cache, switches: Switches) -> bytes:
    """The present ImageCacheDetail as JSON, made once per change: lists of 1,000 must be cheap."""
    if cache.rendered is None:
        cache.rendered = dump(document(cache, switches, status=cache.status, message=cache.message))
    return cache.rendered


def one(detail: bytes) -> bytes:
    """The body that wraps one cache."""
    return b'{"image_cache":' + detail + b"}"


def many(details: Iterable[bytes], switches: Switches) -> bytes:
    """The body that wraps a list, with the three ways of being empty (section 1.2)."""
    joined = b",".join(details)
    if joined or switches.empty_list == "[]":
        return b'{"image_caches":[' + joined + b"]}"
    return b'{"image_caches":null}' if switches.empty_list == "null" else b"{}"
