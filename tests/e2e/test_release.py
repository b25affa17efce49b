"""`imagecache-operator release` as a process, with the role that it ships with and no credentials of the cloud."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.commands import Done, command

from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import wait_for
from imagecache_playground.replicas import LEASE_NAME, leases_of
from imagecache_playground.surroundings import FINALIZER, Surroundings

COMPONENTS = Path(__file__).resolve().parents[2] / "deploy" / "kustomize" / "components"
DEPLOYMENT = "imagecache-operator"


class Leaving:
    """A namespace that holds the objects, and the operator's own things beside them."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.namespace = world.namespace
        self.root = f"/api/v1/namespaces/{self.namespace}"
        role = (COMPONENTS / "release" / "role.yaml").read_text(encoding="utf-8")
        world.cluster.kubectl("apply", "-f", "-", stdin=role.replace("imagecache-system", self.namespace))
        self.request("POST", f"{self.root}/configmaps", {"metadata": {"name": "imagecache-retained"}})
        self.kubeconfig = world.cluster.plane.service_account_kubeconfig(
            world.directory / "release.kubeconfig", self.namespace, "imagecache-release"
        )

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """As an administrator."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return self.world.cluster.plane.request(method, path, body, kind)

    def release(self, *arguments: str) -> Done:
        """Run the command."""
        settings = {"IMAGECACHE_NAMESPACES": self.namespace, "IMAGECACHE_LEASE_NAMESPACE": self.namespace}
        return command(self.kubeconfig, settings, "release", *arguments)

    def lease(self, *, seconds: int, renewed: datetime | None = None) -> None:
        """Somebody leads, for so many seconds."""
        spec = {
            "holderIdentity": "pod-1",
            "leaseDurationSeconds": seconds,
            "renewTime": (renewed or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        self.request("POST", leases_of(self.namespace), {"metadata": {"name": LEASE_NAME}, "spec": spec})

    def objects(self, *names: str) -> dict[str, str]:
        """Objects that were served until their operator stopped; gives the ids of their caches."""
        ids = {name: self.world.bind(name) for name in names}
        operator = self.world.operator()
        for name in names:
            self.world.wait_reason("Available", name=name)
        operator.program.stop()
        return ids

    def held(self) -> set[str]:
        """The objects that carry our finalizer."""
        objects = self.world.cluster.objects(self.namespace)
        return {it["metadata"]["name"] for it in objects if FINALIZER in it["metadata"].get("finalizers", [])}

    def ledger(self) -> list[dict[str, Any]]:
        """What is recorded."""
        return self.world.cluster.ledger(self.namespace)


@pytest.fixture
def leaving(world: Surroundings) -> Leaving:
    """On the shared cluster."""
    return Leaving(world)


def test_all_are_let_go_and_what_stays_is_recorded(leaving: Leaving) -> None:
    """The check says which; then the finalizers are off, the cloud was not asked, and deletions leave the caches."""
    ids = leaving.objects("a", "b")
    check = leaving.release("--check")
    assert check.status == 1
    assert {line.split(":")[0] for line in check.lines} == {f"{leaving.namespace}/a", f"{leaving.namespace}/b"}
    assert leaving.held() == {"a", "b"}
    asked = len(leaving.world.cloud.calls())
    done = leaving.release("--all")
    assert (done.status, done.err) == (0, "")
    assert all(cache_id in done.out for cache_id in ids.values())
    assert leaving.held() == set()
    assert {(entry["object"], entry["id"]) for entry in leaving.ledger()} == {
        (f"{leaving.namespace}/{name}", cache_id) for name, cache_id in ids.items()
    }
    assert (leaving.release("--check").status, leaving.release("--all").status) == (0, 0)
    for name in ids:
        leaving.world.delete(name)
        leaving.world.wait_gone(name)
    assert leaving.world.cloud.caches().keys() == set(ids.values())
    assert len(leaving.world.cloud.calls()) == asked


def test_only_those_that_are_named_are_let_go(leaving: Leaving) -> None:
    """Also one that waits for its deletion: it goes. One that is not there is fine."""
    ids = leaving.objects("a", "b", "c")
    leaving.world.delete("a")
    assert leaving.world.get("a") is not None
    done = leaving.release(*(f"{leaving.namespace}/{name}" for name in ("a", "b", "nowhere")))
    assert done.status == 0
    assert leaving.world.get("a") is None
    assert leaving.held() == {"c"}
    assert leaving.world.cloud.caches().keys() == set(ids.values())
    assert leaving.release("--check", f"{leaving.namespace}/b").status == 0


def test_other_finalizers_stay(leaving: Leaving) -> None:
    """They are somebody else's."""
    leaving.objects("web")
    leaving.world.cluster.patch(
        leaving.namespace, "web", {"metadata": {"finalizers": ["example.com/a", FINALIZER, "example.com/b"]}}
    )
    assert leaving.release("--all").status == 0
    found = leaving.world.get()
    assert found is not None
    assert found["metadata"]["finalizers"] == ["example.com/a", "example.com/b"]
    leaving.world.cluster.patch(leaving.namespace, "web", {"metadata": {"finalizers": None}})


