"""The operator at work with the service account that the chart makes: its roles are enough, and no wider than said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import yaml
from tests.deploy.kustomize import DEPLOY
from tests.deploy.roles import by_scope
from tests.helm import NAMESPACE, Helm, Object, install, is_hook

from imagecache_benchmarks.audit import AuditLog
from imagecache_controlplane import ControlPlane, Programs
from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

COMPONENTS = DEPLOY / "kustomize" / "components"


@dataclass
class Watched:
    """A control plane that writes down each request."""

    cluster: Cluster
    audit: AuditLog

    def refused(self) -> list[str]:
        """What the operator was not allowed to do since the last look."""
        return [
            f"{request['verb']} {request['requestURI']}"
            for request in self.audit.requests()
            if request["responseStatus"]["code"] in {401, 403}
        ]


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
    assert watched.refused() == []
    assert may_list(watched.cluster, "imagecaches", namespace_name)
    assert may_list(watched.cluster, "imagecaches", "default") is not limited


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
