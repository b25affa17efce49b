"""The newest version of each object, who holds which cache, and which objects a change in the cloud concerns.

Holder of a cache in a location: the oldest object (then the lower uid) with managementPolicy Manage whose
`status.imageCacheID` is confirmed by a sighting. Only the holder may write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from imagecache_operator.identity import Location, location_of
from imagecache_operator.imagecache import ImageCache, Key

Claim = tuple[Location, str]
_Entry = TypeVar("_Entry")


def claim_of(resource: ImageCache) -> Claim | None:
    """Which cache the object may hold: one that it manages and has seen."""
    status = resource.status
    if resource.let_go or status.seen_by is None or status.image_cache_id is None or resource.spec.observe_only:
        return None
    return location_of(status.seen_by), status.image_cache_id


def _age(resource: ImageCache) -> tuple[datetime, str]:
    return resource.created_at, resource.uid


class Store:
    """All objects of the cluster that are served here."""

    def __init__(self) -> None:
        self._objects: dict[Key, ImageCache] = {}
        self._claims: defaultdict[Claim, set[Key]] = defaultdict(set)
        self._by_id: defaultdict[str, set[Key]] = defaultdict(set)
        self._by_name: defaultdict[str, set[Key]] = defaultdict(set)
        # Of objects that create, whether they have a cache or not.
        self._by_wanted_name: defaultdict[str, set[Key]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[ImageCache]:
        return iter(self._objects.values())

    def get(self, key: Key) -> ImageCache | None:
        """The newest version that is known."""
        return self._objects.get(key)

    def knows(self, meta: Mapping[str, Any]) -> bool:
        """Whether this version of an object, told by its raw metadata, or a newer one is known."""
        known = self._objects.get(Key(meta.get("namespace", ""), meta.get("name", "")))
        version = str(meta.get("resourceVersion", ""))
        return (
            known is not None
            and known.uid == meta.get("uid")
            and version.isdecimal()
            and int(known.resource_version) >= int(version)
        )

    def put(self, resource: ImageCache) -> bool:
        """Keep this version when it is newer than the known one; whether it was."""
        known = self._objects.get(resource.key)
        if known is not None:
            if known.uid == resource.uid and int(known.resource_version) >= int(resource.resource_version):
                return False
            self._unindex(known)
        self._objects[resource.key] = resource
        self._index(resource)
        return True

    def remove(self, key: Key) -> ImageCache | None:
        """Forget an object; returns what was known of it."""
        known = self._objects.pop(key, None)
        if known is not None:
            self._unindex(known)
        return known

    def holder(self, claim: Claim) -> Key | None:
        """The holder of that cache as far as statuses tell it, None when there is none."""
        oldest = min((self._objects[key] for key in self._claims.get(claim, ())), key=_age, default=None)
        return oldest.key if oldest is not None else None

    def other_holder(
        self, resource: ImageCache, claim: Claim, *, sees: bool, witnesses: Iterable[Key] = ()
    ) -> Key | None:
        """The holder of that cache, when it is not this object.

        Args:
            resource: the object that asks.
            claim: the cache in question.
            sees: whether this object sees the cache, or has seen it; its age counts only then.
            witnesses: objects that see it by the same look, though their status does not tell it yet.
        """
        keys = self._claims.get(claim, set()).union(witnesses)
        rivals = [self._objects[key] for key in keys if key != resource.key]
        if not rivals:
            return None
        oldest = min(rivals, key=_age)
        ours = sees and not resource.spec.observe_only and _age(resource) < _age(oldest)
        return None if ours else oldest.key

    def name_holder(
        self, resource: ImageCache, rivals: Iterable[Key], *, asks: Callable[[ImageCache], bool]
    ) -> Key | None:
        """The object that holds the name which this one wants for its cache, when it is not this one.

        Args:
            resource: the object that asks; one that creates.
            rivals: the others that want that name in that location.
            asks: tells whether a POST of an object may be on its way, which its status may not tell yet.
        """

        def claim(it: ImageCache) -> tuple[bool, bool, datetime, str]:
            """Whoever asks, or has asked, for a cache of that name comes before whoever is merely older."""
            return not asks(it), it.status.creation is None, *_age(it)

        claims = [self._objects[key] for key in rivals if key != resource.key]
        first = min(claims, key=claim, default=None)
        return None if first is None or claim(resource) < claim(first) else first.key

    def by_age(self, keys: Iterable[Key]) -> list[Key]:
        """Those of the keys that are known, the oldest object first."""
        return [each.key for each in sorted((self._objects[key] for key in keys if key in self._objects), key=_age)]

    def wanting(self, name: str) -> set[Key]:
        """The objects that create a cache of that name, wherever."""
        return set(self._by_wanted_name.get(name, ()))

    def concerned(self, ids: Iterable[str], names: Iterable[str]) -> set[Key]:
        """The objects that stand for those ids, or that look for those names."""
        keys: set[Key] = set()
        for cache_id in ids:
            keys |= self._by_id.get(cache_id, set())
        for name in names:
            keys |= self._by_name.get(name, set())
        return keys

    def _index(self, resource: ImageCache) -> None:
        if (claim := claim_of(resource)) is not None:
            self._claims[claim].add(resource.key)
        if (cache_id := resource.cache_id) is not None:
            self._by_id[cache_id].add(resource.key)
        elif resource.cloud_name is not None:
            self._by_name[resource.cloud_name].add(resource.key)
        if resource.creates and resource.cloud_name is not None:
            self._by_wanted_name[resource.cloud_name].add(resource.key)

    def _unindex(self, resource: ImageCache) -> None:
        if (claim := claim_of(resource)) is not None:
            _discard(self._claims, claim, resource.key)
        if (cache_id := resource.cache_id) is not None:
            _discard(self._by_id, cache_id, resource.key)
        elif resource.cloud_name is not None:
            _discard(self._by_name, resource.cloud_name, resource.key)
        if resource.creates and resource.cloud_name is not None:
            _discard(self._by_wanted_name, resource.cloud_name, resource.key)


def _discard(index: defaultdict[_Entry, set[Key]], entry: _Entry, key: Key) -> None:
    keys = index[entry]
    keys.discard(key)
    if not keys:
        del index[entry]
