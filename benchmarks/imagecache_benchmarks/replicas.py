"""Hand-overs between replicas: how soon the next one acts, and whether anything is lost or asked for twice."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable
from functools import partial

from imagecache_benchmarks.bench import Bench, World
from imagecache_benchmarks.results import Row, percentile
from imagecache_benchmarks.traffic import delete_all
from imagecache_playground.processes import wait_for
from imagecache_playground.replicas import KEYS, SCENARIO, Replica, offer_lease

HAND_OVERS = 20
"""Per run, so that five runs make a hundred."""

ALIVE = 6
"""Objects of each round; they are deleted while the replica that acts is told to stop."""

TERM_MOST = 2.0
KILL_MOST, KILL_MOST_EVER = 17.0, 20.0


class _Pair:
    """Two replicas; whoever goes is followed by a fresh one, with the same key."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._number = 0
        self.replicas = [self._start(number) for number in range(len(KEYS))]

    def _start(self, number: int) -> Replica:
        self._number += 1
        log = self.world.directory / f"replica-{self._number}.log"
        namespace = {"IMAGECACHE_NAMESPACES": self.world.namespace}
        return Replica(self.world.kubeconfig, self.world.cloud.endpoint, log, number, **namespace)

    def leader(self) -> int:
        """Which of them leads, as soon as one does."""
        wait_for(lambda: any(one.leads for one in self.replicas), what="one leads", seconds=40)
        return next(number for number, one in enumerate(self.replicas) if one.leads)

    def replace(self, number: int) -> None:
        """A fresh replica instead of one that is gone, and time for it to stand by."""
        fresh = self.replicas[number] = self._start(number)
        wait_for(lambda: "Using the access key" in fresh.program.said(), what="it stands by", seconds=20)
        time.sleep(0.3)

    def first_call(self, key: str, since: float) -> float | None:
        """When the cloud first heard from that key after a moment."""
        times = (call["monotonic"] for call in self.world.cloud.calls() if call["credential"] == key)
        return next((moment for moment in times if moment >= since), None)

    def hand_over(self, number: int, how: signal.Signals) -> float:
        """End the leader so; returns the seconds until the other one's first call."""
        other = self.replicas[1 - number]
        told = time.monotonic()
        self.replicas[number].program.signal(how)
        moment = wait_for(lambda: self.first_call(other.key, told), what="the next one acts", seconds=40)
        self.replicas[number].program.wait(10)
        return moment - told

    def close(self) -> None:
        """End both."""
        for replica in self.replicas:
            replica.program.stop()


def held(world: World, names: Iterable[str]) -> bool:
    """Whether all of these objects carry a finalizer; those of former rounds may go meanwhile."""
    objects = world.line.objects(world.namespace)
    return set(names) <= {one["metadata"]["name"] for one in objects if one["metadata"].get("finalizers")}


def replicas(bench: Bench) -> None:
    """Each run: twenty hand-overs by SIGTERM and two by SIGKILL, with deletions going on all the time."""
    terms: list[float] = []
    kills: list[float] = []
    wrong: list[float] = []
    offer_lease(bench.cluster)
    for run in range(bench.runs):
        bench.say(f"replicas: run {run + 1} of {bench.runs}, {HAND_OVERS} hand-overs and 2 kills, about a minute")
        dice = random.Random(run)  # noqa: S311 (a schedule)
        scenario = SCENARIO | {"timing": {"delete_seconds": 1.0}}
        with bench.world("replicas", **scenario) as world:
            pair = _Pair(world)
            try:
                caches: dict[str, str] = {}
                ends = [signal.SIGTERM] * HAND_OVERS + [signal.SIGKILL] * 2
                for number, how in enumerate(ends):
                    made = world.bind_all(f"r{number}", ALIVE)
                    caches |= made
                    leader = pair.leader()
                    wait_for(partial(held, world, tuple(made)), what="the new objects are held", seconds=60)
                    delete_all(world.cluster.plane, world.namespace, made)
                    time.sleep(dice.uniform(0.0, 0.3))  # the point at which it is told
                    took = pair.hand_over(leader, how)
                    (terms if how is signal.SIGTERM else kills).append(took)
                    pair.replace(leader)
                wait_for(lambda: not world.line.objects(world.namespace), what="all objects are gone", seconds=60)
                deletes = world.deletes_of(caches)
                again = sum(max(len(calls) - 1, 0) for calls in deletes.values())
                wrong.append(float(len(world.cloud.caches()) + again))
            finally:
                pair.close()
    bench.rows += [
        Row(
            f"SIGTERM to the next replica's first call ({len(terms)} hand-overs), at most", "s", [max(terms)], TERM_MOST
        ),
        Row("SIGKILL to the next replica's first call, p50", "s", [percentile(kills, 50)], KILL_MOST),
        Row(
            f"SIGKILL to the next replica's first call ({len(kills)} kills), at most", "s", [max(kills)], KILL_MOST_EVER
        ),
        Row("hand-overs under load: caches left, and DELETEs beside the first of each", "", wrong, most=0, every=True),
    ]
