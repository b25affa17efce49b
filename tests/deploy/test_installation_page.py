"""docs/installation.md: each command of the page is run, in its order, and does what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from tests.deploy.kubelet import Kubelet
from tests.deploy.kustomize import render
from tests.helm import NAMESPACE, Helm

from imagecache_controlplane import kubectl_path
from imagecache_playground.cluster import Cluster, KubectlError
from imagecache_playground.processes import bare_environment
from imagecache_playground.surroundings import FINALIZER

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A block of code, and the heading above it."""

    heading: str
    kind: str
    text: str

    @property
    def commands(self) -> list[str]:
        """What is typed; lines that end with a backslash go on."""
        joined = self.text.replace("\\\n", "")
        return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


def blocks(page: str = PAGE) -> list[Block]:
    """All of a page, those in lists, too."""
    found = []
    heading = ""
    pattern = r"^#+ (?P<heading>[^\n]+)$|^ *```(?P<kind>\w+)\n(?P<text>.*?)^ *```$"
    for match in re.finditer(pattern, page, re.MULTILINE | re.DOTALL):
        heading = match["heading"] or heading
        if match["kind"]:
            found.append(Block(heading, match["kind"], dedent(match["text"])))
    return found


@dataclass
class Reader:
    """Somebody who does what the page says, in a checkout of the repository."""

    cluster: Cluster
    helm: Path
    folder: Path
    kubelet: Kubelet
    said: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def follow(self, *headings: str) -> None:
        """Write the files and run the commands below these headings."""
        with self.kubelet.working():
            for block in (each for each in blocks() if each.heading in headings):
                if block.kind == "yaml":
                    self.write(block.text)
                for command in block.commands:
                    self.run(command)

    def run(self, command: str) -> None:
        """Run a command; it must succeed."""
        programs = (self.helm, kubectl_path(), Path(sys.executable))
        path = os.pathsep.join([*(str(program.parent) for program in programs), os.environ["PATH"]])
        home = {"KUBECONFIG": str(self.cluster.plane.kubeconfig), "HOME": str(self.folder), "PATH": path}
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=bare_environment() | home | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
        self.said.append(done.stdout)

    def write(self, text: str) -> None:
        """Write a file whose name is in its first line."""
        name = re.match(r"# (\S+)\n", text)
        assert name, "a block of YAML begins with the name of its file"
        path = self.folder / name[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def there(self, kind: str, name: str) -> bool:
        """Whether it is there, in the operator's namespace."""
        try:
            self.cluster.kubectl("-n", NAMESPACE, "get", kind, name)
        except KubectlError:
            return False
        return True

    def replicas(self) -> int:
        """Of the Deployment."""
        jsonpath = "jsonpath={.spec.replicas}"
        return int(self.cluster.kubectl("-n", NAMESPACE, "get", "deployment", "imagecache-operator", "-o", jsonpath))

    def hold(self) -> None:
        """An object that an operator has put its finalizer on."""
        self.cluster.wait_served()
        self.cluster.create("default", "web", name="nginx")
        self.cluster.patch("default", "web", {"metadata": {"finalizers": [FINALIZER]}})


@pytest.fixture
def reader(own_plane: Cluster, helm: Helm, tmp_path: Path) -> Reader:
    """With an empty cluster."""
    for name in ("deploy", "crds"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return Reader(own_plane, helm.program, tmp_path, Kubelet(own_plane, tmp_path))


def test_install_upgrade_uninstall_with_helm(reader: Reader) -> None:
    """What is installed has the values of the page's file; afterwards CRD, ledger and credentials are left."""
    reader.follow("With Helm")
    assert reader.replicas() == 2
    assert reader.there("secret", "imagecache-credentials")
    reader.follow("Upgrade", "Uninstall")
    assert not reader.there("role", "imagecache-operator")
    kept = ("crd/imagecaches.cce.huaweicloud.com", "configmap/imagecache-retained", "secret/imagecache-credentials")
    assert all(reader.there(*each.split("/")) for each in kept)


def test_more_than_one_installation(reader: Reader) -> None:
    """The second one fits beside the first, and may do nothing in other namespaces than its own."""
    reader.follow("With Helm")
    for name in ("team-c", "team-d"):
        reader.cluster.create_namespace(name)
    reader.follow("More than one installation")
    account = "--as=system:serviceaccount:imagecache-blue:blue-imagecache-operator"
    reader.run(f"kubectl auth can-i list imagecaches --namespace team-c {account}")
    with pytest.raises(AssertionError, match="no"):
        reader.run(f"kubectl auth can-i list imagecaches --namespace default {account}")


def test_keep_caches_and_objects(reader: Reader) -> None:
    """The finalizer is off, the object is there, the operator gone."""
    reader.follow("With Helm")
    reader.hold()
    reader.follow("Keep the caches and the objects")
    assert "finalizers" not in (reader.cluster.get("default", "web") or {})["metadata"]
    assert not reader.there("role", "imagecache-operator")


def test_after_a_refusal(reader: Reader) -> None:
    """The rollback of the page makes the upgrade of the page possible again."""
    reader.follow("With Helm")
    reader.hold()
    with pytest.raises(AssertionError, match="helm uninstall"):
        reader.follow("Uninstall")
    with pytest.raises(AssertionError, match="has no deployed releases"):
        reader.follow("Upgrade")
    reader.follow("After a refusal")
    reader.follow("Upgrade")
    assert reader.replicas() == 2


def test_with_kustomize(reader: Reader) -> None:
    """The base, an overlay as on the page, and the end; the definition is left."""
    reader.follow("With kustomize")
    assert not reader.there("namespace", NAMESPACE)
    assert not reader.there("clusterrole", "imagecache-operator")
    assert reader.there("crd", "imagecaches.cce.huaweicloud.com")


def test_what_kustomize_leaves_is_named() -> None:
    """Whatever overlays and components make outside of the operator's namespace, the page deletes or names."""
    page = PAGE.partition("To uninstall, delete the ImageCaches first")[2].partition("### From kustomize to Helm")[0]
    folder = ROOT / "deploy" / "kustomize"
    made = [each for path in (folder / "overlays").iterdir() for each in render(path)]
    for path in (folder / "components").rglob("*.yaml"):
        made += [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if "metadata" in each]
    outside = {
        each["metadata"]["name"]
        for each in made
        if each["metadata"].get("namespace") != NAMESPACE
        and each["kind"] not in {"Namespace", "CustomResourceDefinition"}
    }
    assert "imagecache-operator-credentials" in outside
    assert {name for name in outside if not re.search(rf"[ `]{name}[ `\n]", page)} == set()


def test_from_kustomize_to_helm(reader: Reader) -> None:
    """With an object there, which stays; the next upgrade brings another definition, and helm alone owns it."""
    config = reader.folder / "deploy" / "kustomize" / "base" / "settings.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "  IMAGECACHE_LOG_LEVEL: debug\n", encoding="utf-8")
    reader.run("kubectl apply --server-side -k deploy/kustomize/base")
    settings = "-n", NAMESPACE, "get", "configmap", "imagecache-operator", "-o", "yaml"
    assert "IMAGECACHE_LOG_LEVEL: debug" in reader.cluster.kubectl(*settings)
    reader.hold()
    values = next(block for block in blocks() if block.text.startswith("# my-values.yaml"))
    (reader.folder / "my-values.yaml").write_text(values.text, encoding="utf-8")
    reader.follow("From kustomize to Helm")
    assert "IMAGECACHE_REGION: cn-north-4" in reader.cluster.kubectl(*settings)
    assert "IMAGECACHE_LOG_LEVEL" not in reader.cluster.kubectl(*settings)
    assert reader.replicas() == 2
    assert reader.cluster.get("default", "web")
    [crd] = (reader.folder / "deploy" / "helm").rglob("cce.huaweicloud.com_imagecaches.yaml")
    text = crd.read_text(encoding="utf-8")
    crd.write_text(text.replace("The cloud's own word.", "Another description."), encoding="utf-8")
    reader.follow("Upgrade")
    found = reader.cluster.kubectl(
        "get", "crd", "imagecaches.cce.huaweicloud.com", "-o", "yaml", "--show-managed-fields"
    )
    assert "Another description." in found
    assert "manager: kubectl" not in found
    assert reader.cluster.get("default", "web")


def test_every_block_belongs_to_one_of_these() -> None:
    """No command of the page goes without being run."""
    assert len(blocks()) > 8
    tests = Path(__file__).read_text(encoding="utf-8")
    assert {block.heading for block in blocks() if f'"{block.heading}"' not in tests} == set()


def test_the_options_told_are_there(helm: Helm) -> None:
    """Each value that the page names is one of the chart."""
    values = helm.run("show", "values", str(ROOT / "deploy" / "helm" / "imagecache-operator"))
    options = PAGE.partition("### Options")[2].partition("###")[0]
    named = re.findall(r"^\| `([\w.]+)` \|", options, re.MULTILINE)
    assert len(named) > 5
    assert [name for name in named if not re.search(rf"^ *{name.split('.')[-1]}:", values, re.MULTILINE)] == []
