"""decide(): from what is and what is known to what to do. One entrance to the three tables.

And what brings an object back, beside the time that its row names: see `Decision`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from imagecache_operator.creation import CreationTable
from imagecache_operator.decision import Confirm, Decision, Facts, Policy
from imagecache_operator.deletion import DeletionTable
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.intent import recorded
from imagecache_operator.life import BindingTable
from imagecache_operator.observation import Absent, Awaited, Look, Observation, Present, Unknown, Unlisted
from imagecache_operator.removal import recorded_deletion


def decide(resource: ImageCache, observation: Observation, facts: Facts, now: datetime, policy: Policy) -> Decision:
    """Decide what to do with the object; pure, so the same arguments always give the same decision."""
    status = recorded_deletion(recorded(resource.status, facts), facts.answer)
    inputs = resource, facts, now, policy, status
    if resource.deleting:
        decision = DeletionTable(*inputs).decide(observation)
    elif resource.creates:
        decision = CreationTable(*inputs).decide(observation)
    else:
        decision = BindingTable(*inputs).decide(observation)
    times = [seconds for seconds in (decision.requeue_after, facts.write_opens_in) if seconds is not None]
    asked = resource.reconcile_requested is not None and not facts.reconcile_handled
    return replace(
        decision,
        requeue_after=min(times, default=None),
        awaits_list=asked or _awaits_list(decision, observation, facts),
        hurries_list=observation == Awaited(Look.LIST) and resource.wants_cache,
    )


def _awaits_list(decision: Decision, observation: Observation, facts: Facts) -> bool:
    """Whether the next LIST matters, also when it shows no change."""
    match observation:
        case Awaited() | Unknown():
            # Who confirms an absence is woken by its own GET.
            return not isinstance(decision.action, Confirm)
        case Present():
            # What LISTs do not have, none of them tells of: after each, a GET asks for it.
            return decision.in_motion and not facts.listed
        case Absent() | Unlisted():
            return False
        case _:
            assert_never(observation)
