"""`imagecache-operator list`: the caches of an account, the object that holds each, manifests for those without."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from imagecache_operator.clock import Clock, SystemClock
from imagecache_operator.cloud.credentials import CredentialsSource
from imagecache_operator.cloud.credentials_source import source_from
from imagecache_operator.cloud.session import Session
from imagecache_operator.commands.access import (
    Guard,
    explain,
    guarded_client,
    no_objects,
    open_kubernetes,
    sessions_for,
)
from imagecache_operator.commands.arguments import CommandError, UsageError
from imagecache_operator.commands.holdings import Holding, holdings
from imagecache_operator.commands.manifests import Binding, manifests_text
from imagecache_operator.commands.output import complain, say
from imagecache_operator.conditions import Verdict
from imagecache_operator.identity import Location
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError
from imagecache_operator.kubernetes_config import KubernetesConfigError
from imagecache_operator.model import format_time
from imagecache_operator.observation import Cache, Trouble
from imagecache_operator.placement import Defaults, Placement, place
from imagecache_operator.secret_credentials import SecretCredentials, Secrets
from imagecache_operator.settings import Settings

DEFAULT_NAMESPACE = "default"
DEFAULT_DELETION_POLICY = "Retain"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; None where nothing was said."""

    manifests: bool
    as_json: bool
    deletion_policy: str | None
    namespace: str | None
    secret: str | None
    region: str | None
    project_id: str | None

    @classmethod
    def of(cls, options: Mapping[str, Any], flags: Mapping[str, str]) -> Wish:
        """Read the command line."""
        return cls(
            manifests=options["manifests"],
            as_json=options["output"] == "json",
            deletion_policy=options["deletion_policy"],
            namespace=options["namespace"],
            secret=options["secret"],
            region=flags.get("IMAGECACHE_REGION"),
            project_id=flags.get("IMAGECACHE_PROJECT_ID"),
        )

    @property
    def target(self) -> str:
        """The namespace of the manifests."""
        return self.namespace or DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Found:
    """The caches at one location, and the names of the objects that there are."""

    location: Location
    holdings: tuple[Holding, ...]
    objects: tuple[Key, ...]


async def list_caches(settings: Settings, wish: Wish) -> int:
    """List; returns the exit status.

    Raises:
        CommandError: one of the two sides cannot be told.
    """
    _check(wish, settings)
    try:
        async with open_kubernetes() as kubernetes:
            found = await _look(kubernetes, settings, wish, SystemClock())
    except KubernetesConfigError as error:
        raise CommandError(str(error)) from None
    say(_told(found, wish))
    if wish.manifests and not any(holding.free for holding in found.holdings):
        complain("There is nothing to bind.")
    return 0


def _check(wish: Wish, settings: Settings) -> None:
    if wish.secret is not None and wish.namespace is None:
        raise UsageError("--secret needs --namespace: the namespace in which the Secret is.")
    if wish.namespace is not None and wish.secret is None and not wish.manifests:
        raise UsageError("--namespace goes with --secret or --manifests: a list is of an account, not of a namespace.")
    if wish.manifests and wish.as_json:
        raise UsageError("--manifests prints YAML: leave out --output.")
    if wish.deletion_policy is not None and not wish.manifests:
        raise UsageError("--deletion-policy is for manifests: give --manifests, too.")
    if wish.manifests and settings.namespaces is not None and wish.target not in settings.namespaces:
        raise UsageError(
            f"Objects in the namespace {wish.target} are not served: name another one with --namespace, or add it to "
            "IMAGECACHE_NAMESPACES."
        )


async def _look(kubernetes: KubernetesClient, settings: Settings, wish: Wish, clock: Clock) -> Found:
    # The objects first: without them no cache may be called unheld, and the cloud need not be asked.
    objects = await _objects(kubernetes, settings)
    source, defaults = await _source(kubernetes, settings, wish)
    guard = Guard()
    async with guarded_client(settings, guard) as http:
        sessions = sessions_for(http, settings, source, clock, trusted=wish.secret is None)
        defaults = sessions.defaults(defaults)
        session = await sessions.open(_place(wish, defaults))
        answer = await session.client.list() if isinstance(session, Session) else session
        if guard.shut():
            answer = guard.trouble(source.current().who) or answer
        if isinstance(answer, Trouble):
            raise CommandError(await explain(answer, http, guard))
    assert isinstance(session, Session)
    return _matched(session, answer, objects, wish, defaults)


