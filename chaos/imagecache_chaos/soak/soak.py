"""The soak itself: storms and load for hours of scaled time, then calm, then everything is deleted and judged."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from imagecache_benchmarks.results import Row
from imagecache_chaos.soak.crew import Crew
from imagecache_chaos.soak.load import Load
from imagecache_chaos.soak.memory import Sample, memory_of, sample
from imagecache_chaos.soak.storms import ApiServerStorm, CloudStorm, KeyStorm, ReplicaStorm
from imagecache_chaos.soak.verdict import verdict
from imagecache_chaos.soak.world import World, close_the_gap
from imagecache_playground.cluster import Cluster

PATIENCE = 1800.0
"""Seconds of the operator's time in which all must be well when the storms are over; and gone when it was deleted."""

MEMORY_MOST = 5.0
JUDGED_QUARTER = 120.0
"""Seconds of a quarter below which memory is told, and not judged: it has not settled by then."""

LOAD_PAUSE, CLOUD_PAUSE, KEY_PAUSE = (0.4, 1.2), (0.5, 2.5), (30.0, 60.0)
API_SERVER_PAUSE, REPLICA_PAUSE = (15.0, 35.0), (5.0, 12.0)
"""Seconds, not scaled, between two deeds."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast: hours of the operator's time, and by which factor that is shortened."""

    hours: float = 2.0
    factor: float = 12.0
    seed: int = 1
    trace: bool = False

    @property
    def seconds(self) -> float:
        """How long the storms last in truth."""
        return self.scaled(self.hours * 3600)

    def scaled(self, seconds: float) -> float:
        """How long so many seconds of the operator's time last in truth."""
        return seconds / self.factor


@dataclass
class Outcome:
    """What came of it."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Place:
    """A world, what is done in it, and how it ends."""

    world: World
    load: Load
    storm: CloudStorm
    keys: KeyStorm
    stuck: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def soak(plan: Plan, cluster: Cluster, directory: Path, say: Callable[[str], None]) -> Outcome:
    """Carry it out. In one world the operator is never restarted; in the other, two replicas are, all the time."""
    close_the_gap(cluster)
    with contextlib.ExitStack() as stack:
        places = []
        for name, replicas in (("steady", 1), ("restless", 2)):
            trace = directory / f"{name}.trace" if plan.trace and replicas == 1 else None
            world = stack.enter_context(
                World(cluster, f"soak-{name}", directory / name, plan.factor, replicas=replicas, trace=trace)
            )
            places.append(_Place(world, Load(world), CloudStorm(world), KeyStorm(world)))
        steady, restless = places
        [alone] = steady.world.replicas
        samples = [sample(alone.program.pid)]
        api_server, deaths = ApiServerStorm(cluster.plane), ReplicaStorm(restless.world)
        say(f"Storms for {plan.seconds:.0f} s, which are {plan.hours:g} h at {plan.factor:g} times the speed")
        with Crew(plan.seed) as crew:
            for place in places:
                name = place.world.namespace
                crew.every(LOAD_PAUSE, f"{name} load", place.load.act)
                crew.every(CLOUD_PAUSE, f"{name} cloud", place.storm.act)
                crew.every(KEY_PAUSE, f"{name} keys", place.keys.act)
                crew.every((0.5, 0.5), f"{name} notes", place.world.look)
            crew.every(API_SERVER_PAUSE, "API server", api_server.act)
            crew.every(REPLICA_PAUSE, "replicas", deaths.act)
            crew.every((2.0, 2.0), "memory", lambda _dice: samples.append(sample(alone.program.pid)))
            for quarter in range(1, 5):
                crew.wait(plan.seconds / 4)
                now = samples[-1]
                say(f"  quarter {quarter}: {now.resident_mib:.1f} MiB, {now.files} open files; {_far(places)}")
                if plan.trace and quarter in {1, 4}:
                    alone.program.signal(signal.SIGUSR2)
            crew.end()
        for place in places:
            _end(place, plan.scaled(PATIENCE), say)
        last = sample(alone.program.pid)
        outcome = Outcome(_rows(places, samples, judged=plan.seconds / 4 >= JUDGED_QUARTER))
        outcome.notes += [
            f"API server: {_told(api_server.told)}",
            f"replicas: {_told(deaths.told)}",
            f"Secrets rotated: {sum(place.keys.rotations for place in places)}",
            *(f"faults, {place.world.namespace}: {_told(place.storm.told)}" for place in places),
            f"terms of the operator that is never restarted: {alone.terms}",
            f"its open files at most: {max(each.files for each in samples)}",
            f"its memory by twentieths, MiB: {' '.join(f'{each:.1f}' for each in memory_of(samples).windows)}",
            f"its memory when all is deleted, MiB: {last.resident_mib:.1f}",
            *(f"{place.world.namespace}: {line}" for place in places for line in place.complaints),
        ]
        return outcome


def _far(places: list[_Place]) -> str:
    return ", ".join(f"{place.load.deeds} deeds in {place.world.namespace}" for place in places)


def _told(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counter.most_common()) or "nothing"


def _end(place: _Place, patience: float, say: Callable[[str], None]) -> None:
    """Calm; everything is well; everything is deleted; nothing is left. What does not end in time is stuck."""
    say(f"  {place.world.namespace}: calm, then {len(place.load.living)} objects are deleted")
    place.world.cloud.clear_faults()
    place.load.calm()
    place.stuck += _until_none(place.load.unsound, patience)
    for item in list(place.load.living.values()):
        place.load.delete(item)
    place.stuck += _until_none(place.load.unsound, patience)


def _until_none(look: Callable[[], list[str]], seconds: float) -> list[str]:
    deadline = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _rows(places: list[_Place], samples: list[Sample], *, judged: bool) -> list[Row]:
    items = [item for place in places for item in place.load.items.values()]
    made = sum(item.makes for item in items)
    rows = [
        Row("objects that created caches", "", [float(made)]),
        Row("objects that were bound to caches", "", [float(len(items) - made)]),
        Row("changes that replace a cache", "", [float(sum(max(item.wanted - 1, 0) for item in items))]),
    ]
    for place in places:
        where = place.world.namespace
        left = place.world.note_caches()
        calls = place.world.cloud.calls()
        (place.world.directory / "calls.json").write_text("\n".join(map(json.dumps, calls)), encoding="utf-8")
        orphans = [cache_id for cache_id in left if cache_id not in place.load.kept]
        judgement = verdict(calls, place.world.known, place.load.wanted, orphans)
        figures = {
            "orphans": judgement.orphans,
            "twins": judgement.twins,
            "double DELETEs": judgement.doubles,
            "caches lost that were to be retained": len(place.load.kept - set(left)),
            "stuck objects": len(place.stuck),
        }
        place.complaints += [*place.stuck, *judgement.faults]
        rows.append(Row(f"{where}: calls to the cloud", "", [float(len(calls))]))
        rows.append(Row(f"{where}: caches retained", "", [float(len(place.load.kept))]))
        rows += [Row(f"{where}: {what}", "", [float(count)], most=0) for what, count in figures.items()]
    memory = memory_of(samples)
    rows.append(Row("memory after the first quarter, lowest window", "MiB", [min(memory.settled)]))
    rows.append(Row("memory after the first quarter, highest window", "MiB", [max(memory.settled)]))
    rows.append(Row("memory, spread of these windows", "%", [memory.spread], most=MEMORY_MOST if judged else None))
    return rows
