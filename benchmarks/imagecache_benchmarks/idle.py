"""A minute in which nothing happens."""

from __future__ import annotations

import contextlib
import time

from imagecache_benchmarks.bench import Bench
from imagecache_benchmarks.contender import THE_OPERATOR
from imagecache_benchmarks.results import Row

COUNT = 50
MINUTE = 60.0


def idle(bench: Bench) -> None:
    """50 objects each; the runs go on side by side, since an idle operator disturbs nobody."""
    with contextlib.ExitStack() as stack:
        worlds = [stack.enter_context(bench.world("idle")) for _ in range(bench.runs)]
        # With the intervals as they are by default.
        operators = [stack.enter_context(world.start(THE_OPERATOR)) for world in worlds]
        for world in worlds:
            world.bind_all("idle", COUNT)
        for world in worlds:
            world.wait_held(COUNT, ready=True)
        bench.say(f"idle: {COUNT} objects for a minute, {bench.runs} times side by side, about 70 s")
        for operator in operators:
            operator.settle()
        # Events about the binding are few a second by design, and no part of an idle minute.
        time.sleep(5.0)
        bench.audit.skip()
        before = [operator.cpu_seconds() for operator in operators]
        begun = time.monotonic()
        time.sleep(MINUTE)
        cpu = [operator.cpu_seconds() - start for operator, start in zip(operators, before, strict=True)]
        entries = bench.audit.requests()
        calls = [
            [call for call in world.cloud.calls() if begun <= call["monotonic"] < begun + MINUTE] for world in worlds
        ]
    lists = [float(sum(call["operation"] == "ListImageCaches" for call in own)) for own in calls]
    others = [float(len(own)) - listed for own, listed in zip(calls, lists, strict=True)]
    writes = [
        float(
            sum(
                entry["verb"] not in {"get", "list", "watch"}
                and entry.get("objectRef", {}).get("namespace") == world.namespace
                for entry in entries
            )
        )
        for world in worlds
    ]
    bench.rows += [
        Row(f"{COUNT} idle objects, one minute: LISTs", "", lists, most=1, every=True),
        Row(f"{COUNT} idle objects, one minute: other calls to the cloud", "", others, most=0, every=True),
        Row(f"{COUNT} idle objects, one minute: writes to the API server", "", writes, most=0, every=True),
        Row(f"{COUNT} idle objects, one minute: CPU", "ms", [each * 1000 for each in cpu]),
    ]
