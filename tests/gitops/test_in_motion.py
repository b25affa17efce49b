"""From the manifest in Git until it is removed from there: what Argo CD and Flux do to an object, and show of it.

The operator is a process, the API server is real, the cloud is simulated; the engines judge the objects as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.commands import command
from tests.gitops.engines import Argo, Flux

from imagecache_playground.cloud import BUILDER
from imagecache_playground.cluster import GROUP_PATH, OPERATOR_NAMESPACE, Cluster, KubectlError, Object
from imagecache_playground.surroundings import Surroundings

APPLY = {
    "argo": ("apply",),
    "flux": ("apply", "--server-side", "--field-manager", "kustomize-controller", "--force-conflicts"),
}
"""How each applies a manifest, as flags of kubectl."""

PRUNE = {"argo": "Foreground", "flux": "Background"}
"""How each deletes an object whose manifest is gone, unless told otherwise."""


class Git:
    """One manifest, and what the two tools do with it."""

    def __init__(self, world: Surroundings, file: Path) -> None:
        self.world = world
        self.file = file
        self.write()

    def write(self, **spec: Any) -> None:
        """Change the manifest."""
        manifest = {
            "apiVersion": "cce.huaweicloud.com/v1alpha1",
            "kind": "ImageCache",
            "metadata": {"name": "web", "namespace": self.world.namespace},
            "spec": {"images": ["nginx:1.27"], **spec},
        }
        self.file.write_text(yaml.safe_dump(manifest), encoding="utf-8")

    def apply(self, tool: str) -> None:
        """As the tool does it when the manifest has changed."""
        self.world.cluster.kubectl(*APPLY[tool], "-f", str(self.file))

    def prune(self, tool: str) -> None:
        """As the tool does it when the manifest is gone."""
        path = f"{GROUP_PATH}/namespaces/{self.world.namespace}/imagecaches/web"
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": PRUNE[tool]}
        self.world.cluster.plane.request("DELETE", path, options)

    def act(self, argo: Argo, action: str) -> None:
        """What Argo CD does for its button: a merge patch of what the action has changed."""
        live = self.live
        changed = argo.run(live, action)
        annotations, spec = changed["metadata"].get("annotations", {}), changed["spec"]
        patch = {"metadata": {"annotations": annotations}, "spec": spec}
        self.world.cluster.patch(self.world.namespace, "web", patch)

    def wait_gone(self) -> None:
        """With time for the garbage collector, which looks for new kinds every 30 s: `Foreground` waits for it too."""
        self.world.wait_gone(seconds=60)

    @property
    def live(self) -> Object:
        """The object, which must be there."""
        found = self.world.get()
        assert found is not None
        return found


@pytest.fixture
def git(surroundings: Callable[..., Surroundings], cluster: Cluster, tmp_path: Path) -> Git:
    """A cloud that builds within a second and deletes within two, and a manifest."""
    timing = {"create_seconds": 0.7, "delete_seconds": 2}
    world = surroundings(cluster, {"timing": timing, "writes_per_minute": 0})
    return Git(world, tmp_path / "web.yaml")


def start(git: Git) -> None:
    """Start an operator that can build."""
    git.world.operator(IMAGECACHE_CLUSTER_ID=BUILDER)


@pytest.mark.parametrize("tool", ["argo", "flux"])
def test_from_the_manifest_until_it_is_gone(git: Git, tool: str, argo: Argo, flux: Flux) -> None:
    """Not finished before the cache is; no drift once it is; terminating, with a reason, until it is gone."""
    git.apply(tool)
    assert argo.health(git.live)[0]["status"] == "Progressing"
    assert flux.by_conditions(git.live) == ["InProgress"]

    start(git)
    ready = git.world.wait_reason("Available")
    assert argo.health(ready)[0]["status"] == "Healthy"
    assert argo.in_sync(ready, git.file)
    assert flux.by_conditions(ready) == flux.by_expressions(ready) == ["Current"]
    git.apply(tool)
    assert git.live["metadata"]["resourceVersion"] == ready["metadata"]["resourceVersion"]

    git.prune(tool)
    going = git.world.wait_reason("Deleting")
    (shown,) = argo.health(going)
    assert shown["status"] == "Progressing"
    assert shown["message"].startswith("Deleting: ")
    assert flux.by_conditions(going) == ["Terminating"]
    git.wait_gone()
    assert git.world.cloud.caches() == {}


@pytest.mark.parametrize("tool", ["argo", "flux"])
def test_a_manifest_that_comes_back_during_the_deletion(git: Git, tool: str) -> None:
    """The deletion goes on; the next apply after it makes a new object, with a new cache."""
    start(git)
    git.apply(tool)
    old = git.world.wait_reason("Available")
    git.prune(tool)
    git.world.wait_reason("Deleting")
    git.apply(tool)
    assert git.live["metadata"]["uid"] == old["metadata"]["uid"]
    git.wait_gone()
    git.apply(tool)
    made = git.world.wait_reason("Available")
    assert made["metadata"]["uid"] != old["metadata"]["uid"]
    assert list(git.world.cloud.caches()) == [made["status"]["imageCacheID"]]


def test_a_change_is_coming_until_the_operator_has_seen_it(git: Git, argo: Argo, flux: Flux) -> None:
    """Neither tool takes the old conditions for an answer to the new manifest."""
    operator = git.world.operator(IMAGECACHE_CLUSTER_ID=BUILDER)
    git.apply("argo")
    git.world.wait_reason("Available")
    operator.program.stop()
    git.write(sizeGiB=40, recreateOn=["SpecChanged"])
    git.apply("argo")
    assert argo.health(git.live)[0] == {
        "status": "Progressing",
        "message": "Waiting for the operator to look at this object",
    }
    assert flux.by_conditions(git.live) == flux.by_expressions(git.live) == ["InProgress"]


def test_forcing_a_change_that_is_refused_costs_the_cache(git: Git) -> None:
    """Refused, the object stays as it is; forced, it is deleted and made anew, and its cache with it."""
    start(git)
    git.apply("argo")
    old = git.world.wait_reason("Available")
    git.write(sizeGiB=40)
    with pytest.raises(KubectlError, match="sizeGiB may change only with SpecChanged in recreateOn"):
        git.apply("argo")
    assert git.live["spec"] == old["spec"]
    git.world.cluster.kubectl("apply", "--force", "--timeout", "60s", "-f", str(git.file))
    made = git.world.wait_reason("Available")
    assert made["metadata"]["uid"] != old["metadata"]["uid"]
    assert list(git.world.cloud.caches()) == [made["status"]["imageCacheID"]]


def test_the_action_reconcile_has_the_operator_look(git: Git, argo: Argo) -> None:
    """Its moment comes back in the status, and Argo CD sees no difference in it."""
    start(git)
    git.apply("argo")
    git.world.wait_reason("Available")
    git.act(argo, "reconcile")
    git.world.wait(lambda it: it is not None and it["status"].get("lastHandledReconcileAt"), what="it has looked")
    assert argo.in_sync(git.live, git.file)


def test_the_action_recreate_builds_anew(git: Git, argo: Argo) -> None:
    """One new cache, none left behind, and Argo CD sees no difference."""
    start(git)
    git.apply("argo")
    old = git.world.wait_reason("Available")["status"]["imageCacheID"]
    git.act(argo, "recreate")
    git.world.wait(
        lambda it: it is not None and it["status"].get("imageCacheID") not in {None, old}, what="a new cache"
    )
    git.world.wait_reason("Available")
    assert len(git.world.cloud.caches()) == 1
    assert argo.in_sync(git.live, git.file)


def test_the_action_retain_lets_go_of_a_deletion(git: Git, argo: Argo) -> None:
    """A deletion that does not end is over, and the cache stays."""
    start(git)
    git.apply("argo")
    cache_id = git.world.wait_reason("Available")["status"]["imageCacheID"]
    git.world.cloud.change_cache(cache_id, delete_behaviour={"never": True})
    git.prune("argo")
    git.world.wait_reason("DeleteRequested", "Deleting")
    git.act(argo, "retain")
    git.wait_gone()
    assert list(git.world.cloud.caches()) == [cache_id]


@pytest.mark.parametrize(
    ("said", "in_sync"), [({}, True), ({"deletionPolicy": "Delete"}, False), ({"deletionPolicy": "Retain"}, True)]
)
def test_the_action_retain_is_a_difference_where_the_manifest_says_otherwise(
    git: Git, argo: Argo, said: dict[str, str], in_sync: bool
) -> None:
    """Argo CD would put it back with selfHeal only where the manifest names the field."""
    git.write(**said)
    git.apply("argo")
    git.act(argo, "retain")
    assert git.live["spec"]["deletionPolicy"] == "Retain"
    assert argo.in_sync(git.live, git.file) is in_sync


@pytest.mark.parametrize("back", [True, False], ids=["the operator comes back", "release"])
def test_an_operator_that_left_git_with_its_caches(git: Git, back: bool, argo: Argo, flux: Flux) -> None:
    """Nothing takes the finalizer off, and nothing looks finished; both ways out of the document lead out."""
    operator = git.world.operator(IMAGECACHE_CLUSTER_ID=BUILDER)
    git.apply("flux")
    cache_id = git.world.wait_reason("Available")["status"]["imageCacheID"]
    operator.program.stop()
    git.prune("flux")
    stuck = git.live
    assert argo.health(stuck)[0]["status"] == "Progressing"
    assert flux.by_conditions(stuck) == ["Terminating"]
    if back:
        operator.start()
    else:
        settings = {"IMAGECACHE_LEASE_NAMESPACE": OPERATOR_NAMESPACE}
        done = command(git.world.cluster.plane.kubeconfig, settings, "release", f"{git.world.namespace}/web")
        assert (done.status, cache_id in done.out) == (0, True), done
    git.wait_gone()
    assert list(git.world.cloud.caches()) == ([] if back else [cache_id])
