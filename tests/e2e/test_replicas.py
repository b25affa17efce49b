"""Several replicas, as processes: one acts, the next takes over in time, and a former one does nothing any more."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.helm import Helm, install
from tests.monitoring.server import free_port

from imagecache_benchmarks.audit import AuditLog, refused
from imagecache_controlplane import ControlPlane, Programs
from imagecache_playground.cluster import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Cluster
from imagecache_playground.processes import wait_for
from imagecache_playground.replicas import KEYS, LEASE, LEASES, SCENARIO, Replica, offer_lease
from imagecache_playground.surroundings import Surroundings

SECOND_ACCOUNT = "imagecache-operator-2"


class Replicas:
    """Two replicas, each with a service account of its own, too."""

    def __init__(self, cluster: Cluster, directory: Path, audit_log: Path) -> None:
        self.cluster = cluster
        self.audit_log = audit_log
        self.back: datetime | None = None
        quick = {"timing": {"delete_seconds": 0.5}, "writes_per_minute": 0}
        self.world = Surroundings(cluster, "team-a", directory, SCENARIO | quick)
        self.accounts = {KEYS[0]: OPERATOR_ACCOUNT, KEYS[1]: SECOND_ACCOUNT}
        self.scraped = dict(zip(KEYS, (f"127.0.0.1:{free_port()}" for _ in KEYS), strict=True))
        # The one that leads goes first.
        self.first, self.second = (self._start(directory, number) for number in (0, 1))
        both = (self.first, self.second)
        ready = "Using the access key"
        wait_for(lambda: all(ready in one.program.said() for one in both), what="both are there", seconds=30)
        wait_for(lambda: self.first.leads or self.second.leads, what="one leads", seconds=15)
        if self.second.leads:
            self.first, self.second = self.second, self.first

    def _start(self, directory: Path, number: int) -> Replica:
        kubeconfig = self.cluster.plane.service_account_kubeconfig(
            directory / f"replica-{number}.kubeconfig", OPERATOR_NAMESPACE, self.accounts[KEYS[number]]
        )
        settings = {"IMAGECACHE_METRICS_ADDR": self.scraped[KEYS[number]]}
        log = directory / f"replica-{number}.log"
        return Replica(kubeconfig, self.world.cloud.endpoint, log, number, **settings)

    def metrics(self, replica: Replica) -> dict[str, float]:
        """What a replica tells Prometheus: the name of each series with its labels, and the value."""
        told = wait_for(lambda: _scraped(self.scraped[replica.key]), what="it can be scraped", seconds=30)
        series = [line.rpartition(" ") for line in told.splitlines() if not line.startswith("#")]
        return {name.removeprefix("imagecache_operator_"): float(value) for name, _, value in series}

    def deleted_by(self, cache_id: str) -> list[str]:
        """The keys that have sent DELETEs for a cache, in order."""
        return [call["credential"] for call in self.world.deletes(cache_id)]

    def calls_by(self, replica: Replica) -> int:
        """How many calls the cloud has had from a replica."""
        return sum(call["credential"] == replica.key for call in self.world.cloud.calls())

    def writes_by(self, replica: Replica, *, since: datetime) -> list[str]:
        """What a replica has asked to be changed in the cluster since then, but for a Lease that it did not get."""
        return [
            f"{entry['verb']} {entry['requestURI']}"
            for entry in self._requests(self.accounts[replica.key])
            if entry["verb"] not in {"get", "list", "watch"}
            # A renewal that was under way names a version that is long gone.
            and not (entry["objectRef"]["resource"] == "leases" and entry["responseStatus"]["code"] == 409)
            and received(entry) >= since
        ]

    def judged(self) -> list[dict[str, Any]]:
        """The requests that no role may have refused: all but those to an API server that had just come back.

        It answers 403 until it has read the roles.
        """
        requests = [each for account in self.accounts.values() for each in self._requests(account)]
        assert requests
        return [each for each in requests if self.back is None or received(each) < self.back]

    def _requests(self, account: str) -> list[dict[str, Any]]:
        """Of one of the two service accounts."""
        return AuditLog(self.audit_log, f"system:serviceaccount:{OPERATOR_NAMESPACE}:{account}").requests()

    def close(self) -> None:
        """End all."""
        for replica in (self.first, self.second):
            replica.program.stop()
        self.world.__exit__(None, None, None)


def received(entry: dict[str, Any]) -> datetime:
    """When a request of the audit log came."""
    return datetime.fromisoformat(entry["requestReceivedTimestamp"])


def _scraped(address: str) -> str | None:
    """The metrics, None while nobody listens there."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def second_account() -> list[dict[str, Any]]:
    """A service account with the operator's roles."""
    subject = {"kind": "ServiceAccount", "name": SECOND_ACCOUNT, "namespace": OPERATOR_NAMESPACE}
    api = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    name = {"metadata": {"name": SECOND_ACCOUNT, "namespace": OPERATOR_NAMESPACE}, "subjects": [subject]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "name": OPERATOR_ACCOUNT}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": name["metadata"]},
        api | name | {"kind": "RoleBinding", "roleRef": role | {"kind": "Role"}},
        api
        | name
        | {"kind": "ClusterRoleBinding", "metadata": {"name": SECOND_ACCOUNT}}
        | {"roleRef": role | {"kind": "ClusterRole"}},
    ]


