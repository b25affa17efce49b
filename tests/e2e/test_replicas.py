"""Several replicas, as processes: one acts, the next takes over in time, and a former one does nothing any more."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagecache_controlplane import ControlPlane, Programs
from imagecache_playground.cloud import PROJECT
from imagecache_playground.cluster import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Cluster
from imagecache_playground.operator_process import Operator, operator_settings
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

SECOND_ACCOUNT = "imagecache-operator-2"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{OPERATOR_NAMESPACE}/leases/imagecache-operator"
SECRET_KEY = "SKEXAMPLE00000000000000000000000000000000"
LEADS, STANDS_BY = "This replica leads now", "leads no more and stands by"


class Replicas:
    """Two replicas, each with a service account and an access key of its own, so that it shows who did what."""

    def __init__(self, cluster: Cluster, directory: Path, audit_log: Path) -> None:
        self.cluster = cluster
        self.audit_log = audit_log
        keys = [{"access_key": f"AKREPLICA{number}0000000000", "secret_key": SECRET_KEY} for number in (1, 2)]
        scenario = {
            "timing": {"delete_seconds": 0.5},
            "writes_per_minute": 0,
            "accounts": [
                {
                    "domain_id": "d" * 32,
                    "domain_name": "example-domain",
                    "projects": [{"id": PROJECT, "name": "cn-north-4"}],
                    "access_keys": keys,
                }
            ],
        }
        self.world = Surroundings(cluster, "team-a", directory, scenario)
        self.keys = [key["access_key"] for key in keys]
        self.accounts = [OPERATOR_ACCOUNT, SECOND_ACCOUNT]
        self.operators = [self._start(directory, number) for number in (0, 1)]

    def _start(self, directory: Path, number: int) -> Operator:
        kubeconfig = self.cluster.plane.service_account_kubeconfig(
            directory / f"replica-{number}.kubeconfig", OPERATOR_NAMESPACE, self.accounts[number]
        )
        settings = operator_settings(
            self.world.cloud.endpoint,
            HUAWEICLOUD_SDK_AK=self.keys[number],
            HUAWEICLOUD_SDK_SK=SECRET_KEY,
            IMAGECACHE_LEADER_ELECTION="true",
            IMAGECACHE_LEASE_NAMESPACE=OPERATOR_NAMESPACE,
            IMAGECACHE_ACTIVE_INTERVAL="0.3",
            IMAGECACHE_IDLE_INTERVAL="1",
            IMAGECACHE_WRITES_PER_MINUTE="0",
        )
        return Operator(kubeconfig, settings, directory / f"replica-{number}.log", wait=False)

    def said(self, number: int, words: str) -> int:
        """How often a replica said that."""
        return self.operators[number].program.said().count(words)

    def wait_leader(self, number: int, *, seconds: float = 30, times: int = 1) -> None:
        """Until that replica leads for the so-manyth time."""
        wait_for(
            lambda: self.said(number, LEADS) >= times,
            what=f"replica {number} leads",
            seconds=seconds,
            stand=lambda: [operator.program.said()[-2000:] for operator in self.operators],
        )

    def deleted_by(self, cache_id: str) -> list[int]:
        """Which replicas have sent DELETEs for a cache, in order."""
        return [self.keys.index(call["credential"]) for call in self.world.deletes(cache_id)]

    def calls_by(self, number: int) -> int:
        """How many calls the cloud has had from a replica."""
        return sum(call["credential"] == self.keys[number] for call in self.world.cloud.calls())

    def writes_by(self, number: int) -> list[str]:
        """What a replica has changed in the cluster, but for the Lease."""
        user = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{self.accounts[number]}"
        entries = [json.loads(line) for line in self.audit_log.read_text(encoding="utf-8").splitlines()]
        return [
            f"{entry['verb']} {entry['requestURI']}"
            for entry in entries
            if entry["user"]["username"] == user
            and entry["verb"] not in {"get", "list", "watch"}
            and entry["objectRef"]["resource"] != "leases"
        ]

    def close(self) -> None:
        """End all."""
        for operator in self.operators:
            operator.program.stop()
        self.world.__exit__(None, None, None)


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
def replicas(programs: Programs, tmp_path: Path) -> Iterator[Replicas]:
    """Two replicas, of which the first leads."""
    audit_log = tmp_path / "audit.log"
    with ControlPlane(programs, audit_log=audit_log) as plane:
        cluster = Cluster(plane)
        cluster.install()
        cluster.create_namespace("team-a")
        accounts = json.dumps({"apiVersion": "v1", "kind": "List", "items": second_account()})
        cluster.kubectl("apply", "-f", "-", stdin=accounts)
        # Nobody holds it, so nobody is waited for.
        lease = {"metadata": {"name": "imagecache-operator"}, "spec": {"holderIdentity": ""}}
        plane.request("POST", LEASE.rpartition("/")[0], lease)
        made = Replicas(cluster, tmp_path, audit_log)
        try:
            wait_for(lambda: made.said(0, LEADS) + made.said(1, LEADS) > 0, what="one leads", seconds=15)
            if made.said(1, LEADS):
                made.operators.reverse()
                made.keys.reverse()
                made.accounts.reverse()
            yield made
        finally:
            made.close()


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
    replicas.operators[0].program.signal(signal.SIGTERM)
    for number in range(3, 6):
        world.delete(f"web-{number}")
    for number in range(6):
        world.wait_gone(f"web-{number}")
    first = min(call["wall"] for call in world.cloud.calls() if call["credential"] == replicas.keys[1])
    assert first - began <= 2.0
    assert [len(replicas.deleted_by(cache_id)) for cache_id in ids] == [1] * 6
    assert replicas.operators[0].program.stop() == 0


def test_a_replica_that_is_killed_is_followed_in_twenty_seconds(replicas: Replicas) -> None:
    """SIGKILL: nobody hands over, and the Lease runs out."""
    cache_id = replicas.world.bind()
    replicas.world.wait_reason("Available")
    began = time.time()
    replicas.operators[0].program.kill()
    replicas.world.delete()
    replicas.world.wait_gone(seconds=40)
    [call] = replicas.world.deletes(cache_id)
    assert call["credential"] == replicas.keys[1]
    assert call["wall"] - began <= 20.0


def test_a_replica_that_thaws_does_nothing_any_more(replicas: Replicas) -> None:
    """Frozen in the middle of deletions until the other has taken over: no call, no write, and it stands by."""
    world = replicas.world
    world.cloud.settings(timing={"delete_seconds": 3})
    ids = [world.bind(f"web-{number}") for number in range(8)]
    for number in range(8):
        world.wait_reason("Available", name=f"web-{number}")
    for number in range(8):
        world.delete(f"web-{number}")
    wait_for(lambda: len(world.cloud.calls("DeleteImageCache")) >= 2, what="two were asked for", seconds=5)
    replicas.operators[0].program.signal(signal.SIGSTOP)
    replicas.wait_leader(1)
    for number in range(8):
        world.wait_gone(f"web-{number}")
    calls, writes = replicas.calls_by(0), replicas.writes_by(0)
    replicas.operators[0].program.signal(signal.SIGCONT)
    wait_for(lambda: replicas.said(0, STANDS_BY) > 0, what="it stands by", seconds=10)
    late = world.bind("late")
    world.wait_reason("Available", name="late")
    world.delete("late")
    world.wait_gone("late")
    assert (replicas.calls_by(0), replicas.writes_by(0)) == (calls, writes)
    assert replicas.deleted_by(late) == [1]
    assert [len(replicas.deleted_by(cache_id)) for cache_id in ids] == [1] * 8


def test_without_the_api_server_nobody_acts(replicas: Replicas) -> None:
    """Past the renew deadline the leader stops looking at the cloud; when the API server is back one acts again."""
    world, plane = replicas.world, replicas.cluster.plane
    cache_id = world.bind()
    world.wait_reason("Available")
    plane.stop_apiserver()
    wait_for(lambda: replicas.said(0, STANDS_BY) > 0, what="it stops acting", seconds=15)
    calls = replicas.calls_by(0)
    wait_for(lambda: replicas.said(0, "The Lease cannot be had") > 0, what="it has tried again", seconds=15)
    assert replicas.calls_by(0) == calls
    plane.start_apiserver()
    wait_for(
        lambda: replicas.said(0, LEADS) + replicas.said(1, LEADS) == 2,
        what="one leads again",
        seconds=30,
        stand=lambda: [operator.program.said()[-1500:] for operator in replicas.operators],
    )
    world.delete()
    world.wait_gone()
    assert len(replicas.deleted_by(cache_id)) == 1


def test_a_lease_that_is_deleted_by_hand_is_written_anew(replicas: Replicas) -> None:
    """Its holder goes on; the other waits."""
    replicas.cluster.plane.request("DELETE", LEASE)
    wait_for(lambda: _holder(replicas) != "", what="the Lease is back", seconds=10)
    cache_id = replicas.world.bind()
    replicas.world.wait_reason("Available")
    replicas.world.delete()
    replicas.world.wait_gone()
    assert replicas.deleted_by(cache_id) == [0]
    assert (replicas.said(0, STANDS_BY), replicas.said(1, LEADS)) == (0, 0)


def _holder(replicas: Replicas) -> str:
    leases = replicas.cluster.plane.request("GET", LEASE.rpartition("/")[0])["items"]
    return str(leases[0]["spec"].get("holderIdentity") or "") if leases else ""
