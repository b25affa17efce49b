"""What the rows of an object that creates share: the look itself, and how to show what it found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from imagecache_operator import life
from imagecache_operator.conditions import READY, Reason, Verdict
from imagecache_operator.decision import (
    PATIENCE,
    Action,
    Decision,
    Facts,
    Policy,
)
from imagecache_operator.desired import spec_hash
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import (
    Cache,
    Look,
    Trouble,
)
from imagecache_operator.spec import RecreateOn
from imagecache_operator.status import ImageCacheStatus


@dataclass(frozen=True, slots=True)
class Keeping:
    """One look at an object that creates and lives; what is built on it are the rows.

    Attributes:
        resource: the object.
        facts: beside it.
        now: the time.
        policy: settings.
        status: the object's, with what was just answered in it.
    """

    resource: ImageCache
    facts: Facts
    now: datetime
    policy: Policy
    status: ImageCacheStatus

    def show(
        self,
        verdict: Verdict,
        *,
        status: ImageCacheStatus | None = None,
        action: Action | None = None,
        in_motion: bool = False,
        again: float | None = None,
    ) -> Decision:
        """Show a verdict, and do no more unless an action is given; `again`: seconds until the next look."""
        status = self.status if status is None else status
        return life.show(
            self.resource,
            self.facts,
            self.now,
            verdict,
            status=status,
            action=action,
            in_motion=in_motion,
            requeue_after=again,
        )

    def unknown(self, trouble: Trouble) -> Decision:
        """Show that the cloud could not be looked at."""
        # With the answers in it: they are forgotten when the status is written.
        resource = replace(self.resource, status=self.status)
        return life.unknown(resource, self.facts, self.now, self.policy, trouble)

    def awaited(self, look: Look) -> Decision:
        """Wait for a look."""
        # Where nothing is written while a look is awaited, the answers stay in memory, and are written with the look.
        told = self.resource.status.condition(READY) is None and self.facts.waiting >= PATIENCE
        resource = replace(self.resource, status=self.status) if told else self.resource
        return life.awaited(resource, self.facts, self.now, look)

    def show_cache(self, cache: Cache, status: ImageCacheStatus) -> Decision:
        """Show a cache that is there, unless it was made of another spec."""
        if self.as_specified(status):
            return life.show_cache(self.resource, cache, self.facts, self.now, self.policy, status)
        if RecreateOn.SPEC_CHANGED in (self.resource.spec.recreate_on or ()) and not self.resource.spec.observe_only:
            message = f"Cache {cache.id} was made of the former spec, and is replaced."
            return self.show(Verdict(Reason.RECREATING, message), status=status, in_motion=True, again=0.0)
        allow = f"add {RecreateOn.SPEC_CHANGED} to spec.recreateOn"
        if self.resource.spec.observe_only:
            allow = f"set spec.managementPolicy to Manage, with {RecreateOn.SPEC_CHANGED} in spec.recreateOn,"
        message = f"Cache {cache.id} was made of another spec: put spec back, or {allow} to have it replaced."
        return self.show(Verdict(Reason.CONFLICT, message), status=status)

    def as_specified(self, status: ImageCacheStatus) -> bool:
        """Whether the cache was made of the spec as it is now."""
        return status.creation is None or status.creation.spec_hash == spec_hash(self.resource)
