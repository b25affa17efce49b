"""What the CRD says beyond the models: rules across fields (CEL), list types, defaults and columns.

Field rules miss the setting and unsetting of a field, so rules sit on `spec` as a whole or on the root, but for one.
`orValue` only on integers: on strings it exceeds the API server's cost budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imagecache_operator.spec import (
    CACHE_NAME_PATTERN,
    DEFAULT_RETENTION_DAYS,
    DEFAULT_SIZE_GIB,
    DeletionPolicy,
    ManagementPolicy,
    RecreateOn,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence that the API server enforces; `field` is what the refusal points at."""

    expression: str
    message: str
    field: str | None = None
    forbidden: bool = False

    def to_json(self) -> dict[str, str]:
        """As x-kubernetes-validations has it."""
        found = {"rule": self.expression, "message": self.message}
        if self.field is not None:
            found["fieldPath"] = f".{self.field}"
        found["reason"] = "FieldValueForbidden" if self.forbidden else "FieldValueInvalid"
        return found


_ANOTHER = "delete this object (with deletionPolicy Retain, if the cache shall stay) and create another"


def _never_changes(field: str) -> Rule:
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} never changes, and is not set or unset later; {_ANOTHER}",
        field=field,
        forbidden=True,
    )


def _for_creation(field: str) -> Rule:
    return Rule(
        f"has(self.images) || !has(self.{field})",
        f"{field} belongs to objects that create a cache (with images); remove it, since an existing cache is bound "
        "as it is",
        field=field,
        forbidden=True,
    )


def _with_spec_changed(field: str, same: str) -> Rule:
    allowed = f"has(self.recreateOn) && '{RecreateOn.SPEC_CHANGED}' in self.recreateOn"
    return Rule(
        f"({allowed}) || ({same})",
        f"{field} may change only with {RecreateOn.SPEC_CHANGED} in recreateOn, because the cache must be deleted and "
        f"created anew for it; add that, or {_ANOTHER}",
        field=field,
        forbidden=True,
    )


_MODE = Rule(
    "has(self.images) ? !has(self.imageCacheID) : has(self.imageCacheID) != has(self.name)",
    "say which cache is meant: bind an existing one by exactly one of imageCacheID and name, or create one by images "
    "without imageCacheID",
)
_MODE_STAYS = Rule(
    "has(self.images) == has(oldSelf.images)",
    f"an object that binds never becomes one that creates, nor the other way round; {_ANOTHER}",
    field="images",
    forbidden=True,
)

SPEC_RULES = (
    _MODE,
    *(_for_creation(field) for field in ("sizeGiB", "retentionDays", "build", "adoptionPolicy", "recreateOn")),
    _MODE_STAYS,
    *(_never_changes(field) for field in ("imageCacheID", "name", "region", "projectID")),
    _with_spec_changed("images", "!has(self.images) || !has(oldSelf.images) || self.images == oldSelf.images"),
    _with_spec_changed(
        "sizeGiB",
        f"self.?sizeGiB.orValue({DEFAULT_SIZE_GIB}) == oldSelf.?sizeGiB.orValue({DEFAULT_SIZE_GIB})",
    ),
    _with_spec_changed(
        "retentionDays",
        f"self.?retentionDays.orValue({DEFAULT_RETENTION_DAYS}) == "
        f"oldSelf.?retentionDays.orValue({DEFAULT_RETENTION_DAYS})",
    ),
    _with_spec_changed(
        "build", "has(self.build) == has(oldSelf.build) && (!has(self.build) || self.build == oldSelf.build)"
    ),
)

ROOT_RULES = (
    Rule(
        "!has(self.spec.images) || has(self.spec.name) || "
        f"(size(self.metadata.name) <= 128 && self.metadata.name.matches('{CACHE_NAME_PATTERN}'))",
        "metadata.name is no name for a cache (1 to 128 of a-z, 0-9 and -, a letter first, no - at the end); "
        "choose another, or set spec.name",
        field="metadata.name",
    ),
)

TIME = {"maxLength": 64}
"""RFC 3339 with any number of digits that makes sense."""

OVERLAYS: dict[tuple[str, ...], dict[str, Any]] = {
    ("spec", "images"): {"x-kubernetes-list-type": "set"},
    ("spec", "images", "[]"): {"minLength": 1, "maxLength": 512},
    ("spec", "recreateOn"): {"x-kubernetes-list-type": "set"},
    ("spec", "build", "pullSecretRefs"): {"x-kubernetes-list-type": "atomic"},
    # The only defaults: neither is a cloud field, both hold for objects of either kind.
    ("spec", "deletionPolicy"): {"default": DeletionPolicy.DELETE.value},
    ("spec", "managementPolicy"): {"default": ManagementPolicy.MANAGE.value},
    ("status", "conditions"): {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    # On the object itself, so that it is there from the first moment.
    ("status",): {"default": {"observedGeneration": -1}},
}
"""Added to the schema at a path; `[]` stands for the items of a list."""

_READY = '.status.conditions[?(@.type=="Ready")]'

COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "Ready", "type": "string", "jsonPath": f"{_READY}.status", "description": "Whether the cache is usable."},
    {"name": "Status", "type": "string", "jsonPath": ".status.cacheStatus", "description": "The cloud's own word."},
    {"name": "Reason", "type": "string", "jsonPath": f"{_READY}.reason", "description": "Why it is ready or not."},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Age of the object."},
    {
        "name": "ID",
        "type": "string",
        "jsonPath": ".status.imageCacheID",
        "description": "Id of the cache.",
        "priority": 1,
    },
    {
        "name": "Size",
        "type": "integer",
        "jsonPath": ".spec.sizeGiB",
        "description": f"Disk size in GiB that the spec names; {DEFAULT_SIZE_GIB} for a new cache when it names none.",
        "priority": 1,
    },
    # A string, because kubectl shows a date as an age, and one in the future as <invalid>.
    {
        "name": "Expires",
        "type": "string",
        "jsonPath": ".status.expiresAt",
        "description": "When the cloud deletes the cache by itself.",
        "priority": 1,
    },
    {"name": "Message", "type": "string", "jsonPath": f"{_READY}.message", "description": "What to do.", "priority": 1},
)
