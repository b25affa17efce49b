"""Prometheus metrics (interface section 4). No label holds free text or an object's name or id.

What can be counted when it is asked for is counted then, by a collector over the store; nothing is kept in step.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from imagecache_operator.accounts import Accounts
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.conditions import READY, STALLED, Reason
from imagecache_operator.decision import Outcome
from imagecache_operator.observation import CacheStatus
from imagecache_operator.store import Store
from imagecache_operator.workqueue import WorkQueue

PREFIX = "imagecache_operator"
_WORDS = frozenset({*CacheStatus, ""})
_REASONS = frozenset(Reason)
OTHER = "Other"
"""The label for a word that we do not know: a status of the cloud, or a reason that another version has written."""

REQUESTS_KEPT = 3600.0
"""Seconds after the last request of an account until its series go: long enough for each scrape to have seen them."""

_OPERATIONS = {
    Operation.LIST: "ListImageCaches",
    Operation.GET: "ShowImageCache",
    Operation.CREATE: "CreateImageCache",
    Operation.DELETE: "DeleteImageCache",
    Operation.PROJECT: "ListProjects",
    Operation.TOKEN: "CreateToken",
}
_DELETION_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, float("inf"))
_LAG_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, float("inf"))

RESULTS = ("success", "conflict", "error")
"""How a pass over an object may end."""

# Else each counter and histogram would have a second series, with the time when it began.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types for it

_Labels = TypeVar("_Labels", bound=tuple[str, ...])


class Metrics(Collector):
    """Counts what happens."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._released = Counter(f"{PREFIX}_released", "Objects let go, by why.", ["outcome"], registry=registry)
        self._deletion_duration = Histogram(
            f"{PREFIX}_deletion_duration_seconds",
            "From deletionTimestamp to the removal of the finalizer.",
            buckets=_DELETION_BUCKETS,
            registry=registry,
        )
        self._release_lag = Histogram(
            f"{PREFIX}_release_lag_seconds",
            "From the proof of absence to the removal of the finalizer.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self._requests = Counter(
            f"{PREFIX}_cloud_requests", "Requests to the cloud.", ["account", "operation", "code"], registry=registry
        )
        self._request_duration = Histogram(
            f"{PREFIX}_cloud_request_duration_seconds", "Time of a request.", ["operation"], registry=registry
        )
        self._requested: dict[str, float] = {}
        self._state: _State | None = None
        self._leading: Callable[[], bool] = lambda: True
        registry.register(self)
        self._passes = Counter(f"{PREFIX}_reconcile", "Passes over an object.", ["result"], registry=registry)
        self._pass_duration = Histogram(
            f"{PREFIX}_reconcile_duration_seconds", "Time of a pass over an object.", registry=registry
        )
        # A counter that begins at 1 has not risen, for Prometheus: the first error would be missed.
        for outcome in Outcome:
            self._released.labels(outcome.value)
        for result in RESULTS:
            self._passes.labels(result)

    def released(self, outcome: Outcome, duration: float, lag: float | None) -> None:
        """An object was let go; both times in seconds, `lag` None when nothing had to be proven."""
        self._released.labels(outcome.value).inc()
        self._deletion_duration.observe(max(duration, 0.0))
        if lag is not None:
            self._release_lag.observe(lag)

    def request(self, account: str, operation: Operation, code: str, seconds: float) -> None:
        """A request to the cloud ended."""
        name = _OPERATIONS[operation]
        self._requests.labels(account, name, code).inc()
        self._request_duration.labels(name).observe(seconds)
        if self._state is not None:
            self._forget_accounts(account, self._state.clock.monotonic())

    def _forget_accounts(self, asking: str, now: float) -> None:
        """Drop the requests of accounts that ask no more: Secrets come and go, and their series would stay for ever."""
        self._requested.pop(asking, None)
        self._requested[asking] = now
        while self._requested[longest_ago := next(iter(self._requested))] < now - REQUESTS_KEPT:
            del self._requested[longest_ago]
            self._requests.remove_by_labels({"account": longest_ago})

    def pass_done(self, result: str, seconds: float) -> None:
        """A pass over an object ended; `result` is one of `RESULTS`."""
        self._passes.labels(result).inc()
        self._pass_duration.observe(seconds)

    def watch(self, store: Store, queue: WorkQueue, accounts: Accounts, clock: Clock) -> None:
        """Count these whenever the metrics are asked for."""
        self._state = _State(store, queue, accounts, clock)

    def unwatch(self) -> None:
        """There is nothing to be counted any more."""
        self._state = None

    def lead(self, leading: Callable[[], bool]) -> None:
        """Who tells whether this replica leads; without it, it does."""
        self._leading = leading

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        leading = self._leading()
        yield _single("leader", "1 where this replica leads, else 0.", float(leading))
        # A term takes a moment to end, or longer where the process was frozen; another one leads meanwhile.
        if leading and self._state is not None:
            yield from self._state.collect()


