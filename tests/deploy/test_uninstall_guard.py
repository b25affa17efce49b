"""`helm uninstall` with its guard: refused while objects carry our finalizer, or told to let go of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.kubelet import GUARD, Kubelet
from tests.helm import NAMESPACE, RELEASE, Helm, HelmError, Object, install

from imagecache_controlplane import ApiError
from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import FINALIZER

DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}"


@dataclass
class Installed:
    """The chart in a cluster, with an object that an operator has put its finalizer on."""

    cluster: Cluster
    helm: Helm
    kubelet: Kubelet

    def uninstall(self) -> str:
        """As a person would; returns what the guard said.

        Raises:
            HelmError: helm failed.
        """
        with self.kubelet.working():
            self.helm.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--timeout", "120s")
        return self.kubelet.said[-1]

    def upgrade(self, **values: Any) -> None:
        """With changed values, as the page says."""
        install(self.helm, self.cluster, "--reset-then-reuse-values", values=values)

    def roll_back(self) -> None:
        """The way out of a refused uninstall that the page tells."""
        self.helm.run("rollback", RELEASE, "1", "--namespace", NAMESPACE)

    def status(self) -> str:
        """What helm thinks of the release."""
        line = self.helm.run("status", RELEASE, "--namespace", NAMESPACE).splitlines()
        return next(text for text in line if text.startswith("STATUS:"))

    def look(self, path: str) -> Object | None:
        """What is there, None when nothing is."""
        try:
            found: Object = self.cluster.plane.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def leftovers(self) -> list[str]:
        """Roles and accounts of the guard."""
        listed = self.cluster.kubectl(
            "get", "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings", "-A", "-o", "name"
        )
        return [line for line in listed.splitlines() if line.endswith(("-uninstall", "-uninstall-objects"))]


@pytest.fixture
def start(own_plane: Cluster, helm: Helm, tmp_path: Path) -> Callable[..., Installed]:
    """Installs with values; the object team-a/web carries the finalizer."""

    def started(**values: Any) -> Installed:
        own_plane.create_namespace("team-a")
        here = install(helm, own_plane, values=values)
        own_plane.create("team-a", "web", name="nginx")
        own_plane.patch("team-a", "web", {"metadata": {"finalizers": [FINALIZER]}})
        return Installed(own_plane, here, Kubelet(own_plane, tmp_path))

    return started


@pytest.mark.parametrize("values", [{}, {"namespaces": ["team-a"]}], ids=["all namespaces", "one namespace"])
def test_refused_with_the_name_of_the_object_then_allowed(start: Callable[..., Installed], values: Object) -> None:
    """Nothing is deleted by a refused uninstall; without the object the next one goes through. The CRD stays."""
    installed = start(**values)
    with pytest.raises(HelmError, match=GUARD):
        installed.uninstall()
    assert "team-a/web: carries our finalizer" in installed.kubelet.said[-1]
    assert installed.look(DEPLOYMENT)
    assert (installed.cluster.get("team-a", "web") or {})["metadata"]["finalizers"] == [FINALIZER]
    # The right to look at objects is not left behind.
    assert installed.leftovers() == []

    installed.cluster.patch("team-a", "web", {"metadata": {"finalizers": None}})
    assert installed.uninstall() == ""
    wait_for(lambda: installed.look(DEPLOYMENT) is None, what="the Deployment is gone", seconds=30)
    assert installed.leftovers() == []
    assert installed.cluster.get("team-a", "web")


def test_after_a_refusal_a_rollback_makes_upgrades_possible(start: Callable[..., Installed]) -> None:
    """Helm itself takes the release for half gone until then; the way out is the one that the document tells."""
    installed = start()
    with pytest.raises(HelmError):
        installed.uninstall()
    assert installed.status() == "STATUS: uninstalling"
    with pytest.raises(HelmError, match="has no deployed releases"):
        installed.upgrade(replicas=2)
    installed.roll_back()
    assert installed.status() == "STATUS: deployed"
    installed.upgrade(replicas=2)
    assert (installed.look(DEPLOYMENT) or {})["spec"]["replicas"] == 2


@pytest.mark.parametrize("values", [{}, {"namespaces": ["team-a"]}], ids=["all namespaces", "one namespace"])
def test_released_when_told_to(start: Callable[..., Installed], values: Object) -> None:
    """The operator is stopped, the finalizer taken off although a policy had put it on, and all is uninstalled."""
    installed = start(finalizerPolicy={"enabled": True}, **values)
    installed.upgrade(uninstall={"release": True})
    said = installed.uninstall()
    assert f"Scaled the Deployment {NAMESPACE}/{RELEASE} to 0." in said
    assert "team-a/web: released" in said
    assert "finalizers" not in (installed.cluster.get("team-a", "web") or {})["metadata"]
    wait_for(lambda: installed.look(DEPLOYMENT) is None, what="the Deployment is gone", seconds=30)
    assert installed.leftovers() == []
