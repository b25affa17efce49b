"""The start and the end of the operator's process."""

from __future__ import annotations

import time

from imagecache_benchmarks.bench import Bench
from imagecache_benchmarks.contender import THE_OPERATOR
from imagecache_benchmarks.results import Row
from imagecache_benchmarks.traffic import delete_all
from imagecache_playground.processes import wait_for

COUNT = 50
START_MOST = 1.5
STOP_MOST = 3.0


def process(bench: Bench) -> None:
    """Start with objects that nobody has looked at yet; SIGTERM in the middle of 50 deletions, then go on."""
    starts: list[float] = []
    stops: list[float] = []
    wrong: list[float] = []
    for number in range(bench.runs):
        bench.say(f"process: run {number + 1} of {bench.runs}, start, SIGTERM, start again, about 15 s")
        with (
            bench.world("process", timing={"delete_seconds": 2}) as world,
            world.watch() as watch,
        ):
            caches = world.bind_all("one", COUNT)
            time.sleep(1.0)
            watch.changed.clear()
            with world.start(THE_OPERATOR, IMAGECACHE_ACTIVE_INTERVAL="1") as first:
                wait_for(lambda: bool(watch.changed), what="the first object is changed", seconds=30)
                starts.append(min(watch.changed.values()) - first.begun)
                world.wait_held(COUNT, ready=True)
                first.settle()
                delete_all(world.cluster.plane, world.namespace, caches)
                told = time.monotonic()
                status = first.program.stop()
                stops.append(time.monotonic() - told)
            with world.start(THE_OPERATOR, IMAGECACHE_ACTIVE_INTERVAL="1"):
                watch.wait_gone(caches, 60)
            deletes = world.deletes_of(caches)
            faults = sum(len(calls) != 1 for calls in deletes.values()) + len(world.cloud.caches())
            wrong.append(float(faults + (status != 0)))
    bench.rows += [
        Row("start of the process to first reconcile", "s", starts, most=START_MOST),
        Row(f"SIGTERM to exit, in the middle of {COUNT} deletions", "s", stops, most=STOP_MOST),
        Row("lost or asked for twice by it", "", wrong, most=0, every=True),
    ]
