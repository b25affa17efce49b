"""1,000 objects deleted at once: the operator beside the least that could do it, and beside the usual kopf handler."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from imagecache_benchmarks.bench import Bench
from imagecache_benchmarks.contender import SAMPLED, THE_FLOOR, THE_NAIVE, THE_OPERATOR, Contender
from imagecache_benchmarks.results import Row
from imagecache_benchmarks.traffic import delete_all

COUNT = 1000
DELETE_SECONDS = 3.0
ABOUT = {"floor": 20, "operator": 35, "naive kopf": 90}
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
    """Each run has all three, in turns in another order, because ratios within a run are what counts."""
    scores: dict[str, list[Score]] = {"floor": [], "operator": [], "naive kopf": []}
    for number in range(bench.runs):
        order = [THE_FLOOR, THE_OPERATOR, THE_NAIVE]
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
    bench.rows += _rows(scores["operator"], scores["floor"], scores["naive kopf"])
    bench.say(f"thousand: once more by the operator, sampled, about {ABOUT['operator']} s")
    profile(bench)


def measure(bench: Bench, contender: Contender, *, sampled: bool = False) -> Score:
    """Bind, wait until all is quiet, delete all at once, wait until all are gone."""
    with (
        bench.world("thousand", timing={"delete_seconds": DELETE_SECONDS}, token_length=256) as world,
        world.start(contender, IMAGECACHE_ACTIVE_INTERVAL="1") as running,
    ):
        caches = world.bind_all("one", COUNT, finalizer=contender.finalizer)
        world.wait_held(COUNT, ready=contender is not THE_FLOOR and contender is not THE_NAIVE)
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
    score = measure(bench, Contender("operator", (SAMPLED, str(path))), sampled=True)
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


def _rows(ours: list[Score], floor: list[Score], naive: list[Score]) -> list[Row]:
    what = f"{COUNT} at once"
    return [
        Row(f"{what}: operator, total", "s", [score.total for score in ours]),
        Row(f"{what}: floor, total", "s", [score.total for score in floor]),
        Row(f"{what}: naive kopf, total", "s", [score.total for score in naive]),
        Row(f"{what}: operator, of it without a processor", "s", [score.starved for score in ours]),
        Row(
            f"{what}: operator by floor, total",
            "",
            [one.total / other.total for one, other in zip(ours, floor, strict=True)],
            most=1.5,
        ),
        Row(f"{what}: operator, CPU per object", "ms", [score.cpu for score in ours], most=7),
        Row(f"{what}: floor, CPU per object", "ms", [score.cpu for score in floor]),
        Row(f"{what}: naive kopf, CPU per object", "ms", [score.cpu for score in naive]),
        Row(f"{what}: operator, peak memory", "MiB", [score.peak for score in ours], most=110),
        Row(f"{what}: operator, writes to the API server per object", "", [score.writes for score in ours], most=3),
        Row(
            f"{what}: operator, caches without exactly one DELETE",
            "",
            [float(score.not_once) for score in ours],
            most=0,
            every=True,
        ),
        Row(
            f"{what}: operator, objects and caches left", "", [float(score.left) for score in ours], most=0, every=True
        ),
        Row(
            f"{what}: naive kopf by operator, total",
            "",
            [other.total / one.total for one, other in zip(ours, naive, strict=True)],
            least=3,
        ),
        Row(
            f"{what}: naive kopf by operator, CPU",
            "",
            [other.cpu / one.cpu for one, other in zip(ours, naive, strict=True)],
            least=4,
        ),
    ]