def _matched(
    session: Session, caches: tuple[Cache, ...], objects: Sequence[ImageCache], wish: Wish, defaults: Defaults
) -> Found:
    ref = Key(wish.namespace or "", wish.secret) if wish.secret is not None else None

    def place_of(resource: ImageCache) -> Placement | None:
        where = place(resource, defaults) if resource.credentials_ref == ref else None
        return None if isinstance(where, Verdict) else where

    location = session.identity.location
    keys = tuple(resource.key for resource in objects)
    return Found(location, holdings(caches, location, objects, place_of), keys)


async def _objects(kubernetes: KubernetesClient, settings: Settings) -> list[ImageCache]:
    found: list[ImageCache] = []
    try:
        for namespace in [None] if settings.namespaces is None else settings.namespaces:
            found += [_parsed(body) async for body in kubernetes.list_objects(namespace)]
    except KubernetesError as error:
        raise no_objects(error) from None
    return found


def _parsed(body: Mapping[str, Any]) -> ImageCache:
    try:
        return ImageCache.parse(body)
    except ValidationError:
        meta = body["metadata"]
        # Left out, it would make the cache that it holds look unheld.
        raise CommandError(
            f"The ImageCache {meta['namespace']}/{meta['name']} has a spec that this version cannot read: use the "
            "version of the definition in the cluster."
        ) from None


async def _source(kubernetes: KubernetesClient, settings: Settings, wish: Wish) -> tuple[CredentialsSource, Defaults]:
    if wish.secret is None or wish.namespace is None:
        return source_from(settings), settings.defaults
    secrets = Secrets(kubernetes, [wish.namespace], SystemClock())
    await secrets.look()
    return SecretCredentials(secrets, Key(wish.namespace, wish.secret)), replace(settings.defaults, namespaces=None)


def _place(wish: Wish, defaults: Defaults) -> Placement:
    """What the command line says, then credentials and settings."""
    region = wish.region or defaults.region
    if region is None:
        raise CommandError(defaults.trouble or "No region is known: give --region, or set IMAGECACHE_REGION.")
    # A project belongs to one region.
    return Placement(region, wish.project_id or (defaults.project_id if region == defaults.region else None))


def _told(found: Found, wish: Wish) -> str:
    if wish.manifests:
        taken = {key.name for key in found.objects if key.namespace == wish.target}
        policy = wish.deletion_policy or DEFAULT_DELETION_POLICY
        return manifests_text(found.holdings, taken, Binding(found.location, wish.target, policy, wish.secret))
    return json_text(found) if wish.as_json else table_text(found.holdings)


def json_text(found: Found) -> str:
    """The list for programs."""
    location = found.location
    told = {
        "endpoint": location.endpoint,
        "region": location.region,
        "projectID": location.project_id,
        "caches": [
            {
                "id": it.cache.id,
                "name": it.cache.name,
                "status": str(it.cache.status),
                "message": it.cache.message,
                "images": list(it.cache.images),
                "sizeGiB": it.cache.size_gib,
                "createdAt": _time(it.cache.created_at),
                "expiresAt": _time(it.cache.expires_at),
                "object": None if it.holder is None else str(it.holder),
                "namedBy": [str(key) for key in it.named_by],
                "observedBy": [str(key) for key in it.observed_by],
            }
            for it in found.holdings
        ],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def table_text(found: Sequence[Holding]) -> str:
    """The list for people."""
    rows = [("ID", "NAME", "STATUS", "SIZE", "CREATED", "EXPIRES", "OBJECT"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _row(holding: Holding) -> tuple[str, ...]:
    cache = holding.cache
    size = f"{cache.size_gib}Gi" if cache.size_gib is not None else "?"
    expires = _time(cache.expires_at) or ("never" if not cache.retention_days else "?")
    return cache.id, cache.name, str(cache.status), size, _time(cache.created_at) or "?", expires, _object(holding)


def _object(holding: Holding) -> str:
    if holding.holder is not None:
        return str(holding.holder)
    if holding.named_by:
        return f"none yet; {', '.join(map(str, holding.named_by))} names it"
    if holding.observed_by:
        return f"none; {', '.join(map(str, holding.observed_by))} observes it"
    return "none"


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment.replace(microsecond=0))
