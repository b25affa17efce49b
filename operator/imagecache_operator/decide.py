"""decide(): from what is and what is known to what to do. One entrance to the three tables."""

from __future__ import annotations

from datetime import datetime

from imagecache_operator.creation import CreationTable
from imagecache_operator.decision import Decision, Facts, Policy
from imagecache_operator.deletion import DeletionTable
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.intent import recorded
from imagecache_operator.life import BindingTable
from imagecache_operator.observation import Observation
from imagecache_operator.removal import recorded_deletion


def decide(resource: ImageCache, observation: Observation, facts: Facts, now: datetime, policy: Policy) -> Decision:
    """Decide what to do with the object; pure, so the same arguments always give the same decision."""
    status = recorded_deletion(recorded(resource.status, facts), facts.answer)
    inputs = resource, facts, now, policy, status
    if resource.deleting:
        return DeletionTable(*inputs).decide(observation)
    if resource.creates:
        return CreationTable(*inputs).decide(observation)
    return BindingTable(*inputs).decide(observation)
