"""Metrics: their names, what they count, and what no label may hold."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from tests.decision.builders import HERE, ID, PROJECT, condition, ready_status, resource
from tests.runtime.fakes import FakeSessions
from tests.runtime.virtual_time import EPOCH, LoopClock, pass_time, settle

from imagecache_operator.account import Account
from imagecache_operator.accounts import Accounts
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.decision import Outcome
from imagecache_operator.imagecache import Key
from imagecache_operator.metrics import REQUESTS_KEPT, RESULTS, Metrics
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.pace import Intervals
from imagecache_operator.placement import Defaults
from imagecache_operator.store import Store
from imagecache_operator.workqueue import WorkQueue

P = "imagecache_operator_"

# The public names; docs/monitoring.md has them, too.
LABELS = {
    "caches": {"cache_status", "ready"},
    "deletions_in_progress": set(),
    "oldest_deletion_seconds": set(),
    "deletion_duration_seconds": set(),
    "release_lag_seconds": set(),
    "released": {"outcome"},
    "stalled": {"reason"},
    "cloud_requests": {"account", "operation", "code"},
    "cloud_request_duration_seconds": {"operation"},
    "cloud_writes_waiting": {"account"},
    "quota_used": {"account"},
    "reconcile": {"result"},
    "reconcile_duration_seconds": set(),
    "queue_depth": set(),
    "last_observation_age_seconds": {"account"},
    "leader": set(),
}
COUNTERS = {"released", "cloud_requests", "reconcile"}
HISTOGRAMS = {
    "deletion_duration_seconds",
    "release_lag_seconds",
    "cloud_request_duration_seconds",
    "reconcile_duration_seconds",
}


class Kit:
    """Metrics over a store, a queue and accounts."""

    def __init__(self, clock: LoopClock) -> None:
        self.sessions = FakeSessions(clock)
        self.store = Store()
        self.queue = WorkQueue(self._work)
        self.accounts = Accounts(
            self.sessions,
            lambda: Defaults(HERE.region, PROJECT),
            clock=clock,
            intervals=Intervals(5.0, 60.0),
            writes_per_minute=1,
        )
        self.metrics = Metrics()
        self.metrics.watch(self.store, self.queue, self.accounts, clock)

    async def _work(self, key: Key) -> float | None:
        return None

    def put(self, name: str, **changes: Any) -> None:
        """Have such an object."""
        self.store.put(resource(name=name, uid=f"uid-{name}", **changes))

    def collect(self) -> dict[str, Metric]:
        """All metrics, by their names without the prefix."""
        return {metric.name.removeprefix(P): metric for metric in self.metrics.registry.collect()}

    def value(self, sample: str, **labels: str) -> float | None:
        """The value of one sample."""
        return self.metrics.registry.get_sample_value(P + sample, labels)


@pytest.fixture
async def kit(clock: LoopClock) -> AsyncIterator[Kit]:
    """Metrics with nothing to count yet."""
    made = Kit(clock)
    yield made
    await made.accounts.stop()


async def test_the_names_and_labels_are_those_of_the_interface(kit: Kit) -> None:
    """Dashboards rely on them; no more and no less."""
    kit.put(
        "a", status=ready_status("Failed", ready="False") | {"conditions": [condition("Stalled", "True", "Failed")]}
    )
    kit.accounts.account_for(resource())
    kit.metrics.request("default", Operation.LIST, "200", 0.1)
    kit.metrics.pass_done("success", 0.1)
    kit.metrics.released(Outcome.DELETED, 1.0, 0.1)
    await settle()
    found = kit.collect()
    assert found.keys() == LABELS.keys()
    for name, metric in found.items():
        assert metric.name.startswith(P)
        assert metric.documentation
        labels = {label for sample in metric.samples for label in sample.labels if label != "le"}
        assert labels == LABELS[name], name
        assert metric.type == ("counter" if name in COUNTERS else "histogram" if name in HISTOGRAMS else "gauge"), name


async def test_prometheus_gets_no_other_series(kit: Kit) -> None:
    """As it is scraped: counters end with `_total`, and there are no `_created` times beside them."""
    kit.metrics.request("default", Operation.LIST, "200", 0.1)
    kit.accounts.account_for(resource())
    kit.put("a", status=ready_status("Failed") | {"conditions": [condition("Stalled", "True", "Failed")]})
    await settle()
    text = generate_latest(kit.metrics.registry).decode()
    told = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    ends = {name: {"_total"} if name in COUNTERS else {""} for name in LABELS}
    ends |= {name: {"_bucket", "_sum", "_count"} for name in HISTOGRAMS}
    assert told == {f"{P}{name}{end}" for name, more in ends.items() for end in more}


def test_the_document_has_each_metric_with_its_labels() -> None:
    """docs/monitoring.md has one row for each, under the name that Prometheus shows."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    table = page.partition("## Metrics")[2].partition("\n## ")[0]
    rows = [re.split(r" *\| *", line) for line in table.splitlines() if line.startswith(f"| `{P}")]
    found = {row[1].strip("`").removeprefix(P): (row[2], set(re.findall(r"`(\w+)`", row[3]))) for row in rows}
    for row in rows:
        assert (row[4] == "seconds") is row[1].strip("`").endswith("_seconds"), row[1]
    kinds = {name: "counter" if name in COUNTERS else "histogram" if name in HISTOGRAMS else "gauge" for name in LABELS}
    assert found == {
        name + ("_total" if name in COUNTERS else ""): (kinds[name], labels) for name, labels in LABELS.items()
    }


