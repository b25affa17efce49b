"""README.md, that of the chart, and three pages of docs: what is typed at a cluster is run as it stands there."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from tests.deploy.kubelet import Kubelet
from tests.deploy.test_installation_page import Block, Reader, blocks
from tests.helm import NAMESPACE, Helm

from imagecache_playground.cloud import BUILDER
from imagecache_playground.cluster import Cluster, Object, reason
from imagecache_playground.operator_process import operator_settings
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import FINALIZER, Surroundings

ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> list[Block]:
    """The blocks of code of a page."""
    return blocks((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture
def reader(own_plane: Cluster, helm: Helm, tmp_path: Path) -> Reader:
    """With an empty cluster."""
    for name in ("deploy", "crds"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return Reader(own_plane, helm.program, tmp_path, Kubelet(own_plane, tmp_path))


def test_the_quick_start_of_the_readme(reader: Reader, tmp_path: Path) -> None:
    """From nothing to a cache and back, and the way out of a deletion."""
    example = reader.folder / "deploy" / "kustomize" / "base" / "credentials.example.yaml"
    shutil.copy(example, reader.folder / "credentials.yaml")
    cluster = reader.cluster
    with Surroundings(cluster, "default", tmp_path) as made, reader.kubelet.working():
        for block in page("README.md"):
            if block.heading == "Quick start on a real cluster":
                if block.kind == "yaml":
                    reader.write(block.text)
                for command in block.commands:
                    reader.run(command)
                    if "rollout status" in command:
                        made.operator()
                if "kubectl get imagecache web" in block.text:
                    [shown] = re.findall(r"^web .*$", block.text, re.MULTILINE)
                    assert reader.said[-1].splitlines()[1].split()[:-1] == shown.split()[:-1]
        assert made.get() is None
        assert made.cloud.caches() == {}
        cluster.create("default", "web", name="nginx")
        [way_out] = [each.commands for each in page("README.md") if each.heading == "When it says something"]
        reader.run(*way_out)
        assert (made.get() or {})["spec"]["deletionPolicy"] == "Retain"
    image = "-o", "jsonpath={.spec.template.spec.containers[0].image}"
    used = cluster.kubectl("-n", NAMESPACE, "get", "deployment", "imagecache-operator", *image)
    assert used == "REGISTRY/imagecache-operator:0.1.0"


def test_the_commands_of_commands(reader: Reader, tmp_path: Path) -> None:
    """They print what the page shows: the same checks, the same columns; a tenant is taken over, and let go of."""
    cluster = reader.cluster
    cluster.install()
    cluster.create_namespace("team-a")
    with Surroundings(cluster, "default", tmp_path) as made:
        made.cloud.add_cache("web")
        reader.environment = operator_settings(made.cloud.endpoint)
        for block in page("docs/commands.md"):
            for command in block.commands:
                if " exec " in command:
                    # There is no kubelet that could.
                    continue
                if "release" in command:
                    cluster.patch("team-a", "web", {"metadata": {"finalizers": [FINALIZER]}})
                if "policybinding" in command:
                    policy = reader.folder / "deploy" / "kustomize" / "components" / "finalizer-policy" / "policy.yaml"
                    cluster.kubectl("apply", "--server-side", "-f", str(policy))
                reader.run(command)
                if command.endswith("doctor"):
                    assert checks(reader.said[-1]) == checks(block.text)
                if command.endswith("list"):
                    assert reader.said[-1].split("\n")[0].split() == block.text.split("\n")[1].split()
                if "release" in command:
                    assert reader.said[-1].startswith("team-a/web: released; stays: ")
    assert "finalizers" not in (cluster.get("team-a", "web") or {})["metadata"]
    assert (cluster.get("team-a", "web") or {})["spec"]["deletionPolicy"] == "Retain"
    assert not reader.there("mutatingadmissionpolicybinding", "imagecache-finalizer")


def test_the_commands_of_imagecache(reader: Reader, tmp_path: Path) -> None:
    """A cache is built, shown and deleted; what stays is in the ledger; each annotation is heeded, Retain is set."""
    cluster, found = reader.cluster, page("docs/imagecache.md")
    cluster.install()
    creates = next(block.text for block in found if block.kind == "yaml")
    (reader.folder / "web.yaml").write_text(creates, encoding="utf-8")
    for name in ("accessKey", "secretKey"):
        (reader.folder / name).write_text("made-up", encoding="utf-8")
    *life, entries, secret, retain, look, recreate = (command for block in found for command in block.commands)
    quick = {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}}
    with Surroundings(cluster, "default", tmp_path, quick) as made:
        made.operator(IMAGECACHE_CLUSTER_ID=BUILDER, IMAGECACHE_LEASE_NAMESPACE=NAMESPACE)
        for command in life:
            reader.run(command)
        assert reader.said[-2].splitlines()[0].split() == ["NAME", "READY", "STATUS", "REASON", "AGE"]
        assert (made.get(), made.cloud.caches()) == (None, {})
        kept = made.bind("kept", spec={"deletionPolicy": "Retain"})
        made.wait_reason("Available", name="kept")
        made.delete("kept")
        made.wait_gone("kept")
        wait_for(lambda: kept in [it["id"] for it in cluster.ledger()], what="what stays is in the ledger", seconds=15)
        reader.run(entries)
        [shown] = [block.text for block in found if entries in block.commands]
        assert set(json.loads(reader.said[-1])) == set(json.loads(shown.split("\n", 1)[1]))
        reader.run(secret)
        made_of = cluster.kubectl("get", "secret", "cloud", "-o", "jsonpath={.type}")
        assert made_of == "cce.huaweicloud.com/credentials"
        reader.run("kubectl apply -f web.yaml")
        before = made.wait_reason("Available")
        reader.run(look)
        made.wait_heeded()
        reader.run(recreate)
        made.wait(partial(another_cache, before), what="another cache is built")
        reader.run(retain)
        assert (made.get() or {})["spec"]["deletionPolicy"] == "Retain"


def another_cache(before: Object, found: Object | None) -> bool:
    """Whether it has another cache than before, which can be used."""
    status = (found or {}).get("status", {})
    return reason(found) == "Available" and status["imageCacheID"] != before["status"]["imageCacheID"]


def test_the_readme_of_the_chart(reader: Reader) -> None:
    """With its words in capitals filled in, the three commands install the chart, with the credentials beside it."""
    (reader.folder / "FILE").write_text("made-up", encoding="utf-8")
    [block] = page("deploy/helm/imagecache-operator/README.md")
    reader.run(block.text.replace(" CHART ", " deploy/helm/imagecache-operator "))
    assert reader.there("secret", "imagecache-credentials")
    assert reader.there("deployment", "imagecache-operator")


def checks(said: str) -> list[str]:
    """The names of the checks of `doctor`, in their order."""
    return re.findall(r"^(?:ok|warning|FAILED|skipped) +([^:\n]+)", said, re.MULTILINE)


def test_the_commands_of_gitops(reader: Reader) -> None:
    """Health checks and actions are in the settings of Argo CD, and an object keeps its cache."""
    reader.cluster.install_definition()
    reader.cluster.wait_served()
    reader.cluster.create_namespace("argocd")
    reader.cluster.create("default", "web", name="nginx")
    commands = [command for block in page("docs/gitops.md") for command in block.commands]
    assert len(commands) == 2
    for command in commands:
        reader.run(command)
    settings = reader.cluster.kubectl("-n", "argocd", "get", "configmap", "argocd-cm", "-o", "yaml")
    assert "resource.customizations.health.cce.huaweicloud.com_ImageCache" in settings
    assert (reader.cluster.get("default", "web") or {})["spec"]["deletionPolicy"] == "Retain"
