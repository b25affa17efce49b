"""Many runs, several at a time on one control plane, each with a namespace, a cloud and a nursery of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from imagecache_chaos.life import Circle, Line, Plan, Run
from imagecache_chaos.nursery import Nursery
from imagecache_chaos.weather import WEATHERS
from imagecache_playground.cloud import BUILDER, Cloud
from imagecache_playground.cluster import Cluster
from imagecache_playground.operator_process import operator_settings

SCENARIO = {"timing": {"create_seconds": 0.3, "delete_seconds": 0.3}, "writes_per_minute": 0}
SETTINGS = {
    "IMAGECACHE_ACTIVE_INTERVAL": "0.2",
    "IMAGECACHE_IDLE_INTERVAL": "0.5",
    "IMAGECACHE_DELETE_RETRY_AFTER": "1",
    "IMAGECACHE_REQUEST_TIMEOUT": "3",
    "IMAGECACHE_WRITES_PER_MINUTE": "0",
    "IMAGECACHE_CLUSTER_ID": BUILDER,
}


class Campaign:
    """Runs plans.

    Args:
        cluster: has the CRD and the role in it.
        directory: for logs.
        workers: how many runs at a time.
    """

    def __init__(self, cluster: Cluster, directory: Path, workers: int) -> None:
        self._cluster = cluster
        self._directory = directory
        self._workers = workers

    def run(self, plans: Sequence[Plan], told: Callable[[Run], None] = lambda _run: None) -> list[Run]:
        """Carry all of them out; `told` hears of each as it ends."""
        return self._spread(plans, lambda circle, plan: circle.run(plan, WEATHERS[plan.weather]), told)

    def discover(self, weathers: Iterable[str]) -> tuple[dict[str, list[str]], list[Run]]:
        """The points that a life without a death passes in each weather, in their order; and how those lives went."""
        found: dict[str, list[str]] = {}

        def record(circle: Circle, plan: Plan) -> Run:
            path = self._directory / f"points-{plan.weather}.txt"
            path.unlink(missing_ok=True)
            run = circle.run(plan, WEATHERS[plan.weather], path)
            found[plan.weather] = path.read_text(encoding="utf-8").split()
            return run

        runs = self._spread([Plan(weather) for weather in weathers], record, lambda _run: None)
        return found, runs

    def _spread(
        self, plans: Sequence[Plan], do: Callable[[Circle, Plan], Run], told: Callable[[Run], None]
    ) -> list[Run]:
        waiting: queue.SimpleQueue[Plan] = queue.SimpleQueue()
        for plan in plans:
            waiting.put(plan)
        runs: list[Run] = []
        errors: list[BaseException] = []
        lock = threading.Lock()

        def work() -> None:
            try:
                with self._circle() as circle:
                    while not errors:
                        run = do(circle, waiting.get_nowait())
                        with lock:
                            runs.append(run)
                            told(run)
            except queue.Empty:
                return
            except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
                errors.append(error)

        _join([threading.Thread(target=work) for _ in range(min(self._workers, len(plans)))], errors)
        return runs

    @contextlib.contextmanager
    def _circle(self) -> Iterator[Circle]:
        name = f"chaos-{uuid4().hex[:8]}"
        directory = self._directory / name
        directory.mkdir()
        self._cluster.create_namespace(name)
        with contextlib.ExitStack() as stack:
            cloud = stack.enter_context(Cloud(directory, SCENARIO))
            kubeconfig = self._cluster.operator_kubeconfig(directory / "operator.kubeconfig")
            settings = operator_settings(cloud.endpoint, **(SETTINGS | {"IMAGECACHE_NAMESPACES": name}))
            nursery = stack.enter_context(Nursery(kubeconfig, settings, directory / "operator.log"))
            line = stack.enter_context(contextlib.closing(Line(self._cluster.plane, name)))
            yield Circle(line, cloud, nursery)


def _join(threads: Sequence[threading.Thread], errors: list[BaseException]) -> None:
    """Start them and wait for all; once there is an error, they begin no other run. Raises the first."""
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except KeyboardInterrupt as stop:
                errors.append(stop)
    if errors:
        raise errors[0]
