"""helm install, upgrade and uninstall against a real API server: what changes, what stays, what is found again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.helm import CHART, NAMESPACE, RELEASE, Helm, HelmError, Object, install

from imagecache_controlplane import ApiError, ControlPlane, Programs
from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import wait_for

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/imagecaches.cce.huaweicloud.com"
LEDGER = f"/api/v1/namespaces/{NAMESPACE}/configmaps/imagecache-retained"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/imagecache-operator"
SETTINGS = f"/api/v1/namespaces/{NAMESPACE}/configmaps/imagecache-operator"
ACCOUNT = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/imagecache-operator"
CLUSTER_ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/imagecache-operator"
ROLE = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/imagecache-operator"
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def bare(programs: Programs) -> Iterator[Cluster]:
    """A cluster in which nothing is installed."""
    with ControlPlane(programs) as plane:
        yield Cluster(plane)


@pytest.fixture
def put(bare: Cluster, helm: Helm) -> Iterator[Callable[..., Helm]]:
    """Installs or upgrades; at the end all is taken away, also what an uninstall keeps."""
    yield lambda *options, values=None: install(helm, bare, *options, values=values)
    here = helm.of(bare.plane.kubeconfig)
    here.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--no-hooks", "--ignore-not-found")
    for path in (CRD, f"/api/v1/namespaces/{NAMESPACE}"):
        remove(bare, path)


def remove(cluster: Cluster, path: str) -> None:
    """Delete, and wait until it is gone."""
    try:
        cluster.plane.request("DELETE", path)
    except ApiError as error:
        assert error.status == 404, error  # noqa: PT017 (anything else is a failure)
    wait_for(lambda: look(cluster, path) is None, what=f"{path} is gone", seconds=30)


def look(cluster: Cluster, path: str) -> Object | None:
    """What is there, None when nothing is."""
    try:
        found: Object = cluster.plane.request("GET", path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return found


def uninstall(helm: Helm) -> str:
    """Without the guard, which needs a kubelet; it has tests of its own."""
    return helm.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--no-hooks")


def test_install_makes_everything_and_says_what_is_next(bare: Cluster, put: Callable[..., Helm]) -> None:
    """The objects are there, those of the guard are not, and the notes name the Secret that is awaited."""
    said = put().run("status", RELEASE, "--namespace", NAMESPACE)
    assert "create secret generic imagecache-credentials --type cce.huaweicloud.com/credentials" in said
    assert all(look(bare, path) for path in (CRD, LEDGER, DEPLOYMENT, SETTINGS, ACCOUNT, CLUSTER_ROLE, ROLE))
    assert look(bare, f"{ACCOUNT}-uninstall") is None


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"credentials": {"source": "podIdentity"}}, "Associate an agency with the service account"),
        (
            {"credentials": {"source": "oidc", "oidc": {"providerURN": "p", "agencyURN": "iam::agency"}}},
            f"system:serviceaccount:{NAMESPACE}:imagecache-operator, audience imagecache-operator",
        ),
        ({"credentials": {"source": "none"}, "namespacedCredentials": True}, "spec.credentialsSecretRef"),
        ({"uninstall": {"release": True}}, "ATTENTION: uninstall.release is set"),
        ({"namespaces": ["team-a", "team-b"]}, "the ImageCaches of team-a, team-b."),
        ({"replicas": 0}, "ATTENTION: replicas is 0."),
        (
            {"credentials": {"source": "none"}, "extraEnv": [{"name": "HUAWEICLOUD_SDK_AK", "value": "AK"}]},
            "Its credentials are in extraEnv.",
        ),
    ],
    ids=[
        "pod identity",
        "oidc",
        "no credentials",
        "release at uninstall",
        "some namespaces",
        "no replica",
        "credentials of one's own",
    ],
)
def test_the_notes_fit_the_values(bare: Cluster, helm: Helm, values: Object, says: str) -> None:
    """Each way of giving credentials has its next step."""
    here = helm.of(bare.plane.kubeconfig)
    said = here.run("install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--dry-run=client", values=values)
    assert says in said.partition("NOTES:")[2]


def test_an_upgrade_changes_settings_and_rolls_the_pods(bare: Cluster, put: Callable[..., Helm]) -> None:
    """A new value arrives in the ConfigMap, and the pod template has another checksum."""
    put()
    before = (look(bare, DEPLOYMENT) or {})["spec"]["template"]
    put(values={"settings": {"region": "cn-north-4"}})
    assert (look(bare, SETTINGS) or {})["data"] == {"IMAGECACHE_REGION": "cn-north-4"}
    after = (look(bare, DEPLOYMENT) or {})["spec"]["template"]
    assert after["metadata"]["annotations"] != before["metadata"]["annotations"]


def test_an_upgrade_brings_the_new_crd(bare: Cluster, helm: Helm, put: Callable[..., Helm], tmp_path: Path) -> None:
    """A release whose CRD had no columns has them after the upgrade to this chart; its objects stay."""
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    file = older / "files" / "cce.huaweicloud.com_imagecaches.yaml"
    crd = yaml.safe_load(file.read_text(encoding="utf-8"))
    columns = crd["spec"]["versions"][0].pop("additionalPrinterColumns")
    file.write_text(yaml.safe_dump(crd), encoding="utf-8")
    helm.of(bare.plane.kubeconfig).run("install", RELEASE, str(older), "--namespace", NAMESPACE, "--create-namespace")
    bare.wait_served()
    bare.create("default", "web", name="nginx")
    assert "additionalPrinterColumns" not in versions(bare)[0]
    put()
    assert versions(bare)[0]["additionalPrinterColumns"] == columns
    assert bare.get("default", "web")


def versions(cluster: Cluster) -> list[dict[str, Any]]:
    """Of the CRD in the cluster."""
    return list((look(cluster, CRD) or {})["spec"]["versions"])


def test_uninstall_keeps_crd_objects_and_ledger(bare: Cluster, put: Callable[..., Helm]) -> None:
    """All else goes; a later install takes over what stayed, and the ledger still has what the operator wrote."""
    here = put()
    bare.create("default", "web", name="nginx")
    bare.plane.request("PATCH", LEDGER, {"data": {"caches": "one line"}}, content_type=MERGE)
    said = uninstall(here)
    assert "imagecaches.cce.huaweicloud.com" in said
    assert "imagecache-retained" in said
    gone = (DEPLOYMENT, SETTINGS, ACCOUNT, CLUSTER_ROLE, ROLE)
    wait_for(lambda: not any(look(bare, path) for path in gone), what="all is gone", seconds=30)
    assert bare.get("default", "web")
    put()
    assert (look(bare, LEDGER) or {})["data"] == {"caches": "one line"}
    assert bare.get("default", "web")
    assert look(bare, DEPLOYMENT)


def test_an_upgrade_keeps_what_the_operator_wrote(bare: Cluster, put: Callable[..., Helm]) -> None:
    """The ledger is the operator's; helm sees to its being there."""
    put()
    bare.plane.request("PATCH", LEDGER, {"data": {"caches": "one line"}}, content_type=MERGE)
    put(values={"replicas": 2})
    assert (look(bare, LEDGER) or {})["data"] == {"caches": "one line"}


