"""`imagecache-operator doctor` as a process, beside a real API server and the simulator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.e2e.commands import Done, run

from imagecache_playground.cloud import SECRET_KEY
from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings


def outcomes(done: Done) -> dict[str, str]:
    """How each check went, out of JSON."""
    return {check["check"]: check["outcome"] for check in done.json["checks"]}


def failed(done: Done) -> set[str]:
    """The checks that have failed."""
    return {check for check, outcome in outcomes(done).items() if outcome == "failed"}


def test_a_good_set_up_is_all_ok(world: Surroundings) -> None:
    """With the role that ships, every check passes; text and JSON agree, and nothing has a secret in it."""
    text = run(world, "doctor", "--delete")
    assert (text.status, text.err) == (0, "")
    assert all(line.startswith(("ok ", "skipped ")) for line in text.lines), text.out
    told = run(world, "doctor", "--output", "json")
    assert told.status == 0
    assert told.json["ok"] is True
    assert list(outcomes(told)) == [line.split(maxsplit=1)[1].split(": ")[0] for line in text.lines]
    assert SECRET_KEY not in text.out + told.out


def test_wrong_settings_are_the_status_2(world: Surroundings) -> None:
    """One sentence each, and nothing is looked at."""
    done = run(world, "doctor", "--region", "NOWHERE", "--idle-interval", "soon")
    assert (done.status, done.out) == (2, "")
    assert len(done.err.splitlines()) == 2
    assert not world.cloud.calls()


def test_a_misspelt_setting_is_a_warning(world: Surroundings) -> None:
    """It is no failure, but somebody meant something by it."""
    done = run(world, "doctor", "--output", "json", IMAGECACHE_REGIN="cn-north-4")
    assert done.status == 0
    assert outcomes(done)["settings"] == "warning"


def test_a_wrong_secret_fails_once_and_leaves_the_cluster_to_be_looked_at(world: Surroundings) -> None:
    """One 401 in the cloud's log, whatever could be tried after it."""
    done = run(world, "doctor", "--delete", "--output", "json", HUAWEICLOUD_SDK_SK="SKWRONG-SECRET")
    assert done.status == 1
    assert failed(done) == {"account"}
    assert outcomes(done)["permissions in the cluster"] == "ok"
    assert sum(call["status"] == 401 for call in world.cloud.calls()) == 1
    assert "SKWRONG-SECRET" not in done.out + done.err


def test_an_account_without_rights_is_told_which(world: Surroundings) -> None:
    """Any service account may ask, and is told what it lacks; the cloud is looked at all the same."""
    plane = world.cluster.plane
    plane.request("POST", f"/api/v1/namespaces/{world.namespace}/serviceaccounts", {"metadata": {"name": "nobody"}})
    kubeconfig = plane.service_account_kubeconfig(world.directory / "nobody.kubeconfig", world.namespace, "nobody")
    done = run(world, "doctor", kubeconfig=kubeconfig)
    assert done.status == 1
    assert "patch imagecaches/status.cce.huaweicloud.com" in done.out
    assert any(line.startswith("ok") and "cce:imageCache:list" in line for line in done.lines)


def test_without_an_api_server_the_cloud_is_looked_at(world: Surroundings) -> None:
    """No kubeconfig: one failure, and the rest goes on."""
    done = run(world, "doctor", "--output", "json", kubeconfig=world.directory / "missing")
    assert done.status == 1
    assert failed(done) == {"API server"}
    assert outcomes(done)["permission cce:imageCache:list"] == "ok"


def test_the_lease_says_who_leads(world: Surroundings) -> None:
    """Held, and no longer renewed: the latter is a warning. Without the right to read it, it is left out."""
    plane = world.cluster.plane
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases"
    lease = {
        "metadata": {"name": "chosen"},
        "spec": {"holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": "2020-01-01T00:00:00.000000Z"},
    }
    plane.request("POST", leases, lease)
    flags = ("--lease-namespace", world.namespace, "--lease-name", "chosen", "--output", "json")
    assert outcomes(run(world, "doctor", *flags, kubeconfig=plane.kubeconfig))["Lease"] == "warning"
    patch = {"spec": {"renewTime": "2999-01-01T00:00:00.000000Z"}}
    plane.request("PATCH", f"{leases}/chosen", patch, "application/merge-patch+json")
    held = run(world, "doctor", *flags, kubeconfig=plane.kubeconfig)
    assert outcomes(held)["Lease"] == "ok"
    assert "pod-1" in held.out


@pytest.fixture
def own_world(surroundings: Callable[..., Surroundings], own_cluster: Cluster) -> Surroundings:
    """A cluster whose definition may be broken."""
    return surroundings(own_cluster)


def test_a_definition_that_is_old_or_gone_is_told(own_world: Surroundings) -> None:
    """An old one would drop fields, which are named; the repair that is told works."""
    plane = own_world.cluster.plane
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/imagecaches.cce.huaweicloud.com"
    status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties"
    patch = [{"op": "remove", "path": f"{status}/creation"}]
    plane.request("PATCH", path, patch, "application/json-patch+json")
    old = run(own_world, "doctor", kubeconfig=plane.kubeconfig)
    assert old.status == 1
    assert "status.creation" in old.out
    printed = run(own_world, "crd")
    own_world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=printed.out)
    assert run(own_world, "doctor", kubeconfig=plane.kubeconfig).status == 0
    plane.request("DELETE", path)

    def gone() -> bool:
        return failed(run(own_world, "doctor", "--output", "json", kubeconfig=plane.kubeconfig)) == {
            "CustomResourceDefinition"
        }

    wait_for(gone, what="the definition is missed", seconds=30)
