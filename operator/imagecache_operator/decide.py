"""decide(): from what is and what is known to what to do. One entrance to the three tables."""

from __future__ import annotations

from datetime import datetime

from imagecache_operator.creation import keep
from imagecache_operator.decision import Decision, Facts, Policy
from imagecache_operator.deletion import finalize
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.life import follow
from imagecache_operator.observation import Observation


def decide(resource: ImageCache, observation: Observation, facts: Facts, now: datetime, policy: Policy) -> Decision:
    """Decide what to do with the object; pure, so the same arguments always give the same decision."""
    if resource.deleting:
        return finalize(resource, observation, facts, now, policy)
    table = keep if resource.creates else follow
    return table(resource, observation, facts, now, policy)