@pytest.fixture
def replicas(programs: Programs, helm: Helm, tmp_path: Path) -> Iterator[Replicas]:
    """Two replicas with the roles of the chart, of which the first leads; no request of theirs may be refused."""
    audit_log = tmp_path / "audit.log"
    with ControlPlane(programs, audit_log=audit_log) as plane:
        cluster = Cluster(plane)
        install(helm, cluster)
        cluster.create_namespace("team-a")
        accounts = json.dumps({"apiVersion": "v1", "kind": "List", "items": second_account()})
        cluster.kubectl("apply", "-f", "-", stdin=accounts)
        offer_lease(cluster)
        made = Replicas(cluster, tmp_path, audit_log)
        try:
            yield made
        finally:
            made.close()
        assert refused(made.judged()) == []


def test_a_replica_that_stops_hands_over_at_once(replicas: Replicas) -> None:
    """SIGTERM in the middle of the work: within two seconds the other goes on, and nothing is asked for twice."""
    world = replicas.world
    ids = [world.bind(f"web-{number}") for number in range(6)]
    for number in range(6):
        world.wait_reason("Available", name=f"web-{number}")
    for number in range(3):
        world.delete(f"web-{number}")
    wait_for(lambda: world.cloud.calls("DeleteImageCache"), what="the first DELETE", seconds=5)
    began = time.time()
    replicas.first.program.signal(signal.SIGTERM)
    for number in range(3, 6):
        world.delete(f"web-{number}")
    for number in range(6):
        world.wait_gone(f"web-{number}")
    first = min(call["wall"] for call in world.cloud.calls() if call["credential"] == replicas.second.key)
    assert first - began <= 2.0
    assert [len(replicas.deleted_by(cache_id)) for cache_id in ids] == [1] * 6
    assert replicas.first.program.wait(10) == 0


def test_a_replica_that_is_killed_is_followed_in_twenty_seconds(replicas: Replicas) -> None:
    """SIGKILL: nobody hands over, and the Lease runs out."""
    cache_id = replicas.world.bind()
    replicas.world.wait_reason("Available")
    began = time.time()
    replicas.first.program.kill()
    replicas.world.delete()
    replicas.world.wait_gone(seconds=40)
    [call] = replicas.world.deletes(cache_id)
    assert call["credential"] == replicas.second.key
    assert call["wall"] - began <= 20.0


