"""Manifests that bind caches which nobody holds. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import yaml

from imagecache_operator.commands.holdings import Holding
from imagecache_operator.identity import Location
from imagecache_operator.names import GROUP, KIND, VERSION
from imagecache_operator.observation import Cache

NAME_MAX = 128
"""Characters of a name; also the cloud's own limit. An object's name may have 253, and ours gets a suffix at times."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What all manifests share; `secret` None: the operator's own credentials."""

    location: Location
    namespace: str
    deletion_policy: str
    secret: str | None = None


def manifests_text(found: Sequence[Holding], taken: Collection[str], binding: Binding) -> str:
    """The free ones as documents to be applied, and as comments those that are left out though nobody holds them.

    Args:
        found: all caches of the account.
        taken: names of objects in the namespace.
        binding: what all share.
    """
    free = [holding.cache for holding in found if holding.free]
    comments = [f"# {len(free)} of {len(found)} caches at {binding.location} are held by no ImageCache."]
    comments += [f"# Left out: {reason}" for holding in found if (reason := _left_out(holding))]
    documents = [_manifest(cache, name, binding) for cache, name in zip(free, names_for(free, taken), strict=True)]
    text = yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True, width=120) if documents else ""
    return "".join(f"{line}\n" for line in comments) + text


def _left_out(holding: Holding) -> str | None:
    cache = holding.cache
    if holding.holder is not None or holding.free:
        return None
    if holding.named_by:
        return f"{cache.name} ({cache.id}) is named by {', '.join(map(str, holding.named_by))}."
    return f"{cache.name} ({cache.id}) is being deleted."


def _manifest(cache: Cache, name: str, binding: Binding) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "imageCacheID": cache.id,
        # Written out, so that nothing depends on what the operator takes for granted.
        "region": binding.location.region,
        "projectID": binding.location.project_id,
        "deletionPolicy": binding.deletion_policy,
    }
    if binding.secret is not None:
        spec["credentialsSecretRef"] = {"name": binding.secret}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": name, "namespace": binding.namespace},
        "spec": spec,
    }


def names_for(caches: Sequence[Cache], taken: Collection[str]) -> list[str]:
    """A name for each object: the cache's own where it is free, else with as much of the id as is needed.

    They do not depend on the order, so that the same caches get the same names again.
    """
    forms = [_forms(cache) for cache in caches]
    claims = Counter(chain.from_iterable(forms))
    return [next((it for it in each if claims[it] == 1 and it not in taken), each[-1]) for each in forms]


def _forms(cache: Cache) -> tuple[str, str, str]:
    """What the object may be called, the best name first; the last one is nobody else's."""
    name = object_name(cache.name)
    return name, f"{name}-{object_name(cache.id[:8])}", f"{name}-{object_name(cache.id)}"


def object_name(text: str) -> str:
    """The text as a name that Kubernetes takes."""
    name = re.sub(r"[^a-z0-9-]+", "-", text.lower())[:NAME_MAX].strip("-")
    return name or "cache"
