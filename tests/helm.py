"""helm, as a person uses it on the chart of this repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import bare_environment, output_of

CHART = Path(__file__).resolve().parents[1] / "deploy" / "helm" / "imagecache-operator"
RELEASE = "imagecache-operator"
NAMESPACE = "imagecache-system"

KUBERNETES = "1.37.2"
"""For what helm renders without a cluster: when it is built from source it assumes a very old one."""

Object = dict[str, Any]


class HelmError(RuntimeError):
    """helm said no; the text is what it said."""


class Helm:
    """The command, with folders of its own, and a cluster if there is a kubeconfig."""

    def __init__(self, program: Path, home: Path, kubeconfig: Path | None = None) -> None:
        self.program = program
        self._home = home
        self._kubeconfig = kubeconfig

    def of(self, kubeconfig: Path) -> Helm:
        """The same for a cluster."""
        return Helm(self.program, self._home, kubeconfig)

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Run it; returns what it printed.

        Raises:
            HelmError: it failed.
        """
        command = [str(self.program), *arguments]
        if values:
            # JSON is YAML; on standard input, so that no file is left.
            command += ["--values", "-"]
        folders = {f"HELM_{kind}_HOME": str(self._home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        home = {"HOME": str(self._home), "KUBECONFIG": str(self._kubeconfig or "")}
        stdin = json.dumps(values) if values else None
        return output_of(command, bare_environment(**folders, **home), HelmError, stdin=stdin)

    def template(
        self, values: Mapping[str, Any] | None = None, *, release: str = RELEASE, namespace: str = NAMESPACE
    ) -> list[Object]:
        """What the chart renders to, hooks included.

        Raises:
            HelmError: the chart refuses these values.
        """
        said = self.run(
            "template", release, str(CHART), "--namespace", namespace, "--kube-version", KUBERNETES, values=values
        )
        return [document for document in yaml.safe_load_all(said) if document]


def is_hook(document: Object) -> bool:
    """Whether helm makes it for the uninstall alone."""
    return "helm.sh/hook" in document["metadata"].get("annotations", {})


def install(helm: Helm, cluster: Cluster, *options: str, values: Mapping[str, Any] | None = None) -> Helm:
    """Install or upgrade the chart in a cluster, as a person would, and wait until its CRD is served.

    Afterwards `cluster.operator_kubeconfig` gives the token of the chart's service account.

    Returns:
        helm for this cluster.
    """
    here = helm.of(cluster.plane.kubeconfig)
    here.run(
        "upgrade",
        "--install",
        RELEASE,
        str(CHART),
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        *options,
        values=values,
    )
    cluster.wait_served()
    return here
