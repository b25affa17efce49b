"""What `deploy/` renders to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagecache_controlplane import kubectl_path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

RETAINED = "imagecache-retained"

Object = dict[str, Any]


def render(folder: Path) -> list[Object]:
    """The documents of a kustomization."""
    done = subprocess.run(
        [str(kubectl_path()), "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture(scope="session")
def base() -> dict[str, Object]:
    """The documents of the base by their kinds, but for the one with a name of its own."""
    documents = render(DEPLOY / "kustomize" / "base")
    named = {RETAINED: f"ConfigMap {RETAINED}"}
    by_kind = {named.get(document["metadata"]["name"], str(document["kind"])): document for document in documents}
    assert len(by_kind) == len(documents)
    return by_kind


@pytest.fixture
def overlay(tmp_path: Path) -> Callable[..., list[Object]]:
    """Renders an overlay of base and components, as a user would write it."""

    def rendered(*components: str) -> list[Object]:
        def relative(*parts: str) -> str:
            return os.path.relpath(DEPLOY.joinpath("kustomize", *parts).resolve(), tmp_path.resolve())

        text = {"resources": [relative("base")], "components": [relative("components", name) for name in components]}
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
        return render(tmp_path)

    return rendered
