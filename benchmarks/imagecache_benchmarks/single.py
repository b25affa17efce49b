"""Deletions one after another: how soon the cloud is told, how soon the object follows, and what it costs."""

from __future__ import annotations

import random
import time

from imagecache_benchmarks.bench import Bench, World
from imagecache_benchmarks.contender import THE_OPERATOR
from imagecache_benchmarks.results import Row, percentile
from imagecache_benchmarks.watch import Watch

PER_RUN = 20
ACTIVE_INTERVAL = 1.0
LAG_MOST = ACTIVE_INTERVAL + 0.5


def single(bench: Bench) -> None:
    """100 deletions in 5 runs, each begun when the one before is over."""
    reached: list[list[float]] = []
    lags: list[list[float]] = []
    writes: list[float] = []
    with (
        bench.world("single") as world,
        world.start(THE_OPERATOR, IMAGECACHE_ACTIVE_INTERVAL=str(ACTIVE_INTERVAL)) as operator,
        world.watch() as watch,
    ):
        for number in range(bench.runs):
            bench.say(f"single: run {number + 1} of {bench.runs}, {PER_RUN} deletions one after another, about 35 s")
            # Ends of deletions spread over the interval between two looks, as they do in life.
            seconds = [random.uniform(0.2, 0.2 + ACTIVE_INTERVAL) for _ in range(PER_RUN)]  # noqa: S311 (no secret)
            caches = world.bind_all(f"run{number}", PER_RUN, behaviours=[{"seconds": each} for each in seconds])
            world.wait_held(PER_RUN, ready=True)
            operator.settle()
            bench.audit.skip()
            asked = _delete_each(world, watch, list(caches))
            sent = {name: calls[0]["monotonic"] for name, calls in world.deletes_of(caches).items()}
            reached.append([(sent[name] - asked[name]) * 1000 for name in caches])
            lags.append([watch.gone[name] - sent[name] - took for name, took in zip(caches, seconds, strict=True)])
            writes.append(bench.audit.writes(world.namespace).total() / PER_RUN)
            time.sleep(0.1)
    all_reached = [each for run in reached for each in run]
    bench.rows += [
        Row("API DELETE to cloud DELETE, idle, p50", "ms", [percentile(run, 50) for run in reached], most=50),
        Row(
            f"API DELETE to cloud DELETE, idle, p99 of {len(all_reached)}",
            "ms",
            [percentile(all_reached, 99)],
            most=250,
        ),
        Row(
            f"cloud gone to object gone, interval {ACTIVE_INTERVAL:g} s, p99 of {len(all_reached)}",
            "s",
            [percentile([each for run in lags for each in run], 99)],
            most=LAG_MOST,
        ),
        Row("writes to the API server per deletion, one by one", "", writes, most=3, every=True),
    ]


def _delete_each(world: World, watch: Watch, names: list[str]) -> dict[str, float]:
    asked = {}
    for name in names:
        asked[name] = world.line.delete(world.namespace, name)
        watch.wait_gone([name], 15)
    return asked
