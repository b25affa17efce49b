"""Which object holds which cache of a location, as far as the objects tell. Pure.

Holder rule: see `store.py`. Beside the holder there may be objects that mean the same cache without holding it: not
seen yet, in conflict, or told to observe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from imagecache_operator.identity import Location, location_of
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.observation import Cache
from imagecache_operator.placement import Placement
from imagecache_operator.store import Store

PlaceOf = Callable[[ImageCache], Placement | None]
"""Where an object's cache would be, None when the credentials of the list are not the object's."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One cache of the cloud.

    Attributes:
        cache: the cache.
        holder: the object that answers for it, None when nobody does.
        named_by: objects that will hold it, or want to, once the operator has looked.
        observed_by: objects that only look at it.
    """

    cache: Cache
    holder: Key | None
    named_by: tuple[Key, ...]
    observed_by: tuple[Key, ...]

    @property
    def free(self) -> bool:
        """Whether an object may be made that binds it."""
        return self.holder is None and not self.named_by and self.cache.status != "Deleting"


def holdings(
    caches: Iterable[Cache], location: Location, objects: Iterable[ImageCache], place_of: PlaceOf
) -> tuple[Holding, ...]:
    """All caches with their objects, by name."""
    store = Store()
    for resource in objects:
        store.put(resource)
    return tuple(
        _holding(cache, location, store, place_of) for cache in sorted(caches, key=lambda it: (it.name, it.id))
    )


def _holding(cache: Cache, location: Location, store: Store, place_of: PlaceOf) -> Holding:
    holder = store.holder((location, cache.id))
    meant = [it for it in store if it.key != holder and _means(it, cache, location, place_of)]
    return Holding(
        cache,
        holder,
        named_by=tuple(sorted(it.key for it in meant if not it.spec.observe_only)),
        observed_by=tuple(sorted(it.key for it in meant if it.spec.observe_only)),
    )


def _means(resource: ImageCache, cache: Cache, location: Location, place_of: PlaceOf) -> bool:
    cache_id = resource.cache_id
    if (cache_id or resource.cloud_name) not in {cache.id, cache.name}:
        return False
    if resource.status.seen_by is not None:
        # Between two caches of a replacement there is no id; a POST whose answer was lost may have made this one.
        return location_of(resource.status.seen_by) == location and (
            cache_id == cache.id if cache_id is not None else resource.cloud_name == cache.name
        )
    if cache_id is not None:
        return cache_id == cache.id
    place = place_of(resource)
    return place is not None and place.region == location.region and place.project_id in {None, location.project_id}