def test_crds_install_false_deletes_no_crd(bare: Cluster, put: Callable[..., Helm]) -> None:
    """Nor does it touch the objects of a release that had it on before."""
    put()
    bare.create("default", "web", name="nginx")
    put(values={"crds": {"install": False}})
    assert not (look(bare, CRD) or {})["metadata"].get("deletionTimestamp")
    assert bare.get("default", "web")


def test_the_definition_goes_over_to_the_installation_that_stays(bare: Cluster, put: Callable[..., Helm]) -> None:
    """Of two, the one that had it is taken away; an upgrade of the other takes it over, with all objects."""
    here = put()
    blue = "blue", str(CHART), "--namespace", "imagecache-blue"
    here.run("install", *blue, "--create-namespace", values={"crds": {"install": False}})
    bare.create("default", "web", name="nginx")
    uninstall(here)
    here.run("upgrade", *blue, "--take-ownership", values={"crds": {"install": True}})
    assert (look(bare, CRD) or {})["metadata"]["annotations"]["meta.helm.sh/release-name"] == "blue"
    assert bare.get("default", "web")
    here.run("uninstall", "blue", "--namespace", "imagecache-blue", "--no-hooks")


def test_a_namespace_that_is_served_no_more_has_no_role_left(bare: Cluster, put: Callable[..., Helm]) -> None:
    """The roles follow the value `namespaces`."""
    for name in ("team-a", "team-b"):
        if look(bare, f"/api/v1/namespaces/{name}") is None:
            bare.create_namespace(name)

    def roles() -> list[str]:
        items = bare.plane.request("GET", "/apis/rbac.authorization.k8s.io/v1/roles")["items"]
        return [role["metadata"]["namespace"] for role in items if role["metadata"]["name"] == f"{RELEASE}-objects"]

    put(values={"namespaces": ["team-a", "team-b"]})
    assert sorted(roles()) == ["team-a", "team-b"]
    put(values={"namespaces": ["team-b"]})
    assert roles() == ["team-b"]
    # An upgrade without any values would take the last ones.
    put(values={"namespaces": []})
    assert roles() == []


def test_helm_takes_over_what_kustomize_installed(bare: Cluster, put: Callable[..., Helm]) -> None:
    """Once the Deployment is deleted, whose selector cannot change; objects and ledger stay as they are."""
    bare.install()
    bare.create("default", "web", name="nginx")
    bare.plane.request("PATCH", LEDGER, {"data": {"caches": "one line"}}, content_type=MERGE)
    with pytest.raises(HelmError, match="cannot be imported into the current release"):
        put()
    bare.kubectl("-n", NAMESPACE, "delete", "deployment", "imagecache-operator")
    put("--take-ownership", "--force-conflicts")
    assert bare.get("default", "web")
    assert (look(bare, LEDGER) or {})["data"] == {"caches": "one line"}
