"""The operator at work with the service account that the chart makes: its roles are enough, and no wider than said."""

from __future__ import annotations

from collections.abc import Callable

from tests.deploy.roles import by_scope
from tests.helm import NAMESPACE, Helm, Object, install, is_hook

from imagecache_playground.cluster import Cluster
from imagecache_playground.surroundings import Surroundings


def work(world: Surroundings) -> None:
    """Have a cache created and another one bound, and both deleted, as users do."""
    world.operator()
    world.cluster.create(world.namespace, "web", images=["nginx:1.27"], build={"clusterID": "c271e39f"})
    world.wait_reason("Available")
    world.bind("bound")
    world.wait_reason("Available", name="bound")
    for name in ("web", "bound"):
        world.delete(name)
        world.wait_gone(name)
    assert world.cloud.caches() == {}


def refused(world: Surroundings) -> list[str]:
    """What the API server did not allow, as the operator's log has it."""
    logs = world.directory.glob("operator-*.log")
    return [
        line for log in logs for line in log.read_text(encoding="utf-8").splitlines() if "forbidden" in line.lower()
    ]


def test_the_cluster_wide_role_is_enough(surroundings: Callable[..., Surroundings], chart_cluster: Cluster) -> None:
    """Creating, binding and deleting, with nothing refused."""
    world = surroundings(chart_cluster, {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}})
    work(world)
    assert refused(world) == []


def test_roles_in_one_namespace_are_enough(
    surroundings: Callable[..., Surroundings], own_plane: Cluster, helm: Helm, namespace_name: str
) -> None:
    """With `namespaces`, the same work is done without any right elsewhere."""
    world = surroundings(own_plane, {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}})
    install(helm, own_plane, values={"namespaces": [namespace_name]})
    work(world)
    assert refused(world) == []
    assert not may_list(own_plane, "imagecaches", "default")
    assert may_list(own_plane, "imagecaches", namespace_name)


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
    """To refuse it needs no right to change anything; to release, those of the command, and no more."""

    def allowed(release: bool) -> dict[str, set[tuple[str, str, str]]]:
        return by_scope(helm.template({"uninstall": {"release": release}}), "imagecache-operator-uninstall")

    group, crds = "cce.huaweicloud.com", "customresourcedefinitions/imagecaches.cce.huaweicloud.com"
    look = {(group, "imagecaches", "list"), ("apiextensions.k8s.io", crds, "get")}
    assert allowed(release=False) == {"": look}
    assert allowed(release=True) == {
        "": look | {(group, "imagecaches", "get"), (group, "imagecaches", "patch")},
        NAMESPACE: {
            ("", "configmaps/imagecache-retained", "get"),
            ("", "configmaps/imagecache-retained", "patch"),
            ("apps", "deployments/scale/imagecache-operator", "get"),
            ("apps", "deployments/scale/imagecache-operator", "patch"),
            ("coordination.k8s.io", "leases/imagecache-operator", "get"),
        },
    }
