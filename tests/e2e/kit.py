"""What several modules of this folder ask of a cluster."""

from __future__ import annotations

from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings


def event_reasons(world: Surroundings, name: str = "web") -> list[str]:
    """The reasons of an object's Events."""
    return [str(event["reason"]) for event in world.cluster.events(world.namespace, name)]


def wait_event(world: Surroundings, wanted: str, name: str = "web") -> str:
    """Wait for an Event; returns its message."""

    def look() -> str | None:
        events = world.cluster.events(world.namespace, name)
        return next((str(event["message"]) for event in events if event["reason"] == wanted), None)

    return wait_for(look, what=f"event {wanted}", seconds=10, stand=lambda: event_reasons(world, name))
