"""The spec of an ImageCache: what the user wants, with the limits that the CRD enforces.

Descriptions here are what `kubectl explain` shows. Cloud fields have no default in the schema: the API server
applies defaults before validation, which would make bound objects invalid; the operator applies them.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from imagecache_operator.model import Model

CACHE_ID_PATTERN = r"^[0-9a-z]{8}(-[0-9a-z]{4}){3}-[0-9a-z]{12}$"
CACHE_NAME_PATTERN = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"
REGION_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
PROJECT_PATTERN = r"^[0-9a-f]{32}$"

DEFAULT_SIZE_GIB = 20
DEFAULT_RETENTION_DAYS = 0


class DeletionPolicy(StrEnum):
    """What becomes of the cloud cache when its object is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class ManagementPolicy(StrEnum):
    """Whether the operator may change anything in the cloud."""

    MANAGE = "Manage"
    OBSERVE = "Observe"


class AdoptionPolicy(StrEnum):
    """What to do with a cache of the wanted name that this object did not create."""

    NEVER = "Never"
    IF_IDENTICAL = "IfIdentical"


class RecreateOn(StrEnum):
    """When the operator may replace a cache that it created."""

    SPEC_CHANGED = "SpecChanged"
    FAILED = "Failed"
    EXPIRED = "Expired"
    NOT_FOUND = "NotFound"


class PullSecretRef(Model):
    """A Secret with image pull credentials for the build."""

    name: str = Field(description="Name of the Secret, 1 to 253 characters.", min_length=1, max_length=253)
    namespace: str | None = Field(
        default=None,
        description="Namespace of the Secret, at most 63 characters; the object's own when absent. Others must be "
        "allowed by the operator's setting IMAGECACHE_PULL_SECRET_NAMESPACES.",
        max_length=63,
    )


class Build(Model):
    """How the cloud builds the cache."""

    cluster_id: str | None = Field(
        default=None,
        alias="clusterID",
        description="UID of the Autopilot cluster that builds the cache, 1 to 64 characters; when absent, from the "
        "credentials or the operator's settings.",
        min_length=1,
        max_length=64,
    )
    pull_secret_refs: tuple[PullSecretRef, ...] = Field(
        default=(),
        description="Secrets with image pull credentials for the build, at most 20; none when absent.",
        max_length=20,
    )


class CredentialsSecretRef(Model):
    """The Secret whose credentials are used for this object."""

    name: str = Field(
        description="Name of a Secret in the same namespace, 1 to 253 characters.", min_length=1, max_length=253
    )


class ImageCacheSpec(Model):
    """What the user wants. An object with `images` creates a cache; without, it binds to an existing one."""

    image_cache_id: str | None = Field(
        default=None,
        alias="imageCacheID",
        description="Bind to the existing cache with this id (36 characters in groups of 8-4-4-4-12); nothing is "
        "created. Never changes. Exclusive with name and images; no default.",
        pattern=CACHE_ID_PATTERN,
        max_length=36,
    )
    name: str | None = Field(
        default=None,
        description="The cache's name in the cloud, unique per tenant and region: 1 to 128 of a-z, 0-9 and -, a letter "
        "first, no - at the end. Without images: bind to the existing cache of this name; no default. With images: "
        "metadata.name when absent. Never changes.",
        pattern=CACHE_NAME_PATTERN,
        min_length=1,
        max_length=128,
    )
    images: tuple[str, ...] | None = Field(
        default=None,
        description="Have a cache with these images, a set of 1 to 20 references of at most 512 characters; it "
        "is created when it is not there. Without them, the object binds to an existing cache. May change only with "
        "SpecChanged in recreateOn.",
        min_length=1,
        max_length=20,
    )
    size_gib: int | None = Field(
        default=None,
        alias="sizeGiB",
        description="With images: disk size in GiB, 20 to 400; 20 when absent. May change only with SpecChanged in "
        "recreateOn. It holds unpacked images: three times the sum "
        "of the image sizes is a good start.",
        ge=20,
        le=400,
    )
    retention_days: int | None = Field(
        default=None,
        description="With images: days until the cloud deletes the cache by itself, 0 to 10000; 0, which is also "
        "meant when absent, keeps it for ever. May change only with SpecChanged in recreateOn.",
        ge=0,
        le=10000,
    )
    build: Build | None = Field(
        default=None,
        description="With images: how the cloud builds the cache; as the operator is set up when absent. May change "
        "only with SpecChanged in recreateOn.",
    )
    region: str | None = Field(
        default=None,
        description="Region where the cache lives, 1 to 63 of a-z, 0-9 and -; when absent, from the credentials or "
        "the operator's settings. Never changes.",
        pattern=REGION_PATTERN,
        max_length=63,
    )
    project_id: str | None = Field(
        default=None,
        alias="projectID",
        description="Project where the cache lives, 32 hexadecimal digits of 0-9 and a-f; when absent, from the "
        "credentials or the operator's settings. Never changes.",
        pattern=PROJECT_PATTERN,
        max_length=32,
    )
    credentials_secret_ref: CredentialsSecretRef | None = Field(
        default=None,
        description="Secret in the same namespace with the credentials to use; when absent, the operator's own are "
        "used. May change.",
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.DELETE,
        description="What becomes of the cloud cache when this object is deleted: Delete (default) or Retain. "
        "May change at any time, also while the object is being deleted.",
    )
    management_policy: ManagementPolicy = Field(
        default=ManagementPolicy.MANAGE,
        description="Manage (default), or Observe: read only, nothing in the cloud is created or deleted, also when "
        "this object is deleted. May change.",
    )
    adoption_policy: AdoptionPolicy | None = Field(
        default=None,
        description="With images: what to do with a cache of that name that this object did not create. Never "
        "(which is also meant when absent) shows Conflict; IfIdentical takes it over when every field agrees.",
    )
    recreate_on: tuple[RecreateOn, ...] | None = Field(
        default=None,
        description="With images: when the operator may delete the old cache, proving it gone, and create it "
        "anew: any of SpecChanged, Failed (at most 3 times, with growing pauses), Expired, NotFound. Empty when "
        "absent.",
        max_length=4,
    )

    @property
    def observe_only(self) -> bool:
        """Whether nothing in the cloud may be changed for this object."""
        return self.management_policy is ManagementPolicy.OBSERVE

    @property
    def retain(self) -> bool:
        """Whether the cache stays when the object goes."""
        return self.observe_only or self.deletion_policy is DeletionPolicy.RETAIN
