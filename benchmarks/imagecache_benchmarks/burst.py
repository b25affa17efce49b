"""50 objects deleted at once: calls to cloud and API server, and the pace under the cloud's write limit."""

from __future__ import annotations

import random

from imagecache_benchmarks.bench import Bench
from imagecache_benchmarks.contender import SCALED, THE_OPERATOR, Contender
from imagecache_benchmarks.results import Row, percentile
from imagecache_benchmarks.traffic import delete_all

COUNT = 50
ACTIVE_INTERVAL = 1.0
DELETE_SECONDS = (3.0, 5.0)

PER_MINUTE = 10
TIME_SCALE = 10.0
WINDOW = 60.0 / TIME_SCALE
DICTATED = (COUNT / PER_MINUTE - 1) * WINDOW
"""Seconds that the limit alone takes: the first ten go at once, and each window lets ten more go."""


def burst(bench: Bench) -> None:
    """Without a limit: one LIST per interval, one GET per object, and as few writes as one by one."""
    lists: list[float] = []
    gets: list[float] = []
    writes: list[float] = []
    lags: list[float] = []
    with (
        bench.world("burst") as world,
        world.start(THE_OPERATOR, IMAGECACHE_ACTIVE_INTERVAL=str(ACTIVE_INTERVAL)) as operator,
        world.watch() as watch,
    ):
        for number in range(bench.runs):
            bench.say(f"burst: run {number + 1} of {bench.runs}, {COUNT} deletions at once, about 15 s")
            seconds = [random.uniform(*DELETE_SECONDS) for _ in range(COUNT)]  # noqa: S311 (no secret)
            caches = world.bind_all(f"run{number}", COUNT, behaviours=[{"seconds": each} for each in seconds])
            world.wait_held(COUNT, ready=True)
            operator.settle()
            world.cloud.control("DELETE", "calls")
            bench.audit.skip()
            begun = delete_all(world.cluster.plane, world.namespace, caches)
            ended = watch.wait_gone(caches, 60)
            calls = [call for call in world.cloud.calls() if begun <= call["monotonic"] <= ended]
            operations = [call["operation"] for call in calls]
            # As many as fit when the first comes at once and the others an interval apart.
            lists.append(operations.count("ListImageCaches") / (int((ended - begun) / ACTIVE_INTERVAL) + 1))
            gets.append(operations.count("ShowImageCache") / COUNT)
            writes.append(bench.audit.writes(world.namespace).total() / COUNT)
            sent = {name: found[0]["monotonic"] for name, found in world.deletes_of(caches).items()}
            lags += [watch.gone[name] - sent[name] - took for name, took in zip(caches, seconds, strict=True)]
    bench.rows += [
        Row(
            f"cloud gone to object gone, {COUNT} at once, interval {ACTIVE_INTERVAL:g} s, p99 of {len(lags)}",
            "s",
            [percentile(lags, 99)],
            most=ACTIVE_INTERVAL + 0.5,
        ),
        Row(f"writes to the API server per deletion, {COUNT} at once", "", writes, most=3, every=True),
        Row(f"LISTs per active interval, {COUNT} at once", "", lists, most=1, every=True),
        Row(f"GETs per object, {COUNT} at once", "", gets, most=1, every=True),
    ]


def limited(bench: Bench) -> None:
    """Under the cloud's limit, with the cloud's minute shortened for both: see `imagecache_benchmarks.scaled`."""
    operator = Contender("operator", (SCALED, str(WINDOW)), ready=True)
    ratios: list[float] = []
    refused: list[float] = []
    timing = {"time_scale": TIME_SCALE, "delete_seconds": 3}
    for number in range(bench.runs):
        bench.say(f"limited: run {number + 1} of {bench.runs}, {COUNT} deletions, {PER_MINUTE} per {WINDOW:g} s, 35 s")
        with (
            bench.world("limited", timing=timing, writes_per_minute=PER_MINUTE) as world,
            world.start(
                operator, IMAGECACHE_ACTIVE_INTERVAL="0.5", IMAGECACHE_WRITES_PER_MINUTE=str(PER_MINUTE)
            ) as running,
            world.watch() as watch,
        ):
            caches = world.bind_all("one", COUNT)
            world.wait_held(COUNT, ready=True)
            running.settle()
            begun = delete_all(world.cluster.plane, world.namespace, caches)
            ratios.append((watch.wait_gone(caches, 3 * DICTATED) - begun) / DICTATED)
            refused.append(sum(call["status"] == 429 for call in world.cloud.calls()))
    bench.rows += [
        Row(
            f"{COUNT} at once, {PER_MINUTE} writes a minute, time x{TIME_SCALE:g}: total by what the limit dictates",
            "",
            ratios,
            most=1.1,
        ),
        Row("429 among them", "", refused, most=0, every=True),
    ]
