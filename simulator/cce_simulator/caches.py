"""The caches and their life: the state machine of section 2, driven by due times in a heap.

Nothing runs in the background. `advance` applies, in order, whatever fell due since the last call, so a request costs
nothing per cache that did not change.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import uuid
from collections import Counter, deque
from collections.abc import Iterable

from cce_simulator.behaviours import PLAIN_BUILD, PLAIN_DELETE, BuildBehaviour, DeleteBehaviour, Refusal
from cce_simulator.clock import Clock
from cce_simulator.scenario import CacheSeed
from cce_simulator.settings import DAY_SECONDS, LiveSettings

CREATING, AVAILABLE, UNAVAILABLE = "Creating", "Available", "Unavailable"
DELETING, FAILED = "Deleting", "Failed"
STATUSES = (CREATING, AVAILABLE, UNAVAILABLE, FAILED, DELETING)
EXPIRED_MESSAGE = "The image cache has expired."

# Caches that are gone are remembered for stale reads, up to this many.
_GRAVEYARD = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of a cache's past: from `at` on it had this status; None is gone."""

    at: float
    status: str | None
    message: str | None


@dataclasses.dataclass(slots=True, eq=False)
class Cache:
    """One cache, present or gone."""

    id: str
    project: str
    name: str
    images: tuple[str, ...]
    image_cache_size: int
    retention_days: int
    cluster: str
    image_pull_secrets: tuple[str, ...] | None
    created_wall: float
    created: float
    status: str = CREATING
    message: str | None = None
    in_use: bool = False
    build: BuildBehaviour = PLAIN_BUILD
    delete: DeleteBehaviour = PLAIN_DELETE
    refusals: int = 0
    reverts: int = 0
    deletions: int = 0
    # When retention ends, on the monotonic clock; None: never.
    expires: float | None = None
    # What is due next: (when, status or None for gone, message).
    due: Moment | None = None
    ticket: int = 0
    history: list[Moment] = dataclasses.field(default_factory=list)
    rendered: bytes | None = None

    def status_at(self, when: float) -> Moment | None:
        """What a reader saw at that time; None: nothing yet, or nothing any more."""
        seen = None
        for moment in self.history:
            if moment.at > when:
                break
            seen = moment
        return seen if seen is not None and seen.status is not None else None


class ProjectCaches:
    """The caches of one project, with what lists and quotas need kept up to date."""

    def __init__(self) -> None:
        self.by_id: dict[str, Cache] = {}
        self.by_name: dict[str, list[Cache]] = {}
        self.counts: Counter[str] = Counter()
        # Rises with every change: a rendered list is good as long as it stands.
        self.version = 0
        self.created_total = 0
        self.gone_total = 0
        self.gone: deque[Cache] = deque(maxlen=_GRAVEYARD)


