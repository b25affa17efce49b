"""A minute in which nothing happens."""

from __future__ import annotations

import contextlib
import socket
import time
import urllib.request
from collections.abc import Sequence
from typing import Self

from imagecache_benchmarks.bench import Bench, World
from imagecache_benchmarks.contender import THE_OPERATOR, Running
from imagecache_benchmarks.results import Row
from imagecache_playground.cluster import OPERATOR_NAMESPACE
from imagecache_playground.processes import wait_for
from imagecache_playground.replicas import LEADS, offer_lease

COUNT = 50
MINUTE = 60
PROBED, SCRAPED = 10, 30
"""How often, in seconds, a kubelet asks for `/livez` and `/readyz`, and Prometheus for `/metrics`."""

MEMORY_MOST = 90
CORE_MOST = 0.5


def idle(bench: Bench) -> None:
    """50 objects each; the runs go on side by side, since an idle operator disturbs nobody."""
    with contextlib.ExitStack() as stack:
        worlds = [stack.enter_context(bench.world("idle")) for _ in range(bench.runs)]
        # With the intervals as they are by default.
        operators = [stack.enter_context(world.start(THE_OPERATOR)) for world in worlds]
        replicas = stack.enter_context(_Replicas(bench))
        for world in [*worlds, replicas.world]:
            world.bind_all("idle", COUNT)
        for world in [*worlds, replicas.world]:
            world.wait_held(COUNT, ready=True)
        bench.say(f"idle: {COUNT} objects for a minute, {bench.runs} times side by side, about 70 s")
        everybody = [*operators, *replicas.both]
        for operator in everybody:
            operator.settle()
        # Events about the binding are few a second by design, and no part of an idle minute.
        time.sleep(5.0)
        bench.audit.skip()
        before = [operator.cpu_seconds() for operator in everybody]
        begun = time.monotonic()
        replicas.minute_in_a_pod()
        took = time.monotonic() - begun
        cpu = [operator.cpu_seconds() - start for operator, start in zip(everybody, before, strict=True)]
        memory = [operator.resident_mib() for operator in everybody]
        entries = bench.audit.requests()
        calls = [
            [call for call in world.cloud.calls() if begun <= call["monotonic"] < begun + took] for world in worlds
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
        Row(f"{COUNT} idle objects, one minute: CPU", "ms", [each * 1000 for each in cpu[: bench.runs]]),
        *_of_replicas(memory[bench.runs :], [each / took * 100 for each in cpu[bench.runs :]]),
    ]


def _of_replicas(memory: Sequence[float], shares: Sequence[float]) -> list[Row]:
    who = (f"replica that leads, {COUNT} objects", "replica that stands by")
    return [
        row
        for name, resident, share in zip(who, memory, shares, strict=True)
        for row in (
            Row(f"{name}: resident memory", "MiB", [resident], most=MEMORY_MOST),
            Row(f"{name}: share of a core", "%", [share], most=CORE_MOST),
        )
    ]


class _Replicas:
    """Two replicas around a Lease, set up as in their pods: probed, scraped, with JSON logs."""

    def __init__(self, bench: Bench) -> None:
        self._stack = contextlib.ExitStack()
        self._bench = bench
        self._ports = (_free_port(), _free_port())
        self.world: World
        self.both: list[Running]

    def __enter__(self) -> Self:
        offer_lease(self._bench.cluster)
        self.world = self._stack.enter_context(self._bench.world("idle-replicas"))
        first = self._start(self._ports[0])
        wait_for(lambda: LEADS in first.program.said(), what="the first leads", seconds=30, stand=first.program.said)
        self.both = [first, self._start(self._ports[1])]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, port: int) -> Running:
        settings = {
            "IMAGECACHE_LEADER_ELECTION": "true",
            "IMAGECACHE_LEASE_NAMESPACE": OPERATOR_NAMESPACE,
            "IMAGECACHE_HEALTH_ADDR": f"127.0.0.1:{port}",
            "IMAGECACHE_METRICS_ADDR": f"127.0.0.1:{port}",
            "IMAGECACHE_LOG_FORMAT": "json",
        }
        return self._stack.enter_context(self.world.start(THE_OPERATOR, wait=False, **settings))

    def minute_in_a_pod(self) -> None:
        """A minute with the probes and scrapes that there are in a cluster."""
        begun = time.monotonic()
        for second in range(MINUTE):
            for port in self._ports:
                if second % PROBED == 0:
                    _fetch(port, "livez")
                    _fetch(port, "readyz")
                if second % SCRAPED == 0:
                    _fetch(port, "metrics")
            time.sleep(max(begun + second + 1 - time.monotonic(), 0.0))


def _fetch(port: int, what: str) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{what}", timeout=10) as answer:
        answer.read()


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])