async def test_no_label_holds_a_name_or_an_id_or_free_text(kit: Kit) -> None:
    """Neither an object's, nor the cloud's own words: labels must stay few."""
    kit.put("secret-name", namespace="secret-namespace", status=ready_status() | {"cacheStatus": "free text"})
    kit.put("other", deleted=EPOCH, status=ready_status() | {"cacheMessage": "free text"})
    kit.accounts.account_for(resource(name="secret-name"))
    kit.metrics.request("default", Operation.GET, "404", 0.1)
    await settle()
    values = {
        value for metric in kit.collect().values() for sample in metric.samples for value in sample.labels.values()
    }
    for value in values:
        for forbidden in ("secret", "other", "free text", ID, PROJECT, "uid-", "web"):
            assert forbidden not in value


async def test_objects_are_counted_by_status_and_readiness(kit: Kit) -> None:
    """A word of the cloud that we do not know is `Other`; before the first look there is none, and Ready is Unknown."""
    kit.put("a")
    kit.put("b")
    kit.put("c", status=ready_status("UnknownStatus", ready="False") | {"cacheStatus": "Polishing"})
    kit.put("d", status=ready_status("UnknownStatus", ready="False") | {"cacheStatus": "Archived"})
    kit.put("e", status={})
    assert kit.value("caches", cache_status="Available", ready="True") == 2
    assert kit.value("caches", cache_status="Other", ready="False") == 2
    assert kit.value("caches", cache_status="", ready="Unknown") == 1
    assert sum(sample.value for sample in kit.collect()["caches"].samples) == 5


async def test_stalled_objects_are_counted_by_reason(kit: Kit) -> None:
    """Those that are not stalled are not counted."""
    stalled = ready_status() | {"conditions": [condition("Stalled", "True", "AccessDenied")]}
    kit.put("a", status=stalled)
    kit.put("b", status=stalled)
    kit.put("c")
    [sample, *more] = kit.collect()["stalled"].samples
    assert (sample.labels, sample.value, more) == ({"reason": "AccessDenied"}, 2, [])


async def test_a_reason_of_another_version_is_other(kit: Kit) -> None:
    """Status is text in the cluster, and no label holds free text."""
    for number in range(2):
        word = condition("Stalled", "True", f"SomethingElse{number}")
        kit.put(f"web-{number}", status=ready_status() | {"conditions": [word]})
    assert kit.value("stalled", reason="Other") == 2
    assert len(kit.collect()["stalled"].samples) == 1


async def test_deletions(kit: Kit) -> None:
    """How many there are, and the age of the oldest; 0 without any."""
    assert (kit.value("deletions_in_progress"), kit.value("oldest_deletion_seconds")) == (0, 0)
    kit.put("a", deleted=EPOCH - timedelta(seconds=50))
    kit.put("b", deleted=EPOCH - timedelta(seconds=20))
    kit.put("c")
    await pass_time(10)
    assert kit.value("deletions_in_progress") == 2
    assert kit.value("oldest_deletion_seconds") == pytest.approx(60, abs=0.01)


async def test_releases(kit: Kit) -> None:
    """Each outcome is there from the start; times are counted, a lag only where something was proven."""
    assert {
        sample.labels["outcome"] for sample in kit.collect()["released"].samples if sample.name.endswith("_total")
    } == {"deleted", "retained", "never_created", "already_gone", "never_seen", "not_owner"}
    kit.metrics.released(Outcome.DELETED, 12.0, 0.2)
    kit.metrics.released(Outcome.RETAINED, -1.0, None)
    assert kit.value("released_total", outcome="deleted") == 1
    assert kit.value("released_total", outcome="retained") == 1
    assert kit.value("released_total", outcome="not_owner") == 0
    assert (kit.value("deletion_duration_seconds_count"), kit.value("deletion_duration_seconds_sum")) == (2, 12)
    assert (kit.value("release_lag_seconds_count"), kit.value("release_lag_seconds_sum")) == (1, 0.2)


