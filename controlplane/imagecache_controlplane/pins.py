"""Which versions are wanted, and for which machine: read from the go.mod that pins them."""

import hashlib
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from imagecache_controlplane.errors import ControlPlaneError

MODULE = Path(__file__).resolve().parents[1] / "go"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Pins:
    """The wanted versions, the machine, and a key that names both in the cache."""

    kubernetes: str
    etcd: str
    go: str
    system: str
    architecture: str
    digest: str

    @property
    def key(self) -> str:
        """Name the folder of these programs; the digest tells of indirect modules and replacements."""
        versions = f"kubernetes-{self.kubernetes}-etcd-{self.etcd}"
        return f"{versions}-{self.system}-{self.architecture}-{self.digest}"


def read_pins(module: Path = MODULE) -> Pins:
    """Read the versions from go.mod."""
    try:
        text = (module / "go.mod").read_text()
    except OSError as fault:
        raise ControlPlaneError(
            f"{module}/go.mod cannot be read ({fault.strerror}); run from a checkout of the repository, "
            "or set KUBEBUILDER_ASSETS"
        ) from None
    machine = platform.machine().lower()
    return Pins(
        kubernetes=_find(r"k8s\.io/kubernetes v(\S+)", text),
        etcd=_find(r"go\.etcd\.io/etcd/server/v3 v(\S+)", text),
        go=_find(r"^go (\S+)", text),
        system=sys.platform,
        architecture=_ARCHITECTURES.get(machine, machine),
        digest=hashlib.sha256(text.encode()).hexdigest()[:8],
    )


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise ControlPlaneError(f"go.mod has no line that matches {pattern}; restore it from the repository")
    return found[1]
