"""The patches that are sent to the API server. Each fails when the object is not the version that was decided on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagecache_operator.imagecache import ImageCache
from imagecache_operator.names import FINALIZER
from imagecache_operator.status import ImageCacheStatus


def status_patch(resource: ImageCache, status: ImageCacheStatus) -> dict[str, Any] | None:
    """A merge patch from the object's status to the wanted one, None when nothing differs."""
    if status == resource.status:
        return None
    difference = merge_difference(resource.status.to_json(), status.to_json())
    if not difference:
        return None
    return {"metadata": {"resourceVersion": resource.resource_version}, "status": difference}


def merge_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) that makes `new` out of `old`; lists are replaced as a whole."""
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        former = old.get(name)
        if isinstance(value, Mapping) and isinstance(former, Mapping):
            if inner := merge_difference(former, value):
                patch[name] = inner
        elif value != former:
            patch[name] = value
    return patch


def finalizer_added(resource: ImageCache) -> list[dict[str, Any]]:
    """A JSON patch that appends our finalizer."""
    if resource.finalizers:
        append: dict[str, Any] = {"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}
    else:
        append = {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}
    return [_same_version(resource), append]


def finalizer_removed(resource: ImageCache) -> list[dict[str, Any]]:
    """A JSON patch that removes our finalizer and no other."""
    path = f"/metadata/finalizers/{resource.finalizers.index(FINALIZER)}"
    return [
        _same_version(resource),
        {"op": "test", "path": path, "value": FINALIZER},
        {"op": "remove", "path": path},
    ]


def _same_version(resource: ImageCache) -> dict[str, Any]:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": resource.resource_version}
