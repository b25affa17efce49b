"""The image's base: the one that the Dockerfile names, or a stand-in where no registry of images can be reached."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from image.buildah import Buildah, BuildahError

PULL_SECONDS = 180

SUITE = "bookworm"
"""The Debian with the Python that the Dockerfile's base has."""

STAND_IN = f"localhost/imagecache-base:{SUITE}"

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

_MMDEBSTRAP = (
    "mmdebstrap",
    "--variant=minbase",
    "--quiet",
    # What python:3.11-slim has from Debian; its Python is Debian's own here.
    "--include=ca-certificates,netbase,tzdata,python3,python3-venv",
    # As in Debian's images for containers.
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")),
    # There, too, pip and `python` are in /usr/local, and the standard library comes without byte-code.
    '--customize-hook=chroot "$1" python3 -m venv /usr/local',
    '--customize-hook=find "$1/usr" -name "*.pyc" -delete',
)


class BaseError(RuntimeError):
    """There is no base; one sentence says what is missing."""


@dataclass(frozen=True)
class Base:
    """An image in the storage."""

    reference: str
    real: bool
    """Whether it is the one that the Dockerfile names."""


def named_base(dockerfile: Path) -> str:
    """The reference of the first FROM."""
    found = re.search(r"^FROM (\S+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{dockerfile} has no FROM"
    return found[1]


def find_base(buildah: Buildah, dockerfile: Path, say: Callable[[str], None]) -> Base:
    """Pull the base, or make the stand-in."""
    reference = named_base(dockerfile)
    say(f"Pulling {reference.partition('@')[0]}")
    try:
        buildah.run("pull", "--quiet", reference, seconds=PULL_SECONDS)
    except BuildahError:
        say(f"No registry of images can be reached: a stand-in is made of Debian {SUITE}, a minute or two")
        _bootstrap(buildah)
        return Base(STAND_IN, real=False)
    return Base(reference, real=True)


def _bootstrap(buildah: Buildah) -> None:
    if shutil.which("mmdebstrap") is None:
        raise BaseError(
            f"No registry of images can be reached, and mmdebstrap, which makes a stand-in of Debian {SUITE}, is not "
            "there: apt-get install mmdebstrap"
        )
    with tempfile.TemporaryDirectory(prefix="imagecache-base-") as directory:
        archive = Path(directory) / "base.tar"
        done = subprocess.run([*_MMDEBSTRAP, SUITE, archive], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BaseError(f"mmdebstrap cannot make a stand-in of Debian {SUITE}: {done.stderr.strip()[-1000:]}")
        container = buildah.run("from", "scratch").strip()
        try:
            buildah.run("add", "--quiet", container, str(archive), "/")
            path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            buildah.run("config", "--env", f"PATH={path}", "--env", "LANG=C.UTF-8", "--cmd", "python3", container)
            buildah.run("commit", "--quiet", container, STAND_IN)
        finally:
            buildah.run("rm", container)


def pip_settings(directory: Path) -> dict[Path, str]:
    """How pip reaches its index on this machine, as files to be mounted in the build; none where it needs no telling.

    They are mounted and not copied, so that nothing of them is in the image.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wanted = ("cert", "index-url", "extra-index-url", "trusted-host", "proxy")
    # A variable of the environment (`:env:`) comes first in the list, and wins.
    found: dict[str, str] = {}
    for name, value in re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
        if name in wanted:
            found.setdefault(name, value)
    if not found:
        return {}
    mounts = {}
    if "cert" in found:
        mounts[Path(found["cert"])] = CERTIFICATES
        found["cert"] = CERTIFICATES
    path = directory / "pip.conf"
    path.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in found.items()), encoding="utf-8")
    return mounts | {path: "/etc/pip.conf"}
