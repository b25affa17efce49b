"""The two engines, set up with what `deploy/gitops` has for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.gitops.engines import GITOPS, Argo, Flux

from imagecache_controlplane import kubectl_path
from imagecache_gotools import find_tools
from imagecache_playground.cluster import KubectlError
from imagecache_playground.processes import bare_environment, output_of


@pytest.fixture(scope="session")
def engines(request: pytest.FixtureRequest) -> dict[str, Path]:
    """The two programs; building them may take minutes the first time, so it shows what it does."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def tell(sentence: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{sentence}", flush=True)  # noqa: T201 (progress of a long step)

    return find_tools(["argocd-lua", "flux-status"], tell)


@pytest.fixture(scope="session")
def config_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our keys of argocd-cm, as kustomize renders them."""
    command = [str(kubectl_path()), "kustomize", str(GITOPS / "argocd")]
    rendered = output_of(command, bare_environment(), KubectlError)
    file = tmp_path_factory.mktemp("argocd") / "argocd-cm.yaml"
    file.write_text(rendered, encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def argo(engines: dict[str, Path], config_map: Path) -> Argo:
    """Argo CD."""
    return Argo(engines["argocd-lua"], config_map)


@pytest.fixture(scope="session")
def flux(engines: dict[str, Path]) -> Flux:
    """Flux."""
    return Flux(engines["flux-status"], GITOPS / "flux" / "caches.yaml")
