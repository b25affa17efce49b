"""What `deploy/` renders to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.deploy.kustomize import DEPLOY, Object, render

from imagecache_operator import settings_values

RETAINED = "imagecache-retained"


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


@pytest.fixture(autouse=True)
def _in_the_operators_namespace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings that are read here are those of a pod, which knows its namespace from its service account."""
    (tmp_path / "namespace").write_text("imagecache-system", encoding="utf-8")
    monkeypatch.setattr(settings_values, "_POD_NAMESPACE", tmp_path / "namespace")
