"""One object that creates, a cloud in memory, and an operator that is killed: decide() in a loop, without any I/O.

The cloud loses answers, carries POSTs out late, shows what was true a while ago, fails to build and gives deletions up.
It keeps to what the design relies on: a POST is carried out within `LATE` seconds, a look is at most `STALE` seconds
old, and both together are less than the 120 seconds after which an absence counts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.decision.builders import CREATED, NOW, POLICY, US, body
from tests.decision.creating import CLUSTER, SPEC

from imagecache_operator.answers import Accepted, CreateAnswer, Created, DeleteAnswer, Gone, Lost, NotCreated, Refusal
from imagecache_operator.decide import decide
from imagecache_operator.decision import (
    AddFinalizer,
    Confirm,
    Crd,
    Facts,
    Outcome,
    Release,
    RequestCreation,
    RequestDeletion,
)
from imagecache_operator.desired import Desired, desired, spec_hash
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.looks import Got, Looks
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import Cache, CacheStatus, Observation
from imagecache_operator.placement import Defaults
from imagecache_operator.tracking import Tracked

TICK, LATE, STALE = 5.0, 60.0, 50.0


@dataclass
class Time:
    """The clock of everybody."""

    seconds: float = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds

    def now(self) -> datetime:
        """The same, as a time of day."""
        return NOW + timedelta(seconds=self.seconds)


@dataclass
class Cloud:
    """Caches by id; who made them; and what looks showed."""

    time: Time
    dice: random.Random
    caches: dict[str, Cache] = field(default_factory=dict)
    ours: set[str] = field(default_factory=set)
    ended: dict[str, float] = field(default_factory=dict)
    past: list[tuple[float, dict[str, Cache]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    count: int = 0

    def make(self, wanted: Desired, *, ours: bool) -> CreateAnswer:
        """Carry a POST out."""
        for cache in self.caches.values():
            if cache.name == wanted.name:
                if ours and cache.id in self.ours:
                    self.faults.append(f"POST while {cache.id} is there, {cache.status}")
                return NotCreated(Refusal.NAME_TAKEN, "exists")
        self.count += 1
        cache_id = f"{self.count:08d}-1a6e-4d3d-8fa8-2a36329c68d2"
        self.caches[cache_id] = Cache(
            cache_id,
            wanted.name,
            CacheStatus.CREATING,
            created_at=self.time.now(),
            images=wanted.images,
            size_gib=wanted.size_gib,
            cluster_id=wanted.cluster_id,
        )
        if ours:
            self.ours.add(cache_id)
        return Created(cache_id)

    def delete(self, cache_id: str) -> DeleteAnswer:
        """Carry a DELETE out."""
        cache = self.caches.get(cache_id)
        if (ended := self.ended.get(cache_id)) is not None and self.time.seconds - ended > STALE + 2 * TICK:
            self.faults.append(f"DELETE of {cache_id}, which is {cache.status if cache else 'gone'} already")
        if cache_id not in self.ours:
            self.faults.append(f"DELETE of {cache_id}, which is somebody else's")
        if cache is None:
            return Gone("gone")
        self.become(cache_id, CacheStatus.DELETING)
        return Accepted(self.time.now())

    def become(self, cache_id: str, status: CacheStatus) -> None:
        """Change the status of a cache."""
        self.ended.pop(cache_id, None)
        if status == CacheStatus.DELETING:
            self.ended[cache_id] = self.time.seconds
        self.caches[cache_id] = replace(self.caches[cache_id], status=status)

    def shown(self, *, stale: bool) -> dict[str, Cache]:
        """What a look shows."""
        self.past.append((self.time.seconds, dict(self.caches)))
        self.past = [(when, seen) for when, seen in self.past if when >= self.time.seconds - STALE]
        return self.dice.choice(self.past)[1] if stale else dict(self.caches)


class Simulation:
    """The object, the operator's memory, and the world around them; `step` is one tick of all."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.time = Time()
        self.cloud = Cloud(self.time, self.dice)
        self.spec: dict[str, Any] = SPEC | {"recreateOn": ["SpecChanged", "NotFound", "Failed"]}
        self.body = body(spec=self.spec, status={}, finalizers=[], created=CREATED)
        self.released: Outcome | None = None
        self.late: list[tuple[float, Desired]] = []
        self.log: list[str] = []
        self.posting: Desired | None = None
        self.deleting: str | None = None
        self.start()

    def start(self) -> None:
        """A new process: whatever was in flight is carried out late or not at all, and its answer is lost."""
        if self.posting is not None and self.dice.random() < 0.7:
            self.late.append((self._posted_until(), self.posting))
        if self.deleting is not None and self.dice.random() < 0.7:
            self.cloud.delete(self.deleting)
        self.posting = self.deleting = None
        self.looks = Looks(self.time)
        self.tracked = Tracked("uid-1", first_seen=self.time.seconds)
        self._notice()

    def _posted_until(self) -> float:
        creation = self.resource.status.creation
        assert creation is not None
        assert creation.requested_at is not None
        latest = (creation.requested_at - NOW).total_seconds() + LATE
        return self.dice.uniform(min(self.time.seconds, latest), latest)

    @property
    def resource(self) -> ImageCache:
        """The newest version."""
        return ImageCache.parse(self.body)

    def _notice(self) -> None:
        self.tracked.notice(self.resource, now=self.time.now(), monotonic=self.time.seconds)

    def edit(self, **changes: Any) -> None:
        """A person changes the spec."""
        self.spec |= changes
        self.body["spec"] = dict(self.spec)
        self.body["metadata"]["generation"] += 1
        self.log.append(f"edit {changes}")

    # --- the operator

    def observe(self, resource: ImageCache) -> Observation:
        """As the gatherer has it."""
        tracked, cache_id = self.tracked, resource.cache_id
        answered = tracked.write_answered
        if cache_id is not None:
            return self.looks.observe(cache_id, not_before=answered, proof_after=tracked.since)
        assert resource.cloud_name is not None
        return self.looks.observe_name(resource.cloud_name, not_before=tracked.first_look_after, strict=True)

    def reconcile(self, *, killed_at: int | None = None) -> bool:
        """One pass; whether another one should follow at once. `killed_at`: before the write, or before the call."""
        resource, tracked = self.resource, self.tracked
        observation = self.observe(resource)
        facts = Facts(
            identity=US,
            crd=Crd.ALIVE,
            slot_granted=True,
            answer=tracked.deletion.answer,
            in_flight=self.deleting is not None,
            desired=desired(resource, Defaults(cluster_id=CLUSTER)),
            default_cluster_id=CLUSTER,
            create_answer=tracked.creation.answer,
            creating=self.posting is not None,
            since_creation=tracked.since_creation(self.time.seconds),
            since_request=tracked.since_request(self.time.seconds),
            waiting=self.time.seconds - tracked.since,
        )
        decision = decide(resource, observation, facts, self.time.now(), POLICY)
        self.log.append(f"{self.time.seconds:.0f} {type(observation).__name__} {decision.action}")
        if killed_at == 0:
            self.start()
            return False
        match decision.action:
            case AddFinalizer():
                self.body["metadata"]["finalizers"] = [FINALIZER]
            case Release(outcome):
                self.released = outcome
                self.body["metadata"]["finalizers"] = []
                return False
            case Confirm(cache_id) if killed_at is None:
                found = self.cloud.shown(stale=False).get(cache_id)
                self.looks.got(cache_id, Got(self.time.seconds, US, found))
                return True
        changed = decision.status != resource.status
        if changed:
            self.body["status"] = decision.status.to_json()
            tracked.deletion.answer = tracked.creation.answer = None
            self._notice()
        self._tell_the_truth()
        if killed_at == 1:
            self.start()
            return False
        match decision.action:
            case RequestCreation(wanted):
                self.posting = wanted
            case RequestDeletion(cache_id):
                self.deleting = cache_id
                tracked.deletion.sent_at = self.time.seconds
        return changed

    def _tell_the_truth(self) -> None:
        resource = self.resource
        ready, creation = resource.status.condition("Ready"), resource.status.creation
        if ready is None or ready.status != "True" or resource.status.observed_generation != resource.generation:
            return
        if creation is None or creation.spec_hash != spec_hash(resource):
            self.cloud.faults.append(f"Ready for a spec of which it was not made: {ready.reason}")

    def settle(self) -> None:
        """Passes until nothing changes."""
        for _ in range(20):
            if self.released is not None or not self.reconcile():
                return
        self.cloud.faults.append("never settles")

    def look(self, *, stale: bool = False) -> None:
        """A LIST."""
        shown = self.cloud.shown(stale=stale)
        self.looks.listed(tuple(shown.values()), self.time.seconds, US, fresh=False)

    def answer(self, *, lost: bool = False, undone: bool = False) -> None:
        """The calls in flight end: carried out or not, their answers told or lost."""
        if self.posting is not None:
            told: CreateAnswer = Lost("cut")
            if not lost:
                told = self.cloud.make(self.posting, ours=True)
            elif not undone:
                self.late.append((self._posted_until(), self.posting))
            self.posting = None
            self.tracked.creation.end(told, self.time.seconds)
        if self.deleting is not None:
            heard: DeleteAnswer = Lost("cut")
            if not undone:
                done = self.cloud.delete(self.deleting)
                heard = heard if lost else done
            self.deleting = None
            self.tracked.deletion.end(heard, self.time.seconds)

    # --- the world

    def pass_time(self) -> None:
        """One tick; POSTs that are carried out late are."""
        self.time.seconds += TICK
        due = [wanted for when, wanted in self.late if when <= self.time.seconds]
        self.late = [(when, wanted) for when, wanted in self.late if when > self.time.seconds]
        for wanted in due:
            self.cloud.make(wanted, ours=True)

    def check(self) -> list[str]:
        """What is wrong by now: faults of the past, and a cache that was left behind."""
        left = self.cloud.ours & self.cloud.caches.keys()
        orphaned = self.released is not None and self.released is not Outcome.RETAINED and (left or self.late)
        return self.cloud.faults + ([f"left behind: {left or self.late}"] if orphaned else [])