async def test_the_requests_of_an_account_go_an_hour_after_its_last_one(kit: Kit) -> None:
    """Secrets come and go, their series do not pile up; those of accounts that still ask go on from where they were."""
    kit.metrics.request("default", Operation.LIST, "200", 0.1)
    kit.metrics.request("team/gone", Operation.LIST, "200", 0.1)
    kit.metrics.request("team/gone", Operation.DELETE, "202", 0.1)
    for _ in range(60):
        kit.metrics.request("default", Operation.LIST, "200", 0.1)
        await pass_time(REQUESTS_KEPT / 60)
    assert kit.value("cloud_requests_total", account="team/gone", operation="DeleteImageCache", code="202") == 1
    await pass_time(1)
    kit.metrics.request("default", Operation.LIST, "200", 0.1)
    [sample] = [sample for sample in kit.collect()["cloud_requests"].samples if sample.name.endswith("_total")]
    assert (sample.labels["account"], sample.value) == ("default", 62)


async def test_an_account_has_gauges_only_while_objects_use_it(kit: Kit) -> None:
    """With its last object they go."""
    account = kit.accounts.account_for(resource())
    assert isinstance(account, Account)
    await settle()
    names = ("cloud_writes_waiting", "quota_used", "last_observation_age_seconds")
    assert [kit.value(name, account="default") is not None for name in names] == [True] * 3
    kit.accounts.left(account, resource().key)
    assert [kit.value(name, account="default") for name in names] == [None] * 3


async def test_who_leads_no_more_tells_of_no_object_and_no_account(kit: Kit) -> None:
    """Whoever leads now tells of them, and two would be counted twice; counters stay, so that sums do not fall."""
    kit.put("a", deleted=EPOCH - timedelta(hours=1))
    kit.accounts.account_for(resource())
    kit.metrics.request("default", Operation.LIST, "200", 0.1)
    leads = [True]
    kit.metrics.lead(lambda: leads[0])
    assert (kit.value("leader"), kit.value("deletions_in_progress")) == (1, 1)
    leads[0] = False
    assert kit.collect().keys() == {"leader"} | COUNTERS | HISTOGRAMS
    assert kit.value("leader") == 0
    assert kit.value("cloud_requests_total", account="default", operation="ListImageCaches", code="200") == 1


@pytest.mark.parametrize("operation", list(Operation))
async def test_every_operation_has_a_name(kit: Kit, operation: Operation) -> None:
    """A new call must not make the meter fail."""
    kit.metrics.request("default", operation, "timeout", 2.0)
    [sample] = [sample for sample in kit.collect()["cloud_requests"].samples if sample.name.endswith("_total")]
    assert sample.labels["operation"][0].isupper()
    assert (sample.labels["code"], sample.value) == ("timeout", 1)
    assert kit.value("cloud_request_duration_seconds_sum", operation=sample.labels["operation"]) == 2.0


async def test_passes(kit: Kit) -> None:
    """By result, with their time; each result is there from the start, so that the first error is a rise."""
    assert [kit.value("reconcile_total", result=result) for result in RESULTS] == [0, 0, 0]
    kit.metrics.pass_done("success", 0.5)
    kit.metrics.pass_done("conflict", 0.25)
    assert kit.value("reconcile_total", result="success") == kit.value("reconcile_total", result="conflict") == 1
    assert kit.value("reconcile_duration_seconds_sum") == 0.75


async def test_the_queue(kit: Kit) -> None:
    """Objects that are due or being worked on."""
    kit.queue.mark_due(Key("ns", "a"))
    kit.queue.mark_due(Key("ns", "b"))
    kit.queue.mark_due_in(Key("ns", "c"), 60)
    assert kit.value("queue_depth") == 2


async def test_accounts(kit: Kit) -> None:
    """Who waits for a slot; of several locations the oldest good look, and the caches where there are most."""
    kit.sessions.client.put(ID)
    kit.accounts.account_for(resource())
    await settle()
    assert kit.value("quota_used", account="default") == 1
    await pass_time(30)
    kit.accounts.account_for(resource(name="b", spec={"imageCacheID": ID, "region": "cn-north-4"}))
    await settle()
    assert kit.value("quota_used", account="default") == 1
    assert len(list(kit.accounts)) == 2
    assert kit.value("last_observation_age_seconds", account="default") == pytest.approx(30, abs=0.01)
    limiter = kit.accounts.limiter(HERE)
    for name in ("c", "d", "e"):
        kit.accounts.account_for(resource(name=name))
        limiter.request(resource(name=name).key, (0, EPOCH))
    assert kit.value("cloud_writes_waiting", account="default") == 2


async def test_a_place_that_was_never_seen_makes_nobody_blind(kit: Kit) -> None:
    """One object names a wrong region; the others' place is seen well, and only that counts."""
    kit.accounts.account_for(resource())
    await pass_time(1)
    kit.sessions.trouble = Trouble(TroubleKind.ENDPOINT_INVALID, "no such region")
    kit.accounts.account_for(resource(name="odd", spec={"imageCacheID": ID, "region": "cn-north-9"}))
    await pass_time(3600)
    age = kit.value("last_observation_age_seconds", account="default")
    assert age is not None
    assert age <= 60
