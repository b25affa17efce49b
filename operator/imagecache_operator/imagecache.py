"""An ImageCache as read from the API server: metadata that matters, spec and status.

Reading is tolerant: the API server has enforced the schema already, and an object that slipped past an older schema
must still be deletable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from imagecache_operator.names import FINALIZER, RECONCILE_ANNOTATION, RECREATE_ANNOTATION
from imagecache_operator.spec import ImageCacheSpec
from imagecache_operator.status import ImageCacheStatus

ECHO_MAX = 256
"""Characters of an annotation that status echoes; the schema takes no more."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Names one object of the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ImageCache:
    """One version of one object, as read from the API server."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    created_at: datetime
    deleted_at: datetime | None
    finalizers: tuple[str, ...]
    reconcile_requested: str | None
    recreate_requested: str | None
    spec: ImageCacheSpec
    status: ImageCacheStatus

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> ImageCache:
        """Read an object of the API server.

        Raises:
            pydantic.ValidationError: the spec is not one that any version of the schema accepts.
        """
        meta: Mapping[str, Any] = body["metadata"]
        annotations: Mapping[str, str] = meta.get("annotations") or {}
        deleted = meta.get("deletionTimestamp")
        return cls(
            key=Key(meta["namespace"], meta["name"]),
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            generation=meta.get("generation", 0),
            created_at=datetime.fromisoformat(meta["creationTimestamp"]),
            deleted_at=datetime.fromisoformat(deleted) if deleted else None,
            finalizers=tuple(meta.get("finalizers") or ()),
            reconcile_requested=_echo(annotations.get(RECONCILE_ANNOTATION)),
            recreate_requested=_echo(annotations.get(RECREATE_ANNOTATION)),
            spec=ImageCacheSpec.model_validate(body.get("spec") or {}),
            status=ImageCacheStatus.model_validate(body.get("status") or {}),
        )

    @property
    def credentials_ref(self) -> Key | None:
        """The Secret whose credentials are used; None: the operator's own."""
        ref = self.spec.credentials_secret_ref
        return Key(self.key.namespace, ref.name) if ref is not None else None

    @property
    def creates(self) -> bool:
        """Whether the object has a cache created; else it binds to one."""
        return self.spec.images is not None

    @property
    def cloud_name(self) -> str | None:
        """The cache's name in the cloud; None for an object that binds by an id."""
        return self.spec.name or (self.key.name if self.creates else None)

    @property
    def cache_id(self) -> str | None:
        """The id of the cache that the object stands for, None while it is not known."""
        return self.status.image_cache_id or self.spec.image_cache_id

    @property
    def wants_cache(self) -> bool:
        """Whether a cache is to be created for the object: it has none yet, as far as is known."""
        return self.creates and not self.deleting and self.cache_id is None

    @property
    def recreate_pending(self) -> bool:
        """Whether a person has asked for the cache to be built anew, and it was not done yet."""
        return self.recreate_requested not in {None, self.status.last_handled_recreate_at}

    @property
    def deleting(self) -> bool:
        """Whether the object is being deleted."""
        return self.deleted_at is not None

    @property
    def let_go(self) -> bool:
        """Whether our finalizer is off it for good; what else holds it is no concern of its cache."""
        return self.deleting and not self.has_finalizer

    def as_ghost(self, now: datetime) -> ImageCache:
        """The object as it would be, had our finalizer been there in time to hold it."""
        return replace(self, deleted_at=self.deleted_at or now, finalizers=(FINALIZER,))

    def with_status(self, status: ImageCacheStatus) -> ImageCache:
        """The next version, with that status."""
        return replace(self, status=status, resource_version=str(int(self.resource_version) + 1))

    @property
    def has_finalizer(self) -> bool:
        """Whether our finalizer holds the object."""
        return FINALIZER in self.finalizers

    def name_of(self, other: Key) -> str:
        """How to name another object to the readers of this one: tenants learn nothing of other namespaces."""
        if other.namespace == self.key.namespace:
            return f"the ImageCache {other.name}"
        return "an ImageCache of another namespace"


def _echo(annotation: str | None) -> str | None:
    return None if annotation is None else annotation[:ECHO_MAX]