def test_a_replica_that_thaws_does_nothing_any_more(replicas: Replicas) -> None:
    """Frozen for a minute in the middle of deletions, thawed in the middle of others: no call, no write."""
    world = replicas.world
    world.cloud.settings(timing={"delete_seconds": 3})
    ids = [world.bind(f"web-{number}") for number in range(12)]
    for number in range(12):
        world.wait_reason("Available", name=f"web-{number}")
    for number in range(8):
        world.delete(f"web-{number}")
    wait_for(lambda: len(world.cloud.calls("DeleteImageCache")) >= 2, what="two were asked for", seconds=5)
    replicas.first.program.signal(signal.SIGSTOP)
    thaw_at = time.monotonic() + 60
    replicas.second.wait_leads()
    for number in range(8):
        world.wait_gone(f"web-{number}")
    time.sleep(max(thaw_at - time.monotonic(), 0.0))  # the freeze
    # The frozen one knows of these, too, and the cloud still has them when it thaws.
    for number in range(8, 12):
        world.delete(f"web-{number}")
    wait_for(lambda: replicas.deleted_by(ids[8]), what="one more was asked for", seconds=5)
    calls, thawed = replicas.calls_by(replicas.first), datetime.now(UTC)
    replicas.first.program.signal(signal.SIGCONT)
    replicas.first.wait_stands_by()
    for number in range(8, 12):
        world.wait_gone(f"web-{number}")
    late = world.bind("late")
    world.wait_reason("Available", name="late")
    world.delete("late")
    world.wait_gone("late")
    assert replicas.calls_by(replicas.first) == calls
    assert replicas.writes_by(replicas.first, since=thawed) == []
    assert [replicas.deleted_by(cache_id) for cache_id in (*ids[8:], late)] == [[replicas.second.key]] * 5
    assert [len(replicas.deleted_by(cache_id)) for cache_id in ids] == [1] * 12
    assert "Traceback" not in replicas.first.program.said()


def test_without_the_api_server_nobody_acts(replicas: Replicas) -> None:
    """Past the renew deadline the leader stops looking at the cloud; when the API server is back one acts again."""
    world, plane = replicas.world, replicas.cluster.plane
    cache_id = world.bind()
    world.wait_reason("Available")
    plane.stop_apiserver()
    replicas.first.wait_stands_by()
    calls = replicas.calls_by(replicas.first)
    said = replicas.first.program.said
    wait_for(lambda: "The Lease cannot be had" in said(), what="it has tried again", seconds=15, stand=said)
    assert replicas.calls_by(replicas.first) == calls
    replicas.back = datetime.now(UTC)
    plane.start_apiserver()
    wait_for(lambda: replicas.first.leads or replicas.second.leads, what="one leads again", seconds=30)
    world.delete()
    world.wait_gone()
    assert len(replicas.deleted_by(cache_id)) == 1


def test_who_leads_alone_tells_of_objects(replicas: Replicas) -> None:
    """A standby never did, and a former leader does no more; what it has counted stays, so that no sum falls."""
    replicas.world.bind()
    replicas.world.wait_reason("Available")
    leader, standby = replicas.metrics(replicas.first), replicas.metrics(replicas.second)
    assert (leader["leader"], standby["leader"]) == (1, 0)
    assert leader['caches{cache_status="Available",ready="True"}'] == 1
    counted = {name for name in leader if name.partition("{")[0].endswith(("_total", "_bucket", "_sum", "_count"))}
    assert {name for name in standby if "account=" in name or name.startswith(("caches", "oldest"))} == set()

    spec = {"holderIdentity": "somebody-else", "leaseDurationSeconds": 1}
    replicas.cluster.plane.request("PATCH", LEASE, {"spec": spec}, content_type="application/merge-patch+json")
    replicas.first.wait_stands_by()
    former = replicas.metrics(replicas.first)
    assert former["leader"] == 0
    assert former.keys() - counted == {"leader"}
    assert all(former[name] >= leader[name] for name in counted)
    replicas.second.wait_leads()


def test_a_lease_that_is_deleted_by_hand_is_written_anew(replicas: Replicas) -> None:
    """Its holder goes on; the other waits."""
    replicas.cluster.plane.request("DELETE", LEASE)
    wait_for(lambda: _holder(replicas) != "", what="the Lease is back", seconds=10)
    cache_id = replicas.world.bind()
    replicas.world.wait_reason("Available")
    replicas.world.delete()
    replicas.world.wait_gone()
    assert replicas.deleted_by(cache_id) == [replicas.first.key]
    assert (replicas.first.leads, replicas.second.terms) == (True, 0)


def _holder(replicas: Replicas) -> str:
    leases = replicas.cluster.plane.request("GET", LEASES)["items"]
    return str(leases[0]["spec"].get("holderIdentity") or "") if leases else ""
