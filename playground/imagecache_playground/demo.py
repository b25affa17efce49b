"""`make demo`: the main job from end to end, against real programs; fails when one line is not as it should be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from imagecache_playground.circle import NAME, full_circle
from imagecache_playground.cloud import BUILDER
from imagecache_playground.cluster import condition, manifest, manifests
from imagecache_playground.entry_point import installed_cluster, say
from imagecache_playground.operator_process import Operator
from imagecache_playground.surroundings import Surroundings

NAMESPACES = ("demo", "demo-team")
KEPT = "kept"
REFUSED = "refused"
KILLED = "killed"
PLAIN = "plain"
TEAM = "team"

DELETE_SECONDS = 10
RETRY_SECONDS = 2
SCENARIO = {"timing": {"delete_seconds": DELETE_SECONDS}}

CONDUCT = {
    REFUSED: {
        "refuse": {"times": 1, "message": "a pod is starting from this cache"},
        "revert": {"to": "Available", "after": 1.5, "times": 1, "message": "the snapshot is busy"},
        "seconds": 3,
    },
    KILLED: {"seconds": 8},
    TEAM: {"seconds": 4},
}
"""What the simulated cloud does with a DELETE of a cache, where it is not plain."""


@dataclass
class Line:
    """One line of the table at the end: an object, and what is true of it."""

    name: str
    what: str
    namespace: str = NAMESPACES[0]
    cache_id: str = ""
    deletes: int = 1
    stays: bool = False
    must_show: tuple[str, ...] = ()
    shown: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cloud: str = ""
    faults: list[str] = field(default_factory=list)


def demo(directory: Path) -> int:
    """Show it; returns 0 only when all of it is as it should be."""
    began = time.monotonic()
    say("1. Starting a Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager)")
    with installed_cluster(lambda text: say(f"   {text}")) as cluster:
        for namespace in NAMESPACES:
            cluster.create_namespace(namespace)
        with Surroundings(cluster, NAMESPACES[0], directory, SCENARIO) as world:
            operator = _start(world)
            lines = _show(world, operator)
            for line in lines:
                _judge(world, line)
            lines.append(_circle(world, operator))
    say(_table(lines))
    wrong = [f"{line.name}: {fault}" for line in lines for fault in line.faults]
    for fault in wrong:
        say(f"WRONG  {fault}")
    say(f"{'FAILED' if wrong else 'All as it should be'}, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


def _start(world: Surroundings) -> Operator:
    say(f"2. Starting the simulated cloud, where a deletion takes {DELETE_SECONDS} s, and the operator")
    return world.operator(
        IMAGECACHE_NAMESPACES=",".join(NAMESPACES),
        IMAGECACHE_ACTIVE_INTERVAL="0.5",
        IMAGECACHE_IDLE_INTERVAL="2",
        IMAGECACHE_DELETE_RETRY_AFTER=str(RETRY_SECONDS),
        IMAGECACHE_WRITES_PER_MINUTE="10",
        IMAGECACHE_CLUSTER_ID=BUILDER,
    )


def _show(world: Surroundings, operator: Operator) -> list[Line]:
    lines = {
        line.name: line
        for line in (
            Line(PLAIN, "kubectl delete", must_show=("DeleteRequested", "Deleting")),
            Line(
                REFUSED,
                "refused, reverted, then done",
                deletes=3,
                must_show=("DeleteRefused", "Deleting", "DeleteReverted"),
            ),
            Line(KEPT, "deletionPolicy: Retain", deletes=0, stays=True),
            Line(KILLED, "operator killed meanwhile", must_show=("Deleting",)),
            Line(TEAM, "kubectl delete namespace", NAMESPACES[1], must_show=("Deleting",)),
        )
    }
    _bind(world, list(lines.values()))

    say(f"4. kubectl delete imagecache {PLAIN}")
    with _watched(world, lines[PLAIN]):
        _kubectl_delete(world, lines[PLAIN])

    say(f"5. kubectl delete imagecache {REFUSED}: the cloud refuses, then gives up half-way, then does it")
    with _watched(world, lines[REFUSED]):
        _kubectl_delete(world, lines[REFUSED])

    say(f"6. kubectl delete imagecache {KEPT}, whose spec.deletionPolicy is Retain")
    with _watched(world, lines[KEPT]):
        _kubectl_delete(world, lines[KEPT])

    say(f"7. kubectl delete imagecache {KILLED}, and kill -9 of the operator in the middle of it")
    with _watched(world, lines[KILLED]):
        world.cluster.delete(NAMESPACES[0], KILLED)
        world.wait_reason("Deleting", name=KILLED)
        operator.program.kill()
        say("   operator killed; starting it again in 2 s")
        time.sleep(2)  # for a person to see that nothing happens without it
        operator.start()
        world.wait_gone(KILLED, seconds=30)

    say(f"8. kubectl delete namespace {NAMESPACES[1]}")
    with _watched(world, lines[TEAM]):
        world.cluster.kubectl("delete", "namespace", NAMESPACES[1], "--timeout=60s")
    return list(lines.values())


def _circle(world: Surroundings, operator: Operator) -> Line:
    say(f"9. The full circle: imagecache {NAME} creates its cache, replaces it, and takes it along")
    line = Line(NAME, "created, replaced, deleted, 2 kills", deletes=2)
    began = time.monotonic()
    line.faults = full_circle(world, line.namespace, operator, say)
    line.seconds = time.monotonic() - began
    line.cloud = "WRONG" if line.faults else "gone"
    return line


def _bind(world: Surroundings, lines: list[Line]) -> None:
    say("3. Five caches are in the cloud; kubectl apply binds an object to each")
    wanted = []
    for line in lines:
        conduct = CONDUCT.get(line.name)
        fields = {} if conduct is None else {"delete_behaviour": conduct}
        line.cache_id = world.cloud.add_cache(f"cache-{line.name}", **fields)
        spec = {"imageCacheID": line.cache_id} | ({"deletionPolicy": "Retain"} if line.stays else {})
        wanted.append(manifest(line.namespace, line.name, **spec))
    world.cluster.kubectl("apply", "-f", "-", stdin=manifests(wanted))
    for namespace in NAMESPACES:
        world.cluster.kubectl("-n", namespace, "wait", "imagecaches", "--all", "--for=condition=Ready", "--timeout=30s")
    say(_indent(world.cluster.kubectl("get", "imagecaches", "--all-namespaces")))


def _kubectl_delete(world: Surroundings, line: Line) -> None:
    world.cluster.kubectl("-n", line.namespace, "delete", "imagecache", line.name, "--timeout=60s")


@contextmanager
def _watched(world: Surroundings, line: Line) -> Iterator[None]:
    """Print each new reason of the object with its time, until the block is done."""
    began, done = time.monotonic(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            found = world.cluster.get(line.namespace, line.name)
            if found is None:
                break
            ready = condition(found, "Ready")
            if ready and (not line.shown or line.shown[-1] != ready["reason"]):
                line.shown.append(str(ready["reason"]))
                word = found["status"].get("cacheStatus", "-")
                say(f"   {time.monotonic() - began:5.1f} s  {ready['reason']:<16} cloud: {word:<10} {ready['message']}")
            done.wait(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        line.seconds = time.monotonic() - began
        done.set()
        watcher.join()
    say(f"   {line.seconds:5.1f} s  the object is gone")


def _judge(world: Surroundings, line: Line) -> None:
    """Ask the cloud and the cluster what is true."""
    cache = world.cloud.cache(line.cache_id)
    line.cloud = "gone" if cache is None else str(cache["status"])
    wanted = "Available" if line.stays else "gone"
    if line.cloud != wanted:
        line.faults.append(f"its cache should be {wanted}, and is {line.cloud}")
    sent = len(world.deletes(line.cache_id))
    if sent != line.deletes:
        line.faults.append(f"{line.deletes} DELETE should have been sent, and {sent} were")
    if world.cluster.get(line.namespace, line.name) is not None:
        line.faults.append("the object is still there")
    missing = [reason for reason in line.must_show if reason not in line.shown]
    if missing:
        line.faults.append(f"its status never showed {' and '.join(missing)}")


def _table(lines: list[Line]) -> str:
    rows = [("object", "what happened", "DELETEs", "cache", "seconds", "")]
    for line in lines:
        verdict = "ok" if not line.faults else "WRONG"
        row = (f"{line.namespace}/{line.name}", line.what, str(line.deletes), line.cloud)
        rows.append((*row, f"{line.seconds:.1f}", verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n" + "\n".join(text) + "\n"


def _indent(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.splitlines())
