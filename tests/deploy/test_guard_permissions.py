"""What the uninstall guard may do in the cluster: the audit log shows that it needs each of its permissions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.deploy.kubelet import GUARD, Kubelet
from tests.deploy.roles import Permission, by_scope
from tests.deploy.test_uninstall_guard import Installed
from tests.helm import CHART, NAMESPACE, RELEASE, Helm, HelmError, install

from imagecache_benchmarks.audit import AuditLog, refused, used
from imagecache_controlplane import ControlPlane, Programs
from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import FINALIZER

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/imagecaches.cce.huaweicloud.com"
NAMED = ("configmaps", "leases", "customresourcedefinitions", "deployments/scale")


def allowed(helm: Helm, *, release: bool) -> set[Permission]:
    """What the chart gives the guard, wherever that is."""
    return set().union(*by_scope(helm.template({"uninstall": {"release": release}}), GUARD).values())


def asked(requests: list[dict[str, Any]]) -> set[Permission]:
    """What was made use of, also where the answer was that there is no such thing."""
    return used([{**request, "responseStatus": {"code": 200}} for request in requests], NAMED)


def test_every_permission_of_the_guard_is_used(programs: Programs, helm: Helm, tmp_path: Path) -> None:
    """By a refusal, by a release, and by an uninstall without a definition; nothing is refused to it."""
    log = AuditLog(tmp_path / "audit.log", f"system:serviceaccount:{NAMESPACE}:{GUARD}")
    with ControlPlane(programs, audit_log=log.path) as plane:
        cluster = Cluster(plane)
        installed = Installed(cluster, install(helm, cluster), Kubelet(cluster, tmp_path))
        ledger = f"/api/v1/namespaces/{NAMESPACE}/configmaps/imagecache-retained"
        cluster.create("default", "web", imageCacheID="0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")
        cluster.patch("default", "web", {"metadata": {"finalizers": [FINALIZER]}})
        with pytest.raises(HelmError, match=GUARD):
            installed.uninstall()
        looking = log.requests()
        installed.roll_back()
        installed.upgrade(uninstall={"release": True})
        installed.uninstall()
        assert "0a1b2c3d" in (installed.look(ledger) or {})["data"]["caches"]
        releasing = log.requests()

        plane.request("DELETE", CRD)
        wait_for(lambda: installed.look(CRD) is None, what="the definition is gone", seconds=30)
        # `install` would wait for the definition.
        arguments = "install", RELEASE, str(CHART), "--namespace", NAMESPACE
        installed.helm.run(*arguments, values={"crds": {"install": False}})
        installed.uninstall()
        without = log.requests()

    assert refused([*looking, *releasing, *without]) == []
    assert asked([*looking, *without]) == allowed(helm, release=False)
    assert asked([*releasing, *without]) == allowed(helm, release=True)
