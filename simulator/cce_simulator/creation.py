"""What CreateImageCache takes (section 1.3)."""

from __future__ import annotations

import json
import re
from typing import Any

from cce_simulator import errors
from cce_simulator.answers import RefusedError
from cce_simulator.incoming import Incoming
from cce_simulator.scenario import CacheSeed, ProjectSeed
from cce_simulator.switches import Switches

NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
MAX_NAME = 128
MAX_IMAGES = 20
SIZE_RANGE = (20, 400)
DEFAULT_SIZE = 20
MAX_DAYS = 10_000
# Section 1.1; a charset may follow application/json.
CONTENT_TYPES = ("application/json", "application/x-pem-file", "multipart/form-data")


def is_name(text: str) -> bool:
    """Tell whether it is a cache name; the list's filter has the same rules."""
    return len(text) <= MAX_NAME and NAME.fullmatch(text) is not None


def read_creation(incoming: Incoming, project: ProjectSeed, switches: Switches) -> CacheSeed:
    """The cache that a POST asks for. Raises RefusedError with 400."""
    content_type = incoming.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES:
        message = "The content type is not supported."
        raise RefusedError(errors.cce(400, errors.BAD_CONTENT_TYPE, message))
    try:
        body = json.loads(incoming.body)
    except ValueError:
        raise _bad("the body is not JSON") from None
    if not isinstance(body, dict):
        raise _bad("the body is not an object")
    building = body.get("building_config")
    if not isinstance(building, dict):
        raise _bad("building_config is required")
    return CacheSeed(
        name=_name(body.get("name")),
        images=_images(body.get("images")),
        image_cache_size=_size(body.get("image_cache_size"), switches),
        retention_days=_days(body.get("retention_days")),
        cluster=_cluster(building.get("cluster"), project),
        image_pull_secrets=_secrets(building.get("image_pull_secrets")),
        project=project.id,
        status="Creating",
    )


def _name(value: Any) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise _bad("name must have 1 to 128 characters a-z, 0-9 and -, begin with a letter and not end in -")
    return value


def _images(value: Any) -> tuple[str, ...]:
    if not _is_texts(value) or not value:
        raise _bad("images must be a list of at least one image")
    if len(value) > MAX_IMAGES:
        raise _bad(f"images must not be more than {MAX_IMAGES}")
    return tuple(value)


def _size(value: Any, switches: Switches) -> int:
    if value is None or (value == 0 and switches.size_zero == "default"):
        return DEFAULT_SIZE
    low, high = SIZE_RANGE
    if not _is_whole(value) or not low <= value <= high:
        raise _bad(f"image_cache_size must be from {low} to {high}")
    return int(value)


def _days(value: Any) -> int:
    if value is None:
        return 0
    if not _is_whole(value) or not 0 <= value <= MAX_DAYS:
        raise _bad(f"retention_days must be from 0 to {MAX_DAYS}")
    return int(value)


def _cluster(value: Any, project: ProjectSeed) -> str:
    if not isinstance(value, str) or not value:
        raise _bad("building_config.cluster is required")
    if project.clusters is not None and value not in project.clusters:
        raise _bad(f"cluster {value} cannot build image caches")
    return value


def _secrets(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not _is_texts(value):
        raise _bad("image_pull_secrets must be a list of texts")
    return tuple(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(reason: str) -> RefusedError:
    return RefusedError(errors.cce(400, errors.BAD_REQUEST, f"Invalid request: {reason}."))
