"""Kubernetes Events: few per second, the oldest dropped, and never in the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.decision.builders import resource
from tests.runtime.fakes import FakeKubernetes, unreachable
from tests.runtime.virtual_time import LoopClock, pass_time, settle

from imagecache_operator.decision import Note
from imagecache_operator.events import (
    BURST,
    KEPT_MAX,
    MESSAGE_MAX,
    PER_SECOND,
    SAME_BURST,
    SAME_INTERVAL,
    SAME_KEPT_MAX,
    Events,
)
from imagecache_operator.kubernetes_client import ConflictError, KubernetesError, NotFoundError

NOTE = Note("Deleted", "It is gone.")


class Kit:
    """Events, and the API server that takes them."""

    def __init__(self, clock: LoopClock) -> None:
        self.kubernetes = FakeKubernetes()
        self.events = Events(self.kubernetes, clock)

    def post(self, count: int = 1, note: Note = NOTE, **changes: Any) -> None:
        """Post one note, or a number of them, each of an object of its own, numbered in their message."""
        if count == 1:
            self.events.post(resource(**changes), note)
        for number in range(count if count > 1 else 0):
            self.events.post(resource(uid=f"uid-{number}", **changes), Note("Deleted", str(number)))

    def say(self, reason: str, times: int = 1) -> None:
        """Post that of one object, again and again."""
        for _ in range(times):
            self.post(note=Note(reason, "Again."))

    @property
    def reasons(self) -> Counter[str]:
        """How often each reason was told."""
        return Counter(event["reason"] for event in self.kubernetes.events)

    @property
    def messages(self) -> list[str]:
        """What was created, in order."""
        return [event["message"] for event in self.kubernetes.events]


@pytest.fixture
async def kit(clock: LoopClock) -> AsyncIterator[Kit]:
    """Events that are being posted."""
    made = Kit(clock)
    running = asyncio.create_task(made.events.run())
    yield made
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def test_an_event(kit: Kit) -> None:
    """What `kubectl describe` needs to show it with its object."""
    kit.post(note=Note("NeverSeen", "Is the id right?", warning=True), name="web", namespace="team-a", uid="u-7")
    await settle()
    [event] = kit.kubernetes.events
    assert event["metadata"]["namespace"] == "team-a"
    assert event["metadata"]["name"].startswith("web.")
    assert event["involvedObject"] == {
        "apiVersion": "cce.huaweicloud.com/v1alpha1",
        "kind": "ImageCache",
        "namespace": "team-a",
        "name": "web",
        "uid": "u-7",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "NeverSeen", "Is the id right?")
    assert (event["count"], event["source"]) == (1, {"component": "imagecache-operator"})
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-03-01T12:00:00Z"


async def test_a_note_that_is_no_warning_is_normal(kit: Kit) -> None:
    """The two types that Kubernetes has."""
    kit.post()
    await settle()
    assert kit.kubernetes.events[0]["type"] == "Normal"


async def test_names_of_events_never_collide(kit: Kit) -> None:
    """Also in one moment, for one object."""
    kit.say("Deleted", 20)
    await settle()
    assert len({event["metadata"]["name"] for event in kit.kubernetes.events}) == 20


@pytest.mark.parametrize("name", ["x" * 253, "x" * 199 + "-" + "y" * 53, "x" * 199 + "." + "y" * 53])
async def test_names_fit(kit: Kit, name: str) -> None:
    """Kubernetes takes DNS subdomains of at most 253 characters: no label may end with a hyphen or be empty."""
    kit.post(name=name)
    await settle()
    made = kit.kubernetes.events[0]["metadata"]["name"]
    assert len(made) <= 253
    for label in made.split("."):
        assert label.strip("-") == label != ""


async def test_long_messages_are_cut(kit: Kit) -> None:
    """To what the API server accepts."""
    kit.post(note=Note("Deleted", "x" * 5000))
    await settle()
    assert len(kit.messages[0]) == MESSAGE_MAX == 1024


async def test_a_burst_and_then_few_per_second(kit: Kit) -> None:
    """A thousand deletions at once must not slow the API server down."""
    kit.post(100)
    await settle()
    assert len(kit.messages) == BURST == 25
    await pass_time(1)
    assert len(kit.messages) == pytest.approx(BURST + PER_SECOND, abs=1)
    await pass_time(10)
    assert kit.messages == [str(number) for number in range(100)]


async def test_a_quiet_time_refills_the_burst_and_no_more(kit: Kit) -> None:
    """An hour of quiet does not allow 36,000 at once."""
    kit.post(60)
    await pass_time(3600)
    kit.kubernetes.events.clear()
    kit.post(60)
    await settle()
    assert len(kit.messages) == BURST


async def test_the_oldest_are_dropped(kit: Kit) -> None:
    """What happened last matters most; the memory is bounded."""
    kit.post(KEPT_MAX + 200)
    await pass_time(300)
    assert kit.messages == [str(number) for number in range(200, KEPT_MAX + 200)]


async def test_a_state_that_flutters_is_told_a_few_times(kit: Kit) -> None:
    """A day long each 5 s: a burst, then one in five minutes; so etcd does not fill up."""
    for _ in range(24 * 3600 // 5):
        kit.say("Throttled")
        await pass_time(5)
    assert kit.reasons["Throttled"] == pytest.approx(SAME_BURST + 24 * 3600 / SAME_INTERVAL, abs=1)


async def test_what_flutters_silences_nothing_else(kit: Kit) -> None:
    """Other reasons of the object, the same reason of others, and the same again after a quiet time, are told."""
    kit.say("Throttled", 100)
    kit.say("Deleted")
    kit.post(note=Note("Throttled", "Another one."), uid="uid-other")
    await pass_time(60)
    assert kit.reasons == {"Throttled": SAME_BURST + 1, "Deleted": 1}
    await pass_time(SAME_BURST * SAME_INTERVAL)
    kit.say("Throttled", 100)
    await pass_time(60)
    assert kit.reasons["Throttled"] == 2 * SAME_BURST + 1


async def test_what_is_remembered_of_objects_is_bounded(kit: Kit) -> None:
    """Objects come and go for months; those that had something to say last are remembered."""
    kit.say("Throttled", SAME_BURST)
    kit.post(SAME_KEPT_MAX - 1)
    kit.say("Throttled")
    kit.post(uid="uid-new")
    kit.kubernetes.events.clear()
    kit.say("Throttled")
    await pass_time(300)
    assert kit.reasons["Throttled"] == 0
    kit.post(SAME_KEPT_MAX)
    assert len(kit.events._said) == SAME_KEPT_MAX
    kit.say("Throttled")
    await pass_time(300)
    assert kit.reasons["Throttled"] == 1
    await pass_time(SAME_BURST * SAME_INTERVAL)
    kit.post(1)
    assert len(kit.events._said) == 1


@pytest.mark.parametrize(
    "error",
    [
        unreachable(),
        KubernetesError("the namespace is terminating", 403),
        NotFoundError("no such namespace", 404),
        ConflictError("it exists", 409),
    ],
    ids=["unreachable", "terminating", "not found", "conflict"],
)
async def test_errors_never_escape(kit: Kit, error: KubernetesError) -> None:
    """The Event is dropped, the next one goes out."""
    kit.kubernetes.fail("create_event", error)
    kit.post(2)
    await settle()
    assert kit.messages == ["1"]
    assert kit.kubernetes.calls["create_event"] == 2


async def test_posting_returns_at_once_though_the_api_server_hangs(kit: Kit) -> None:
    """One at a time is on its way, and nobody waits for it."""
    hold = kit.kubernetes.holds["create_event"] = asyncio.Event()
    kit.post(10)
    await pass_time(60)
    assert kit.kubernetes.calls["create_event"] == 1
    hold.set()
    await settle()
    assert len(kit.messages) == 10


async def test_last_words(clock: LoopClock) -> None:
    """At the end all that waits goes out, without the limit, in order, and as long as it may take."""
    kit = Kit(clock)
    kit.post(100)
    await kit.events.flush(0.3)
    assert kit.messages == [str(number) for number in range(100)]
    kit.kubernetes.holds["create_event"] = asyncio.Event()
    kit.post(3)
    before = clock.monotonic()
    await kit.events.flush(0.3)
    assert clock.monotonic() - before == pytest.approx(0.3)
    await kit.events.flush(0.0)
    assert len(kit.messages) == 100
