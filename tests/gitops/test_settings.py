"""How the settings come into an Argo CD, and the examples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from tests.gitops.engines import GITOPS, Argo, EngineError, Flux
from tests.gitops.states import new

from imagecache_playground.cluster import Cluster

HEALTH = "resource.customizations.health.cce.huaweicloud.com_ImageCache"
ACTIONS = "resource.customizations.actions.cce.huaweicloud.com_ImageCache"
THEIRS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "argocd-cm", "labels": {"app.kubernetes.io/part-of": "argocd"}},
    "data": {"url": "https://argocd.example.com"},
}


def test_a_server_side_apply_adds_our_keys_and_keeps_the_others(
    cluster: Cluster, namespace_name: str, tmp_path: Path, engines: dict[str, Path]
) -> None:
    """The command of the document, on an argocd-cm that is there already; Argo CD then finds the settings in it."""
    cluster.create_namespace(namespace_name)
    cluster.kubectl("-n", namespace_name, "create", "-f", "-", stdin=yaml.safe_dump(THEIRS))
    own = ["--field-manager", "imagecache-operator", "--namespace", namespace_name]
    cluster.kubectl("apply", "--server-side", *own, "-k", str(GITOPS / "argocd"))
    made = yaml.safe_load(cluster.kubectl("-n", namespace_name, "get", "configmap", "argocd-cm", "-o", "yaml"))
    assert set(made["data"]) == {"url", HEALTH, ACTIONS}
    assert made["data"]["url"] == "https://argocd.example.com"
    file = tmp_path / "argocd-cm.yaml"
    file.write_text(yaml.safe_dump(made), encoding="utf-8")
    argo = Argo(engines["argocd-lua"], file)
    assert argo.health(new())[0]["status"] == "Progressing"
    assert "retain" in argo.actions(new())


def test_the_component_adds_our_keys_to_an_argo_cd_made_with_kustomize(cluster: Cluster, tmp_path: Path) -> None:
    """Beside the keys that are there, and with the label that Argo CD asks for."""
    (tmp_path / "argocd-cm.yaml").write_text(yaml.safe_dump(THEIRS), encoding="utf-8")
    component = os.path.relpath((GITOPS / "argocd" / "component").resolve(), tmp_path.resolve())
    kustomization = {"namespace": "argocd", "resources": ["argocd-cm.yaml"], "components": [component]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    made = yaml.safe_load(cluster.kubectl("kustomize", str(tmp_path)))
    assert set(made["data"]) == {"url", HEALTH, ACTIONS}
    assert made["metadata"]["labels"] == THEIRS["metadata"]["labels"]  # type: ignore[index]


def test_argo_cd_reads_the_application(argo: Argo) -> None:
    """It has no field that Argo CD does not know, asks before it prunes, and takes the caches along when it goes."""
    application = argo.application(GITOPS / "argocd" / "application.yaml")
    assert application["spec"]["syncPolicy"]["automated"]["prune"] is True
    assert {"Prune=confirm", "Delete=confirm"} <= set(application["spec"]["syncPolicy"]["syncOptions"])
    assert application["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]


def test_flux_reads_the_kustomization(flux: Flux) -> None:
    """It has no field that Flux does not know; it waits for caches to come and to go."""
    spec = flux.kustomization(GITOPS / "flux" / "caches.yaml")["spec"]
    assert (spec["prune"], spec["wait"], spec["deletionPolicy"]) == (True, True, "WaitForTermination")
    assert [check["kind"] for check in spec["healthCheckExprs"]] == ["ImageCache"]


@pytest.mark.parametrize("engine", ["argo", "flux"])
def test_a_field_that_there_is_not_is_told(engine: str, argo: Argo, flux: Flux, tmp_path: Path) -> None:
    """So the two tests above mean something."""
    example = GITOPS / ("argocd/application.yaml" if engine == "argo" else "flux/caches.yaml")
    manifest = yaml.safe_load(example.read_text(encoding="utf-8"))
    manifest["spec"]["pruned"] = True
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    with pytest.raises(EngineError, match="pruned"):
        argo.application(wrong) if engine == "argo" else flux.kustomization(wrong)
