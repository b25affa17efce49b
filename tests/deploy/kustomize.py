"""`kubectl kustomize`, as a person uses it on `deploy/`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from imagecache_controlplane import kubectl_path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

Object = dict[str, Any]


def render(folder: Path) -> list[Object]:
    """The documents of a kustomization."""
    done = subprocess.run(
        [str(kubectl_path()), "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]
