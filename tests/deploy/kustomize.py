"""`kubectl kustomize`, as a person uses it on `deploy/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from imagecache_controlplane import kubectl_path
from imagecache_playground.cluster import KubectlError
from imagecache_playground.processes import bare_environment, output_of

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

Object = dict[str, Any]


def render(folder: Path) -> list[Object]:
    """The documents of a kustomization."""
    said = output_of([str(kubectl_path()), "kustomize", str(folder)], bare_environment(), KubectlError)
    return [document for document in yaml.safe_load_all(said) if document]
