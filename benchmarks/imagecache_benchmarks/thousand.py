"""1,000 objects deleted at once: the operator beside the least that could do it, and beside the usual kopf handlers."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from imagecache_benchmarks.bench import Bench
from imagecache_benchmarks.contender import (
    NAIVE_LOOKS,
    NAIVE_REMEMBERS,
    SAMPLED,
    THE_FLOOR,
    THE_OPERATOR,
    Contender,
)
from imagecache_benchmarks.results import Row
from imagecache_benchmarks.traffic import delete_all

COUNT = 1000
DELETE_SECONDS = 3.0
ABOUT = {THE_FLOOR.label: 12, THE_OPERATOR.label: 20, NAIVE_LOOKS.label: 110, NAIVE_REMEMBERS.label: 30}
"""Seconds, for people who wait."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one contender took. Times in seconds, CPU in milliseconds per object, memory in MiB.

    `starved` is how long it was ready to run and had no processor: on a machine with other work it makes totals of
    programs that use more CPU longer out of proportion.
    """

    total: float
    cpu: float
    starved: float
    peak: float
    not_once: int
    left: int
    writes: float


def thousand(bench: Bench) -> None:
    """Each run has all of them, in turns in another order, because ratios within a run are what counts."""
    order = [THE_FLOOR, THE_OPERATOR, NAIVE_LOOKS, NAIVE_REMEMBERS]
    scores: dict[str, list[Score]] = {contender.label: [] for contender in order}
    for number in range(bench.runs):
        for contender in order if number % 2 == 0 else reversed(order):
            bench.say(
                f"thousand: run {number + 1} of {bench.runs}, {COUNT} deletions by {contender.label}, "
                f"about {ABOUT[contender.label]} s"
            )
            score = measure(bench, contender)
            scores[contender.label].append(score)
            bench.say(
                f"  {score.total:.1f} s, {score.cpu:.1f} ms CPU each, {score.peak:.0f} MiB, "
                f"{score.starved:.1f} s without a processor"
            )
    ours = scores[THE_OPERATOR.label]
    bench.rows += _rows(ours, scores[THE_FLOOR.label])
    for naive in (NAIVE_LOOKS, NAIVE_REMEMBERS):
        bench.rows += _beside(naive, ours, scores[naive.label])
    bench.notes.append(
        "Either naive handler takes about 15 s, or several times as long: kopf waits 5 s for the event of its own "
        "patch, and a loop that is busier than that runs handlers again for objects that are gone."
    )
    bench.say(f"thousand: once more by the operator, sampled, about {ABOUT[THE_OPERATOR.label]} s")
    profile(bench)


def measure(bench: Bench, contender: Contender, *, sampled: bool = False) -> Score:
    """Bind, wait until all is quiet, delete all at once, wait until all are gone."""
    with (
        bench.world("thousand", timing={"delete_seconds": DELETE_SECONDS}, token_length=256) as world,
        world.start(contender, IMAGECACHE_ACTIVE_INTERVAL="1") as running,
    ):
        caches = world.bind_all("one", COUNT, finalizer=contender.finalizer)
        world.wait_held(COUNT, ready=contender.ready)
        running.settle()
        bench.audit.skip()
        with world.watch() as watch:
            time.sleep(0.5)
            if sampled:
                running.program.signal(signal.SIGUSR1)
            before, starved = running.cpu_seconds(), running.starved_seconds()
            begun = delete_all(world.cluster.plane, world.namespace, caches)
            total = watch.wait_gone(caches, 300) - begun
            cpu = running.cpu_seconds() - before
            starved = running.starved_seconds() - starved
        not_once = sum(len(calls) != 1 for calls in world.deletes_of(caches).values())
        left = len(world.line.objects(world.namespace)) + len(world.cloud.caches())
        writes = bench.audit.writes(world.namespace)
        return Score(total, cpu * 1000 / COUNT, starved, running.peak_mib(), not_once, left, writes.total() / COUNT)


def profile(bench: Bench) -> None:
    """Where the operator's time goes, from samples of its stack every few milliseconds of processor time."""
    path = bench.directory / "samples.json"
    score = measure(bench, Contender("operator", (SAMPLED, str(path)), ready=True), sampled=True)
    samples = json.loads(Path(path).read_text(encoding="utf-8"))
    shares: dict[str, int] = samples["shares"]
    total = sum(shares.values())
    for what, count in sorted(shares.items(), key=lambda item: -item[1]):
        bench.rows.append(Row(f"CPU per object, of it {what}", "ms", [round(score.cpu * count / total, 2)]))
    bench.notes.append(
        f"Where the CPU time goes: one run of its own ({score.cpu:.1f} ms per object), {total} samples, one per "
        f"{samples['interval'] * 1000:g} ms of CPU time (SIGPROF); a sample counts for the innermost frame of a named "
        "package, so JSON or pydantic called by us are ours, and aiohttp called by httpx is httpx."
    )
    for line, count in samples["hot"]:
        bench.notes.append(f"  {score.cpu * count / total:5.2f} ms  {line}")


def _rows(ours: list[Score], floor: list[Score]) -> list[Row]:
    what = f"{COUNT} at once"
    by_floor = [one.total / other.total for one, other in zip(ours, floor, strict=True)]
    not_once = [float(score.not_once) for score in ours]
    left = [float(score.left) for score in ours]
    return [
        Row(f"{what}: operator, total", "s", [score.total for score in ours]),
        Row(f"{what}: floor, total", "s", [score.total for score in floor]),
        Row(f"{what}: operator, of it without a processor", "s", [score.starved for score in ours]),
        Row(f"{what}: operator by floor, total", "", by_floor, most=1.5),
        Row(f"{what}: operator, CPU per object", "ms", [score.cpu for score in ours], most=7),
        Row(f"{what}: floor, CPU per object", "ms", [score.cpu for score in floor]),
        Row(f"{what}: operator, peak memory", "MiB", [score.peak for score in ours], most=110),
        Row(f"{what}: operator, writes to the API server per object", "", [score.writes for score in ours], most=3),
        Row(f"{what}: operator, caches without exactly one DELETE", "", not_once, most=0, every=True),
        Row(f"{what}: operator, objects and caches left", "", left, most=0, every=True),
    ]


def _beside(naive: Contender, ours: list[Score], theirs: list[Score]) -> list[Row]:
    what, label = f"{COUNT} at once", naive.label
    total = [other.total / one.total for one, other in zip(ours, theirs, strict=True)]
    cpu = [other.cpu / one.cpu for one, other in zip(ours, theirs, strict=True)]
    return [
        Row(f"{what}: {label}, total", "s", [score.total for score in theirs]),
        Row(f"{what}: {label}, CPU per object", "ms", [score.cpu for score in theirs]),
        Row(f"{what}: {label}, by operator, total", "", total, least=3),
        Row(f"{what}: {label}, by operator, CPU", "", cpu, least=4),
    ]
