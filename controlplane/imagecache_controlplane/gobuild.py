"""The programs built from source: the modules that go.mod and go.sum pin."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from imagecache_controlplane.errors import NotAvailableError
from imagecache_controlplane.pins import MODULE, Pins
from imagecache_gotools.command import Tick
from imagecache_gotools.errors import BuildError
from imagecache_gotools.toolchain import find_go

PACKAGES = (
    "go.etcd.io/etcd/server/v3",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
)
_NEEDED_BYTES = 5 << 30
_EXPECTED = "6 to 10 min in all on 2 cores, once per version"

Progress = Callable[[str], None]


def build(folder: Path, pins: Pins, progress: Progress) -> None:
    """Build the three programs in one go; about a third of the time is shared between them."""
    try:
        _build(folder, pins, progress)
    except BuildError as fault:
        raise NotAvailableError(str(fault)) from None


def _build(folder: Path, pins: Pins, progress: Progress) -> None:
    root = folder.parent.parent
    free = shutil.disk_usage(root).free
    if free < _NEEDED_BYTES:
        raise NotAvailableError(
            f"{root} has {free >> 30} GiB free and the build needs {_NEEDED_BYTES >> 30} "
            "(set XDG_CACHE_HOME to another place)"
        )
    scratch = root / "go-work"
    go = find_go(pins.go, root.parent, scratch, progress)
    progress("fetching the Go modules of Kubernetes and etcd (some 200 MB, 1 to 2 min the first time)")
    arguments = ["list", "-mod=readonly", "-deps", *PACKAGES]
    count = len(go.run(MODULE, arguments, _ticker(progress, "fetching Go modules")))
    progress(f"compiling Kubernetes {pins.kubernetes} and etcd {pins.etcd} ({_EXPECTED})")
    go.run(MODULE, _build_command(folder, pins), _ticker(progress, "compiling", count))
    # Go names it after the path of its package.
    (folder / "server").rename(folder / "etcd")
    shutil.rmtree(scratch, ignore_errors=True)


def _build_command(folder: Path, pins: Pins) -> Sequence[str]:
    major, minor, *_ = pins.kubernetes.split(".")
    # Without gitVersion kubectl cannot read the server's version. The date is fixed so that a build is repeatable.
    stamps = {
        "gitVersion": f"v{pins.kubernetes}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "archive",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    flags = " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{k}={v}" for k, v in stamps.items())])
    options = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", flags]
    return ["build", "-v", *options, "-o", f"{folder}{os.sep}", *PACKAGES]


def _ticker(progress: Progress, what: str, total: int | None = None) -> Tick:
    def tick(lines: int, seconds: float) -> None:
        share = f"{lines} of at most {total} packages, " if total else ""
        progress(f"{what}: {share}{seconds:.0f} s so far" + (f" ({_EXPECTED})" if total else ""))

    return tick