class _State:
    def __init__(self, store: Store, queue: WorkQueue, accounts: Accounts, clock: Clock) -> None:
        self._store = store
        self._queue = queue
        self._accounts = accounts
        self.clock = clock

    def collect(self) -> Iterator[Metric]:
        yield from self._objects()
        yield from self._cloud()
        depth = GaugeMetricFamily(f"{PREFIX}_queue_depth", "Objects that are due or being worked on.")
        depth.add_metric([], len(self._queue))
        yield depth

    def _objects(self) -> Iterator[Metric]:
        caches: Count[tuple[str, str]] = Count()
        stalled: Count[str] = Count()
        deleting, oldest, now = 0, 0.0, self.clock.now()
        for resource in self._store:
            status = resource.status
            ready = status.condition(READY)
            word = _known(status.cache_status or "", _WORDS)
            caches[word, ready.status if ready is not None else "Unknown"] += 1
            if (condition := status.condition(STALLED)) is not None:
                stalled[_known(condition.reason, _REASONS)] += 1
            if resource.deleted_at is not None:
                deleting += 1
                oldest = max(oldest, (now - resource.deleted_at).total_seconds())
        yield _family("caches", "Objects by the cloud's status and readiness.", ["cache_status", "ready"], caches)
        yield _family(
            "stalled", "Objects that wait for a person.", ["reason"], Count({(r,): n for r, n in stalled.items()})
        )
        yield _single("deletions_in_progress", "Objects that are being deleted.", deleting)
        yield _single("oldest_deletion_seconds", "Age of the oldest deletion, 0 without any.", oldest)

    def _cloud(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            f"{PREFIX}_cloud_writes_waiting", "Objects that wait for a write slot.", labels=["account"]
        )
        used = GaugeMetricFamily(
            f"{PREFIX}_quota_used", "Caches in the account, where there are most.", labels=["account"]
        )
        age = GaugeMetricFamily(
            f"{PREFIX}_last_observation_age_seconds", "Since the last good look at the cloud.", labels=["account"]
        )
        most: dict[str, int] = {}
        queued: Count[str] = Count()
        ages: dict[str, float] = {}
        # A place that was never seen, because an object names a wrong one, makes nobody blind who sees another.
        seeing = {account.label for account in self._accounts if account.listed > float("-inf")}
        for account in self._accounts:
            # The cloud's limit is one for each region and project.
            most[account.label] = max(most.get(account.label, 0), account.quota_used)
            queued[account.label] += self._accounts.writes_waiting(account)
            if account.listed > float("-inf") or account.label not in seeing:
                ages[account.label] = max(ages.get(account.label, 0.0), account.since_good_look())
        for label, seconds in ages.items():
            used.add_metric([label], most[label])
            age.add_metric([label], seconds)
            waiting.add_metric([label], queued[label])
        yield from (waiting, used, age)


def _known(word: str, words: frozenset[str]) -> str:
    return word if word in words else OTHER


def _family(name: str, text: str, labels: list[str], counts: Mapping[_Labels, int]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for values, number in counts.items():
        family.add_metric(list(values), number)
    return family


def _single(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text)
    family.add_metric([], value)
    return family
