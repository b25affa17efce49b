"""What the cache of an object that creates shall be made of, and how that compares with what the cloud shows.

Images are compared as sets of full references: `nginx` is `docker.io/library/nginx:latest`. The hash of a spec covers
what is written in the spec, not what settings supply, so that a changed setting replaces no cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import Cache
from imagecache_operator.placement import Defaults
from imagecache_operator.spec import DEFAULT_RETENTION_DAYS, DEFAULT_SIZE_GIB

DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class Desired:
    """The cloud's fields of a cache (cce-api section 1.3).

    Attributes:
        name: unique per tenant and region.
        images: as they are written.
        size_gib: 20 to 400.
        retention_days: 0 to 10000; 0 for ever.
        cluster_id: builds the cache.
        pull_secrets: `namespace:name` each.
    """

    name: str
    images: tuple[str, ...]
    size_gib: int
    retention_days: int
    cluster_id: str
    pull_secrets: tuple[str, ...]

    def to_body(self) -> dict[str, Any]:
        """The body of the POST."""
        building: dict[str, Any] = {"cluster": self.cluster_id}
        if self.pull_secrets:
            building["image_pull_secrets"] = list(self.pull_secrets)
        return {
            "name": self.name,
            "images": list(self.images),
            "image_cache_size": self.size_gib,
            "retention_days": self.retention_days,
            "building_config": building,
        }

    def differences(self, cache: Cache) -> Iterator[str]:
        """The fields of the spec in which a cache differs; one that cannot be read counts as different."""
        if _references(self.images) != _references(cache.images):
            yield "images"
        if self.size_gib != cache.size_gib:
            yield "sizeGiB"
        if self.retention_days != cache.retention_days:
            yield "retentionDays"
        if self.cluster_id != cache.cluster_id:
            yield "build.clusterID"
        if set(self.pull_secrets) != set(cache.pull_secrets):
            yield "build.pullSecretRefs"


def desired(resource: ImageCache, defaults: Defaults) -> Desired | Verdict:
    """What the object's cache shall be; or why its wish cannot be carried out."""
    spec, own = resource.spec, resource.key.namespace
    build = spec.build
    refs = build.pull_secret_refs if build is not None else ()
    for ref in refs:
        if ref.namespace not in {None, own} and ref.namespace not in defaults.pull_secret_namespaces:
            return Verdict(
                Reason.NOT_ALLOWED,
                f"Pull secrets of namespace {ref.namespace} may not be used here; an administrator can allow it with "
                "IMAGECACHE_PULL_SECRET_NAMESPACES.",
            )
    cluster_id = (build.cluster_id if build is not None else None) or defaults.cluster_id
    if cluster_id is None:
        secret = resource.credentials_ref
        key = f", clusterID in the Secret {secret}," if secret is not None else ","
        return Verdict(
            Reason.REQUEST_REJECTED,
            f"No cluster is known that builds the cache: set spec.build.clusterID{key} or IMAGECACHE_CLUSTER_ID for "
            "the operator.",
        )
    assert resource.cloud_name is not None
    return Desired(
        name=resource.cloud_name,
        images=spec.images or (),
        size_gib=spec.size_gib if spec.size_gib is not None else DEFAULT_SIZE_GIB,
        retention_days=spec.retention_days if spec.retention_days is not None else DEFAULT_RETENTION_DAYS,
        cluster_id=cluster_id,
        pull_secrets=_pull_secrets(resource),
    )


def spec_hash(resource: ImageCache) -> str:
    """The hash of the cloud fields that are written in the spec; what means the same has the same hash."""
    spec = resource.spec
    return _hash(
        spec.images or (),
        spec.size_gib if spec.size_gib is not None else DEFAULT_SIZE_GIB,
        spec.retention_days if spec.retention_days is not None else DEFAULT_RETENTION_DAYS,
        spec.build.cluster_id if spec.build is not None else None,
        _pull_secrets(resource),
    )


def made_of(cache: Cache, hashed: str, default_cluster_id: str | None) -> bool:
    """Whether a cache has the fields that a spec with that hash asked for.

    The spec itself may have changed since; the hash is what is kept of it. Where it named no cluster, that of the
    settings has built the cache.
    """

    def hash_with(cluster_id: str | None) -> str:
        return _hash(cache.images, cache.size_gib, cache.retention_days, cluster_id, cache.pull_secrets)

    if hash_with(cache.cluster_id) == hashed:
        return True
    return cache.cluster_id == default_cluster_id and hash_with(None) == hashed


def _hash(
    images: Iterable[str], size: int | None, days: int, cluster_id: str | None, pull_secrets: Iterable[str]
) -> str:
    fields = [sorted(_references(images)), size, days, cluster_id, sorted(set(pull_secrets))]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:32]


def _pull_secrets(resource: ImageCache) -> tuple[str, ...]:
    """As the cloud names Secrets: `namespace:name` (cce-api section 1.3)."""
    build = resource.spec.build
    refs = build.pull_secret_refs if build is not None else ()
    return tuple(f"{ref.namespace or resource.key.namespace}:{ref.name}" for ref in refs)


def _references(images: Iterable[str]) -> frozenset[str]:
    return frozenset(full_reference(image) for image in images)


def full_reference(image: str) -> str:
    """The reference with registry, path and tag, as container runtimes complete it."""
    rest, at, digest = image.partition("@")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    registry, slash, remainder = path.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        registry, remainder = DOCKER_HUB, path
    if registry == "index.docker.io":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in remainder:
        remainder = f"library/{remainder}"
    if at:
        # A digest says all; a tag beside it is decoration.
        return f"{registry}/{remainder}@{digest}"
    return f"{registry}/{remainder}:{tag or 'latest'}"
