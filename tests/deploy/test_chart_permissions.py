"""The operator at work with the service account that the chart makes: its roles are enough, and no wider than said."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.deploy.kustomize import DEPLOY
from tests.deploy.roles import Permission, by_scope
from tests.helm import NAMESPACE, Helm, Object, install, is_hook

from imagecache_benchmarks.audit import AuditLog, refused, used
from imagecache_controlplane import ControlPlane, Programs
from imagecache_playground.cluster import Cluster
from imagecache_playground.operator_process import Operator, operator_settings
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

COMPONENTS = DEPLOY / "kustomize" / "components"


@dataclass
class Watched:
    """A control plane that writes down each request."""

    cluster: Cluster
    audit: AuditLog


@pytest.fixture(scope="module")
def watched(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Nothing is installed there."""
    log = tmp_path_factory.mktemp("audit") / "audit.log"
    with ControlPlane(programs, audit_log=log) as plane:
        yield Watched(Cluster(plane), AuditLog(log))


@pytest.mark.parametrize("limited", [False, True], ids=["all namespaces", "one namespace"])
def test_the_roles_are_enough(
    surroundings: Callable[..., Surroundings], watched: Watched, helm: Helm, namespace_name: str, limited: bool
) -> None:
    """Creating, binding, deleting, Events: nothing is refused; with `namespaces`, without any right elsewhere."""
    world = surroundings(watched.cluster, {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}})
    install(helm, watched.cluster, values={"namespaces": [namespace_name] if limited else []})
    world.operator()
    world.cluster.create(world.namespace, "web", images=["nginx:1.27"], build={"clusterID": "c271e39f"})
    world.wait_reason("Available")
    world.bind("bound", spec={"deletionPolicy": "Retain"})
    world.wait_reason("Available", name="bound")
    for name in ("web", "bound"):
        world.delete(name)
        world.wait_gone(name)
    assert [cache["name"] for cache in world.cloud.caches().values()] == ["bound"]
    wait_for(lambda: world.cluster.events(world.namespace, "web"), what="Events", seconds=10)
    assert refused(watched.audit.requests()) == []
    assert may_list(watched.cluster, "imagecaches", namespace_name)
    assert may_list(watched.cluster, "imagecaches", "default") is not limited


NAMED = ("configmaps", "leases", "customresourcedefinitions")


@pytest.mark.parametrize("secrets", [False, True], ids=["own credentials", "namespaced credentials"])
def test_every_permission_is_used(
    surroundings: Callable[..., Surroundings], helm: Helm, programs: Programs, tmp_path: Path, secrets: bool
) -> None:
    """The audit log of one life of two replicas has all that the roles allow, and nothing else."""
    log = AuditLog(tmp_path / "audit.log")
    values = {"namespacedCredentials": secrets}
    allowed = set().union(*operators(helm.template(values)).values())
    with ControlPlane(programs, audit_log=log.path) as plane:
        cluster = Cluster(plane)
        install(helm, cluster, values=values)
        seen = live(
            surroundings(cluster, {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}}), log, secrets, allowed
        )
    assert seen == allowed


def live(world: Surroundings, log: AuditLog, secrets: bool, allowed: set[Permission]) -> set[Permission]:
    """One life of two replicas, with all that the operator does in a cluster; returns what it made use of."""
    settings = {
        "IMAGECACHE_LEADER_ELECTION": "true",
        "IMAGECACHE_LEASE_NAMESPACE": NAMESPACE,
        "IMAGECACHE_NAMESPACES": "",
        "IMAGECACHE_NAMESPACED_CREDENTIALS": str(secrets).lower(),
    }
    world.operator(**settings)
    standby = Operator(
        world.kubeconfig,
        operator_settings(world.cloud.endpoint, **settings),
        world.directory / "standby.log",
        wait=False,
    )
    with standby:
        world.cluster.create(world.namespace, "web", images=["nginx:1.27"], build={"clusterID": "c271e39f"})
        world.bind("stays", spec={"deletionPolicy": "Retain"})
        for name in ("web", "stays"):
            world.wait_reason("Available", name=name)
        seen: set[Permission] = set()
        count = itertools.count()

        def conflicts() -> bool:
            """Somebody else writes at the same time, until the operator has had to look again."""
            for _ in range(5):
                world.annotate("web", f"now-{next(count)}")
                labels = {"metadata": {"labels": {"count": str(next(count))}}}
                world.cluster.patch(world.namespace, "web", labels)
            seen.update(used(log.requests(), NAMED))
            return ("cce.huaweicloud.com", "imagecaches", "get") in seen

        wait_for(conflicts, what="a conflict", seconds=60)
        for name in ("web", "stays"):
            world.delete(name)
            world.wait_gone(name)

        def all_used() -> bool:
            seen.update(used(log.requests(), NAMED))
            return seen >= allowed

        # A watch is told to the audit log when it begins, and that is after the standby has read the Lease.
        wait_for(all_used, what="all is used", seconds=20, stand=lambda: allowed - seen)
    return seen


def may_list(cluster: Cluster, resource: str, namespace: str) -> bool:
    """Whether the operator's account may."""
    user = f"system:serviceaccount:{NAMESPACE}:imagecache-operator"
    attributes = {"verb": "list", "group": "cce.huaweicloud.com", "resource": resource, "namespace": namespace}
    review = cluster.plane.request(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {"spec": {"user": user, "resourceAttributes": attributes}},
    )
    return bool(review["status"]["allowed"])


def operators(documents: list[Object]) -> dict[str, set[tuple[str, str, str]]]:
    """What the operator may do, by namespace."""
    return by_scope((document for document in documents if not is_hook(document)), "imagecache-operator")


def test_no_secret_is_read_by_default(helm: Helm) -> None:
    """Nor written: the word is in no rule, unless namespaced credentials are on, and then it is `list` alone."""
    plain = operators(helm.template())
    assert {resource for scope in plain.values() for _, resource, _ in scope} & {"secrets", "*"} == set()
    everywhere = operators(helm.template({"namespacedCredentials": True}))
    assert everywhere[""] - plain[""] == {("", "secrets", "list")}
    limited = operators(helm.template({"namespacedCredentials": True, "namespaces": ["team-a"]}))
    assert ("", "secrets", "list") in limited["team-a"]
    assert ("", "secrets", "list") not in limited[""] | limited[NAMESPACE]


def test_the_guard_may_only_look_unless_it_is_told_to_release(helm: Helm) -> None:
    """To refuse it needs no right to change anything; to release, those of the component for the command."""

    def allowed(release: bool) -> dict[str, set[tuple[str, str, str]]]:
        return by_scope(helm.template({"uninstall": {"release": release}}), "imagecache-operator-uninstall")

    group, crds = "cce.huaweicloud.com", "customresourcedefinitions/imagecaches.cce.huaweicloud.com"
    look = {(group, "imagecaches", "list"), ("apiextensions.k8s.io", crds, "get")}
    assert allowed(release=False) == {"": look}
    component = list(yaml.safe_load_all((COMPONENTS / "release" / "role.yaml").read_text(encoding="utf-8")))
    assert allowed(release=True) == by_scope(component, "imagecache-release")
