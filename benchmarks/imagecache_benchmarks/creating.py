"""Creations: how soon the cloud is asked, how soon the object is Ready, what it costs, the pace under the limit."""

from __future__ import annotations

import time

from imagecache_benchmarks.bench import Bench, World
from imagecache_benchmarks.burst import ACTIVE_INTERVAL, COUNT, DICTATED, PER_MINUTE, TIME_SCALE, WINDOW
from imagecache_benchmarks.contender import SCALED, THE_OPERATOR, Contender
from imagecache_benchmarks.results import Row, percentile
from imagecache_benchmarks.traffic import create_objects
from imagecache_playground.cloud import BUILDER
from imagecache_playground.cluster import condition
from imagecache_playground.processes import wait_for

PER_RUN = 20
CREATE_SECONDS = 0.5


def creating(bench: Bench) -> None:
    """One after another, each begun when the one before is Ready."""
    reached: list[list[float]] = []
    lags: list[list[float]] = []
    writes: list[float] = []
    settings = {"IMAGECACHE_ACTIVE_INTERVAL": str(ACTIVE_INTERVAL), "IMAGECACHE_CLUSTER_ID": BUILDER}
    with (
        bench.world("creating", timing={"create_seconds": CREATE_SECONDS}) as world,
        world.start(THE_OPERATOR, wait=True, **settings) as operator,
    ):
        # Once beforehand: the first object of all opens the account.
        _create(world, "first")
        for number in range(bench.runs):
            bench.say(f"creating: run {number + 1} of {bench.runs}, {PER_RUN} creations one after another, about 35 s")
            operator.settle()
            bench.audit.skip()
            asked, ready = {}, {}
            for each in range(PER_RUN):
                name = f"run{number}-{each}"
                asked[name], ready[name] = _create(world, name)
            # One after another, so the newest are those of this run, in order.
            sent = [call["monotonic"] for call in world.cloud.calls("CreateImageCache")[-PER_RUN:]]
            posts = dict(zip(asked, sent, strict=True))
            reached.append([(posts[name] - asked[name]) * 1000 for name in asked])
            lags.append([ready[name] - posts[name] - CREATE_SECONDS for name in asked])
            writes.append(bench.audit.writes(world.namespace).total() / PER_RUN)
    every = [each for run in reached for each in run]
    bench.rows += [
        Row("apply accepted to POST received, idle, p50", "ms", [percentile(run, 50) for run in reached], most=100),
        Row(f"apply accepted to POST received, idle, p99 of {len(every)}", "ms", [percentile(every, 99)], most=500),
        Row(
            f"cloud Available to Ready, interval {ACTIVE_INTERVAL:g} s, p99 of {len(every)}",
            "s",
            [percentile([each for run in lags for each in run], 99)],
            most=ACTIVE_INTERVAL + 0.5,
        ),
        Row("writes to the API server per creation until Ready", "", writes, most=6, every=True),
    ]


def _create(world: World, name: str) -> tuple[float, float]:
    """Apply, and wait until it is Ready; when it was applied, and when it was seen Ready."""
    asked = time.monotonic()
    world.cluster.create(world.namespace, name, images=["nginx"])
    wait_for(lambda: condition(world.get(name), "Ready").get("status") == "True", what=f"{name} is Ready", seconds=30)
    return asked, time.monotonic()


def creating_limited(bench: Bench) -> None:
    """50 at once under the cloud's limit, its minute shortened for both: see `imagecache_benchmarks.scaled`."""
    operator = Contender("operator", (SCALED, str(WINDOW)), ready=True)
    ratios: list[float] = []
    refused: list[float] = []
    timing = {"time_scale": TIME_SCALE, "create_seconds": 3}
    settings = {
        "IMAGECACHE_ACTIVE_INTERVAL": "0.5",
        "IMAGECACHE_WRITES_PER_MINUTE": str(PER_MINUTE),
        "IMAGECACHE_CLUSTER_ID": BUILDER,
    }
    for number in range(bench.runs):
        bench.say(f"creating-limited: run {number + 1} of {bench.runs}, {COUNT} creations, about 35 s")
        with (
            bench.world("creating-limited", timing=timing, writes_per_minute=PER_MINUTE) as world,
            world.start(operator, wait=True, **settings) as running,
        ):
            running.settle()
            begun = time.monotonic()
            specs = {f"one-{each:02d}": {"images": ["nginx"]} for each in range(COUNT)}
            create_objects(world.cluster.plane, world.namespace, specs)
            wait_for(
                lambda: len(world.cloud.calls("CreateImageCache")) >= COUNT,
                what="all are asked for",
                seconds=3 * DICTATED,
            )
            posts = world.cloud.calls("CreateImageCache")
            ratios.append((max(call["monotonic"] for call in posts) - begun) / DICTATED)
            refused.append(sum(call["status"] == 429 for call in world.cloud.calls()) + len(posts) - COUNT)
    bench.rows += [
        Row(
            f"{COUNT} created at once, {PER_MINUTE} writes a minute, time x{TIME_SCALE:g}: by what the limit dictates",
            "",
            ratios,
            most=1.1,
        ),
        Row("429 and superfluous POSTs among them", "", refused, most=0, every=True),
    ]