def test_it_refuses_while_an_operator_runs(leaving: Leaving) -> None:
    """A live Lease: nothing is changed, unless forced. One that has expired is no obstacle."""
    leaving.objects("web")
    leaving.lease(seconds=3600)
    done = leaving.release("--all")
    assert (done.status, done.out) == (1, "")
    assert "pod-1" in done.err
    assert leaving.held() == {"web"}
    assert leaving.release("--all", "--force").status == 0
    assert leaving.held() == set()


def test_a_lease_that_has_expired_is_no_obstacle(leaving: Leaving) -> None:
    """Its holder is dead."""
    leaving.objects("web")
    leaving.lease(seconds=15, renewed=datetime(2020, 1, 1, tzinfo=UTC))
    assert leaving.release("--all").status == 0
    assert leaving.held() == set()


def test_an_operator_that_runs_without_a_lease_is_noticed(leaving: Leaving) -> None:
    """It puts the finalizer back, and the command says so instead of claiming success."""
    leaving.world.bind()
    leaving.world.operator()
    leaving.world.wait_reason("Available")
    done = leaving.release("--all")
    assert done.status == 1
    assert "by an operator that runs" in done.err


def test_the_operator_is_stopped_first_where_that_is_asked_for(leaving: Leaving) -> None:
    """Scaled to 0, then its Lease is waited for. A Deployment that is not there is told, and nothing is done."""
    leaving.objects("web")
    labels = {"app": "operator"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "operator", "image": "none"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    path = f"/apis/apps/v1/namespaces/{leaving.namespace}/deployments"
    missing = leaving.release("--all", "--scale-down", DEPLOYMENT)
    assert missing.status == 1
    assert "no Deployment" in missing.err
    assert leaving.held() == {"web"}
    leaving.request("POST", path, {"metadata": {"name": DEPLOYMENT}, "spec": spec})
    leaving.lease(seconds=3)
    done = leaving.release("--all", "--scale-down", DEPLOYMENT)
    assert (done.status, done.err) == (0, "")
    assert leaving.request("GET", f"{path}/{DEPLOYMENT}")["spec"]["replicas"] == 0
    assert leaving.held() == set()


def test_the_role_allows_no_more(leaving: Leaving) -> None:
    """No deletion, no status, no Secret, no other Lease, ConfigMap or Deployment."""
    user = f"system:serviceaccount:{leaving.namespace}:imagecache-release"
    for verb, group, resource, name in (
        ("delete", "cce.huaweicloud.com", "imagecaches", ""),
        ("create", "cce.huaweicloud.com", "imagecaches", ""),
        ("list", "", "secrets", ""),
        ("get", "", "configmaps", "other"),
        ("get", "coordination.k8s.io", "leases", "other"),
        ("update", "coordination.k8s.io", "leases", LEASE_NAME),
        ("patch", "apps", "deployments", DEPLOYMENT),
        ("delete", "apps", "deployments", DEPLOYMENT),
    ):
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "name": name,
            "namespace": leaving.namespace,
        }
        review = {"spec": {"user": user, "resourceAttributes": attributes}}
        answer = leaving.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        assert not answer["status"]["allowed"], attributes


@pytest.fixture
def own(surroundings: Callable[..., Surroundings], own_cluster: Cluster) -> Leaving:
    """A cluster of its own, which may be changed as a whole."""
    return Leaving(surroundings(own_cluster))


def test_a_policy_that_puts_the_finalizer_back_is_named(own: Leaving) -> None:
    """With the way to remove it, which works; then the release does. Without the definition nothing is held."""
    own.objects("web")
    own.world.cluster.kubectl("apply", "-f", str(COMPONENTS / "finalizer-policy" / "policy.yaml"))
    refused: list[Done] = []

    def in_force() -> bool:
        refused.append(own.release("--all"))
        if refused[-1].status == 0:
            own.world.cluster.patch(own.namespace, "web", {"metadata": {"finalizers": [FINALIZER]}})
        return refused[-1].status == 1

    wait_for(in_force, what="the policy is in force", seconds=40)
    binding = "mutatingadmissionpolicybinding imagecache-finalizer"
    assert f"kubectl delete {binding}" in refused[-1].err
    assert own.held() == {"web"}
    own.world.cluster.kubectl("delete", *binding.split())
    wait_for(lambda: own.release("--all").status == 0, what="the policy is out of force", seconds=40)
    assert own.held() == set()
    own.world.cluster.kubectl("delete", "crd", "imagecaches.cce.huaweicloud.com", "--wait", "--timeout=60s")
    check = own.release("--check")
    assert (check.status, check.out) == (0, "")


def test_a_check_that_cannot_be_made_says_so(own: Leaving) -> None:
    """An API server that does not answer must not pass for one without objects."""
    own.world.cluster.plane.stop_apiserver()
    check = own.release("--check")
    assert (check.status, check.out) == (1, "")
    assert "cannot be listed" in check.err
