"""docs/operations.md and docs/monitoring.md: each command of these pages is run, and shows what it says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.deploy.kubelet import Kubelet
from tests.deploy.test_installation_page import Reader
from tests.helm import NAMESPACE, Helm, install

from imagecache_playground.cluster import Cluster
from imagecache_playground.surroundings import Surroundings

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "00000000-0000-0000-0000-000000000000"


def blocks(page: str, kind: str) -> list[str]:
    """The blocks of code of that kind."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """What is typed; lines that end with a backslash go on."""
    lines = "".join(blocks(page, "console")).replace("\\\n", "").splitlines()
    assert all(line.startswith("$ ") for line in lines)
    return [line.removeprefix("$ ") for line in lines]


@pytest.fixture
def reader(own_plane: Cluster, helm: Helm, tmp_path: Path) -> Reader:
    """In a cluster where the chart is installed."""
    for name in ("deploy", "crds"):
        shutil.copytree(ROOT / name, tmp_path / name)
    install(helm, own_plane)
    return Reader(own_plane, helm.program, tmp_path, Kubelet(own_plane, tmp_path))


@pytest.fixture
def world(reader: Reader, tmp_path: Path) -> Iterator[Surroundings]:
    """An operator that leads, and an object that waits for a person."""
    lease = {"metadata": {"name": "imagecache-operator"}, "spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    reader.cluster.plane.request("POST", leases, lease)
    with Surroundings(reader.cluster, "default", tmp_path) as made:
        made.operator(IMAGECACHE_LEADER_ELECTION="true", IMAGECACHE_LEASE_NAMESPACE=NAMESPACE)
        reader.cluster.create("default", "web", imageCacheID=NOBODY)
        made.wait_stalled("NotFound")
        yield made


def test_the_commands_of_operations(reader: Reader, world: Surroundings) -> None:
    """What they print is what one looks for; what they change is changed."""
    said = {}
    for command in commands("operations.md"):
        reader.run(command)
        said[command] = reader.said[-1]

    def output(part: str) -> str:
        [found] = [text for command, text in said.items() if part in command]
        return found

    assert "NotFound" in output("-o wide")
    assert output('type=="Stalled"').startswith("default/web: NotFound: ")
    assert "NotFound" in output("describe")
    assert "imagecache-system" in output("get configmaps")
    assert re.fullmatch(r"\S+_[0-9a-f]{12} \d{4}-\S+Z\n", output("get lease"))
    assert "deployment.apps/imagecache-operator" in output("deployment,pods")
    assert reader.replicas() == 1
    assert (world.get() or {})["spec"]["deletionPolicy"] == "Retain"
    world.wait_heeded()


def test_the_commands_of_monitoring(reader: Reader) -> None:
    """The values of the page bring scraping, alerts and dashboard; the patch of the page changes its threshold."""
    path = Path(__file__).with_name("monitoring-crds.yaml")
    reader.cluster.kubectl("apply", "--server-side", "-f", str(path))
    values, patch = blocks("monitoring.md", "yaml")
    assert values.startswith("# monitoring-values.yaml\n")
    (reader.folder / "monitoring-values.yaml").write_text(values, encoding="utf-8")
    served = "prometheusrules.monitoring.coreos.com", "servicemonitors.monitoring.coreos.com"
    reader.cluster.kubectl("wait", "crd", *served, "--for=condition=Established", "--timeout=30s")
    for command in commands("monitoring.md"):
        reader.run(command)
    expression = "-o", "jsonpath={.spec.groups[0].rules[8].expr}"
    rule = reader.cluster.kubectl("-n", NAMESPACE, "get", "prometheusrule", "imagecache-operator", *expression)
    assert rule == "max by (cluster, namespace, job, account) (imagecache_operator_quota_used) > 90"
    assert reader.there("servicemonitor", "imagecache-operator")
    assert reader.there("configmap", "imagecache-operator-dashboard")
    folder = reader.folder / "deploy" / "mine"
    folder.mkdir()
    head = "resources: [../kustomize/base]\ncomponents: [../kustomize/components/monitoring]\n"
    (folder / "kustomization.yaml").write_text(head + patch, encoding="utf-8")
    reader.run("kubectl kustomize deploy/mine")
    [patched] = [each for each in yaml.safe_load_all(reader.said[-1]) if each["kind"] == "PrometheusRule"]
    assert patched["spec"]["groups"][0]["rules"][8]["expr"] == rule
