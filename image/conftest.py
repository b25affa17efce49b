"""The image, built once; a control plane and a simulator for it to run against."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image.base import Base, BaseError, find_base, pip_settings
from image.buildah import Buildah, Exported
from image.container import Json, deployed_pod
from imagecache_controlplane import ControlPlane, find_programs
from imagecache_playground.cluster import BASE, REPOSITORY, Cluster

TAG = "localhost/imagecache-operator:test"


@dataclass(frozen=True)
class Built:
    """The image."""

    base: Base
    exported: Exported
    base_layers: int
    """How many of its layers are the base's."""
    root: Path
    """Its files, unpacked."""
    again: Callable[[], Exported]
    """Builds it once more, from nothing."""


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tells what takes long."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def tell(sentence: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{sentence}", flush=True)

    return tell


@pytest.fixture(scope="session")
def epoch() -> int:
    """The time of all files: that of the commit, as in a release."""
    command = ["git", "-C", str(REPOSITORY), "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="session")
def built(say: Callable[[str], None], epoch: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Build it, with the base that can be had."""
    # Gone after the test: each step takes as much as the whole image.
    with tempfile.TemporaryDirectory(prefix="imagecache-image-") as storage:
        yield from _built(Buildah(Path(storage)), say, epoch, tmp_path_factory)


def _built(
    buildah: Buildah, say: Callable[[str], None], epoch: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Built]:
    try:
        base = find_base(buildah, REPOSITORY / "Dockerfile", say)
    except BaseError as missing:
        pytest.exit(str(missing), returncode=2)
    volumes = pip_settings(tmp_path_factory.mktemp("pip"))

    def build(tag: str) -> Exported:
        buildah.build(REPOSITORY, tag, base=base.reference, epoch=epoch, volumes=volumes)
        return buildah.export(tag, tmp_path_factory.mktemp("exported"))

    say(f"Building the image on {base.reference.partition('@')[0]}, a minute or two")
    exported = build(TAG)
    base_layers = len(buildah.export(base.reference, tmp_path_factory.mktemp("base")).layers())
    with buildah.root(TAG) as root:
        yield Built(base, exported, base_layers, root, lambda: build(f"{TAG}-again"))


@pytest.fixture(scope="session")
def pod() -> Json:
    """The pod of the Deployment as it ships."""
    return deployed_pod(BASE)


@pytest.fixture(scope="session")
def cluster(say: Callable[[str], None]) -> Iterator[Cluster]:
    """A control plane with what `kubectl apply -k deploy/kustomize/base` installs."""
    with ControlPlane(find_programs(say)) as plane:
        installed = Cluster(plane)
        installed.install()
        yield installed


@pytest.fixture(scope="session", autouse=True)
def _what_is_needed() -> None:
    missing = [program for program in ("buildah", "runc", "git") if shutil.which(program) is None]
    if missing:
        pytest.exit(f"make image-test needs {' and '.join(missing)}: apt-get install {' '.join(missing)}", returncode=2)
    if os.geteuid() != 0:
        pytest.exit("make image-test needs root, to unpack and run the image: sudo make image-test", returncode=2)
