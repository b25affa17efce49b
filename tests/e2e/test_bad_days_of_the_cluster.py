"""Bad days of the cluster: role, token and definition are taken away and given back, and the operator runs on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.probes import QUICK, Probes, changed_program
from tests.helm import Helm, install

from imagecache_controlplane import ControlPlane, Programs
from imagecache_playground.cluster import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Cluster
from imagecache_playground.operator_process import Operator, operator_settings
from imagecache_playground.processes import wait_for
from imagecache_playground.replicas import LEASE, SCENARIO, Replica, offer_lease
from imagecache_playground.surroundings import Surroundings

DEFINITION = "imagecaches.cce.huaweicloud.com"
BINDING = f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{OPERATOR_ACCOUNT}"
NO_DEFINITION = f"The CustomResourceDefinition {DEFINITION} is not installed"
NO_ROLE = "The API server does not let the operator list ImageCaches"
NO_TOKEN = "The API server does not know the operator's token"


@pytest.fixture(scope="module")
def broken(programs: Programs, helm: Helm) -> Iterator[Cluster]:
    """A control plane that these tests break one after the other, and mend."""
    with ControlPlane(programs) as plane:
        cluster = Cluster(plane)
        install(helm, cluster)
        yield cluster


@pytest.fixture
def world(surroundings: Callable[..., Surroundings], broken: Cluster) -> Surroundings:
    """A namespace there, and a cloud that knows the keys of replicas, too."""
    return surroundings(broken, SCENARIO | {"timing": {"delete_seconds": 0.5}, "writes_per_minute": 0})


def start(world: Surroundings, directory: Path, probes: Probes, kubeconfig: Path | None = None) -> Operator:
    """An operator that does in a second what it else does in minutes, whether it can serve or not."""
    settings = operator_settings(
        world.cloud.endpoint,
        IMAGECACHE_NAMESPACES=world.namespace,
        IMAGECACHE_ACTIVE_INTERVAL="0.3",
        IMAGECACHE_IDLE_INTERVAL="1",
        IMAGECACHE_LEASE_NAMESPACE=OPERATOR_NAMESPACE,
        HUAWEICLOUD_SDK_AK=SCENARIO["accounts"][0]["access_keys"][0]["access_key"],
        **probes.settings,
        **changed_program(directory / "quick", QUICK),
    )
    return Operator(kubeconfig or world.kubeconfig, settings, directory / "operator.log", wait=False)


def works(world: Surroundings, name: str) -> None:
    """A cache is seen and deleted."""
    cache_id = world.bind(name)
    world.wait_reason("Available", name=name)
    world.delete(name)
    world.wait_gone(name)
    assert world.cloud.cache(cache_id) is None
    assert len(world.deletes(cache_id)) == 1


def test_the_definition_comes_late_and_goes_again(world: Surroundings, broken: Cluster, tmp_path: Path) -> None:
    """/readyz says so each time, /livez is content; it serves once it is (back) there; what stays is written down."""
    remove_definition(broken)
    probes = Probes()
    with start(world, tmp_path, probes) as operator:
        wait_without_definition(probes)
        broken.install_definition()
        probes.wait("readyz", 200)
        works(world, "first")
        kept = world.bind("kept")
        world.wait_reason("Available", name="kept")
        remove_definition(broken)
        wait_without_definition(probes)
        assert NO_DEFINITION in operator.program.said()
        assert "The watch ended, and is started again: " in operator.program.said()
        wait_for(lambda: kept in [it["id"] for it in broken.ledger()], what="what stays is in the ledger", seconds=15)
        broken.install_definition()
        probes.wait("readyz", 200)
        works(world, "second")
        assert "Traceback" not in operator.program.said()
        assert "multitasker" not in operator.program.said()
    assert world.cloud.cache(kept) is not None
    assert world.deletes(kept) == []


def remove_definition(cluster: Cluster) -> None:
    """The CRD, and all objects with it."""
    cluster.kubectl("delete", "crd", DEFINITION, "--timeout=60s")


def wait_without_definition(probes: Probes) -> None:
    """Until it is told; a restart would mend nothing."""
    probes.wait("readyz", 503, NO_DEFINITION)
    assert probes.ask("livez") == (200, "ok")


def test_the_role_is_given_late_and_taken_away(world: Surroundings, broken: Cluster, tmp_path: Path) -> None:
    """Told by /readyz and the log, with what to apply; what was asked for meanwhile is done once it is given back."""
    probes = Probes()
    binding = broken.plane.request("GET", BINDING)
    broken.plane.request("DELETE", BINDING)
    with start(world, tmp_path, probes) as operator:
        assert probes.wait("readyz", 503, NO_ROLE).endswith("apply its ClusterRole.")
        assert probes.ask("livez") == (200, "ok")
        give_back(broken, binding)
        probes.wait("readyz", 200)
        cache_id = world.bind()
        world.wait_reason("Available")
        said = len(operator.program.said())
        broken.plane.request("DELETE", BINDING)
        world.delete()
        wait_for(lambda: NO_ROLE in operator.program.said()[said:], what="it is told", seconds=20)
        assert world.get() is not None
        assert probes.ask("livez") == (200, "ok")
        give_back(broken, binding)
        world.wait_gone(seconds=30)
        assert world.cloud.cache(cache_id) is None
        probes.wait("readyz", 200)


def give_back(cluster: Cluster, binding: dict[str, Any]) -> None:
    """Made anew."""
    made = binding | {"metadata": {"name": binding["metadata"]["name"]}}
    cluster.plane.request("POST", BINDING.rpartition("/")[0], made)


class Token:
    """A token of the operator's account in a file, which ends when its Secret is deleted."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self._plane = cluster.plane
        self._file = directory / "token"
        self._secrets = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/secrets"
        self.kubeconfig = directory / "token.kubeconfig"
        cluster_part = {"server": self._plane.server, "certificate-authority": str(self._plane.ca_file)}
        config = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
            "clusters": [{"name": "here", "cluster": cluster_part}],
            "users": [{"name": "here", "user": {"tokenFile": str(self._file)}}],
        }
        self.kubeconfig.write_text(json.dumps(config), encoding="utf-8")

    def renew(self, name: str) -> None:
        """Another token, by another Secret."""
        secret = self._plane.request("POST", self._secrets, {"metadata": {"name": name}})
        bound = {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": secret["metadata"]["uid"]}
        account = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/serviceaccounts/{OPERATOR_ACCOUNT}/token"
        answer = self._plane.request("POST", account, {"spec": {"boundObjectRef": bound}})
        fresh = self._file.with_suffix(".new")
        fresh.write_text(answer["status"]["token"], encoding="utf-8")
        fresh.rename(self._file)

    def end(self, name: str) -> None:
        """The API server takes the token of that Secret no more."""
        self._plane.request("DELETE", f"{self._secrets}/{name}")


def test_the_token_ends_and_is_renewed(world: Surroundings, broken: Cluster, tmp_path: Path) -> None:
    """Told in one sentence that shows no token; the new one in the file is found, and the work goes on."""
    token, probes = Token(broken, tmp_path), Probes()
    token.renew("first")
    cache_id = world.bind()
    with start(world, tmp_path, probes, token.kubeconfig) as operator:
        world.wait_reason("Available")
        token.end("first")
        wait_for(
            lambda: NO_TOKEN in operator.program.said(), what="it is told", seconds=30, stand=operator.program.said
        )
        world.delete()
        assert probes.ask("livez") == (200, "ok")
        token.renew("second")
        world.wait_gone(seconds=30)
        assert world.cloud.cache(cache_id) is None
        probes.wait("readyz", 200)
        works(world, "again")
        assert "eyJ" not in operator.program.said()


def test_who_stands_by_is_well_and_ready(world: Surroundings, broken: Cluster, tmp_path: Path) -> None:
    """A replica that waits for the Lease answers both probes, before and after it takes over."""
    offer_lease(broken)
    both = [Probes(), Probes()]
    replicas = [
        Replica(
            world.kubeconfig,
            world.cloud.endpoint,
            tmp_path / f"replica-{number}.log",
            number,
            IMAGECACHE_NAMESPACES=world.namespace,
            **both[number].settings,
        )
        for number in (0, 1)
    ]
    try:
        for probes in both:
            probes.wait("readyz", 200)
        assert [probes.ask("livez") for probes in both] == [(200, "ok")] * 2
        wait_for(lambda: sum(replica.leads for replica in replicas) == 1, what="one leads", seconds=10)
        leader = 0 if replicas[0].leads else 1
        assert replicas[leader].program.stop() == 0
        replicas[1 - leader].wait_leads()
        both[1 - leader].wait("readyz", 200)
        assert both[1 - leader].ask("livez") == (200, "ok")
    finally:
        for replica in replicas:
            replica.program.stop()
        broken.plane.request("DELETE", LEASE)