class CacheStore:
    """All caches of all projects."""

    def __init__(self, clock: Clock, live: LiveSettings, projects: Iterable[str]) -> None:
        self._clock = clock
        self._live = live
        self.projects = {project: ProjectCaches() for project in projects}
        self._due: list[tuple[float, int, Cache]] = []
        self._tickets = itertools.count(1)

    def advance(self) -> None:
        """Apply everything that fell due."""
        now = self._clock.monotonic()
        while self._due and self._due[0][0] <= now:
            _, ticket, cache = heapq.heappop(self._due)
            if ticket == cache.ticket and cache.due is not None:
                self._enter(cache, cache.due)

    def find(self, cache_id: str) -> Cache | None:
        """A present cache, whatever its project."""
        return next((own.by_id[cache_id] for own in self.projects.values() if cache_id in own.by_id), None)

    def add(self, seed: CacheSeed, project: str) -> Cache:
        """Put a cache there, by POST or by other means."""
        now = self._clock.monotonic()
        cache = Cache(
            id=seed.id or str(uuid.uuid4()),
            project=project,
            name=seed.name,
            images=seed.images,
            image_cache_size=seed.image_cache_size,
            retention_days=seed.retention_days,
            cluster=seed.cluster,
            image_pull_secrets=seed.image_pull_secrets,
            created_wall=self._clock.wall() - seed.age_seconds,
            created=now - seed.age_seconds,
            status=seed.status,
            message=seed.message,
            in_use=seed.in_use,
            build=seed.build_behaviour,
            delete=seed.delete_behaviour,
        )
        if cache.retention_days and (self._live.now.switches.retention_from == "created" or seed.status != CREATING):
            cache.expires = cache.created + self._retention(cache)
        own = self.projects[project]
        own.by_id[cache.id] = cache
        own.by_name.setdefault(cache.name, []).append(cache)
        own.counts[cache.status] += 1
        own.created_total += 1
        own.version += 1
        cache.history.append(Moment(cache.created, cache.status, cache.message))
        self._schedule(cache, now)
        return cache

    def delete(self, cache: Cache) -> None:
        """Begin the deletion."""
        cache.deletions += 1
        self.set_status(cache, DELETING, None)

    def set_status(self, cache: Cache, status: str, message: str | None) -> None:
        """Enter a status now; what follows from it is scheduled."""
        self._enter(cache, Moment(self._clock.monotonic(), status, message))

    def vanish(self, cache: Cache) -> None:
        """Make it gone now."""
        self._enter(cache, Moment(self._clock.monotonic(), None, None))

    def reschedule(self, cache: Cache) -> None:
        """Work out anew what is due next, after its behaviour changed."""
        self._schedule(cache, self._clock.monotonic())
        self.touch(cache)

    def touch(self, cache: Cache) -> None:
        """Note that something shown has changed."""
        cache.rendered = None
        self.projects[cache.project].version += 1

    def touch_all(self) -> None:
        """Note that the way of showing has changed."""
        for own in self.projects.values():
            for cache in own.by_id.values():
                cache.rendered = None
            own.version += 1

    def take_refusal(self, cache: Cache) -> Refusal | None:
        """The refusal that is due for a DELETE now, counted as used."""
        refusal = cache.delete.refuse
        if refusal is None or (refusal.during and cache.status not in refusal.during):
            return None
        if refusal.times is not None and cache.refusals >= refusal.times:
            return None
        cache.refusals += 1
        return refusal

    def _enter(self, cache: Cache, moment: Moment) -> None:
        own = self.projects[cache.project]
        own.counts[cache.status] -= 1
        own.version += 1
        cache.history.append(moment)
        cache.rendered = None
        if moment.status is None:
            self._bury(own, cache)
            return
        if moment.status == AVAILABLE and cache.status == CREATING and cache.retention_days and cache.expires is None:
            cache.expires = moment.at + self._retention(cache)
        cache.status, cache.message = moment.status, moment.message
        own.counts[cache.status] += 1
        self._schedule(cache, moment.at)

    def _bury(self, own: ProjectCaches, cache: Cache) -> None:
        cache.ticket, cache.due = 0, None
        del own.by_id[cache.id]
        named = own.by_name[cache.name]
        named.remove(cache)
        if not named:
            del own.by_name[cache.name]
        own.gone_total += 1
        own.gone.append(cache)

    def _schedule(self, cache: Cache, since: float) -> None:
        cache.due, cache.ticket = self._next(cache, since), 0
        if cache.due is not None:
            cache.ticket = next(self._tickets)
            heapq.heappush(self._due, (cache.due.at, cache.ticket, cache))

    def _next(self, cache: Cache, since: float) -> Moment | None:
        """The transition map of section 2."""
        match cache.status:
            case "Creating":
                return self._build_end(cache, since)
            case "Deleting":
                return self._deletion_end(cache, since)
            case "Unavailable" if cache.expires is not None and cache.expires <= since:
                return Moment(since + self._live.now.real(self._live.now.timing.expired_seconds), DELETING, None)
            case _ if cache.expires is not None:
                return Moment(max(cache.expires, since), UNAVAILABLE, EXPIRED_MESSAGE)
            case _:
                return None

    def _build_end(self, cache: Cache, since: float) -> Moment | None:
        build, settings = cache.build, self._live.now
        if build.never:
            return None
        seconds = settings.timing.create_seconds if build.seconds is None else build.seconds
        failure = next(
            (settings.failing_images[name] for name in cache.images if name in settings.failing_images), None
        )
        outcome = build.outcome or (AVAILABLE if failure is None else FAILED)
        return Moment(since + settings.real(seconds), outcome, build.message or failure)

    def _deletion_end(self, cache: Cache, since: float) -> Moment | None:
        delete, settings = cache.delete, self._live.now
        revert = delete.revert
        if revert is not None and (revert.times is None or cache.reverts < revert.times):
            cache.reverts += 1
            return Moment(since + settings.real(revert.after), revert.to, revert.message)
        if delete.never:
            return None
        seconds = settings.timing.delete_seconds if delete.seconds is None else delete.seconds
        return Moment(since + settings.real(seconds), None, None)

    def _retention(self, cache: Cache) -> float:
        return self._live.now.real(cache.retention_days * DAY_SECONDS)
