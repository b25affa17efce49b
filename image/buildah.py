"""buildah with a storage of its own, so that no other images on the machine are touched."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class BuildahError(RuntimeError):
    """buildah said no; the text is its last words."""


class Buildah:
    """The commands that the test needs.

    Args:
        directory: for the storage.
    """

    def __init__(self, directory: Path) -> None:
        # vfs and chroot need nothing of the kernel beyond what root may do in any virtual machine or container.
        places = ["--root", str(directory / "storage"), "--runroot", str(directory / "run")]
        self._command = ["buildah", *places, "--storage-driver", "vfs"]

    def run(self, *arguments: str, seconds: float = 1200) -> str:
        """Run a command; returns what it printed.

        Raises:
            BuildahError: it failed, or took too long.
        """
        command = [*self._command, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise BuildahError(f"buildah {arguments[0]}: no answer within {seconds:g} s") from None
        if done.returncode:
            raise BuildahError(f"buildah {arguments[0]}: {(done.stderr + done.stdout).strip()[-2000:]}")
        return done.stdout

    def build(self, context: Path, tag: str, *, base: str, epoch: int, volumes: Mapping[Path, str]) -> None:
        """Build the Dockerfile of a folder, its first FROM replaced by `base`, all times being `epoch`."""
        self.run(
            *("build", "--isolation", "chroot", "--format", "oci", "--no-cache", "--pull=never", "--from", base),
            *("--timestamp", str(epoch), "--tag", tag),
            *(f"--volume={source}:{target}:ro" for source, target in volumes.items()),
            str(context),
        )

    def export(self, image: str, directory: Path) -> Exported:
        """Write the image as a registry would get it: compressed, with manifest and configuration."""
        self.run("push", image, f"oci:{directory}:exported")
        return Exported(directory)

    @contextlib.contextmanager
    def root(self, image: str) -> Iterator[Path]:
        """The files of the image, unpacked, for as long as the context lasts."""
        container = self.run("from", "--pull=never", image).strip()
        try:
            yield Path(self.run("mount", container).strip())
        finally:
            self.run("rm", container)


class Exported:
    """An image as an OCI layout."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs" / "sha256"
        index = json.loads((directory / "index.json").read_text(encoding="utf-8"))
        self.manifest = self._json(index["manifests"][0])
        self.image = self._json(self.manifest["config"])
        """The configuration: what is run, and as whom."""

    def layers(self) -> list[Path]:
        """The files of the layers, compressed."""
        return [self._path(layer) for layer in self.manifest["layers"]]

    def _path(self, descriptor: Mapping[str, Any]) -> Path:
        return self._blobs / str(descriptor["digest"]).removeprefix("sha256:")

    def _json(self, descriptor: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._path(descriptor).read_text(encoding="utf-8"))
        return found
