"""Where an object's cache lives, and whether the settings allow what the object asks. Pure rules."""

from __future__ import annotations

from dataclasses import dataclass

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.identity import Identity, identity_of, location_of
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.status import SeenBy


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where the spec is silent, and whom the operator's own credentials serve (None: everybody).

    `trouble` says why the credentials, which may name region and project, cannot be read; None when they can.
    `cluster_id` builds caches whose objects name none; `pull_secret_namespaces` may be named beside an object's own.
    """

    region: str | None = None
    project_id: str | None = None
    namespaces: frozenset[str] | None = None
    trouble: str | None = None
    cluster_id: str | None = None
    pull_secret_namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Placement:
    """Region and project of an object; `project_id` None: to be looked up in IAM."""

    region: str
    project_id: str | None


def place(resource: ImageCache, defaults: Defaults) -> Placement | Verdict:
    """Resolve the location from spec, then what the credentials say, then settings; or say why that is refused."""
    spec = resource.spec
    if defaults.namespaces is not None and resource.key.namespace not in defaults.namespaces:
        return Verdict(
            Reason.NOT_ALLOWED,
            f"Namespace {resource.key.namespace} may not use the operator's own credentials; an administrator can "
            "allow it with IMAGECACHE_OWN_CREDENTIALS_NAMESPACES.",
        )
    region = spec.region or defaults.region
    if region is None and defaults.trouble is not None:
        return Verdict(Reason.CREDENTIALS_INVALID, defaults.trouble)
    if region is None:
        secret = resource.credentials_ref
        key = f", region in the Secret {secret}," if secret is not None else ","
        return Verdict(
            Reason.ENDPOINT_INVALID,
            f"No region is known: set spec.region{key} or IMAGECACHE_REGION for the operator.",
        )
    project = spec.project_id
    if project is None and region == (defaults.region or region):
        # A project belongs to one region, so the default project says nothing about other regions.
        project = defaults.project_id
    return Placement(region, project)


def absent_elsewhere(cache_id: str | None, seen_by: SeenBy | None, identity: Identity) -> Verdict | None:
    """Why an absence proves nothing: another identity saw the cache. None when it does, or nobody saw it."""
    if seen_by is None or identity.same_as(identity_of(seen_by)):
        return None
    return Verdict(
        Reason.NOT_FOUND,
        f"Cache {cache_id} is absent for {identity}, but was seen by {identity_of(seen_by)}; an absence seen by "
        "another identity proves nothing. Restore those credentials.",
    )


def moved(seen_by: SeenBy | None, identity: Identity | None) -> Verdict | None:
    """The conflict between the location pinned in status and the one resolved now, None when there is none."""
    if seen_by is None or identity is None or location_of(seen_by) == identity.location:
        return None
    return Verdict(
        Reason.CONFLICT,
        f"The cache was seen at {location_of(seen_by)}, but spec and settings now lead to {identity.location}; "
        "caches are never moved silently. Restore the former location, or set spec.deletionPolicy to Retain and "
        "delete this object.",
    )
