"""The image: what goes into it, and that it fits the Deployment. It is built where there is a container builder."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from imagecache_playground.operator_process import operator_settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_has_the_operator_alone(wheel: list[str]) -> None:
    """Neither the simulator nor the control plane ships."""
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"imagecache_operator"}
    assert "imagecache_operator/__main__.py" in wheel
    assert "imagecache_operator/py.typed" in wheel
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_the_image_starts_the_command() -> None:
    """Its entry point is the script that the wheel installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert 'ENTRYPOINT ["imagecache-operator"]\nCMD ["run"]\n' in DOCKERFILE
    assert "imagecache-operator" in project["scripts"]


def test_the_image_runs_as_the_deployment_says(base: dict[str, Any]) -> None:
    """The same number, and not root, in both."""
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user
    pod = base["Deployment"]["spec"]["template"]["spec"]["securityContext"]
    assert (int(user[1]), int(user[2])) == (pod["runAsUser"], pod["runAsGroup"])
    assert pod["runAsUser"] > 0


def test_memory_is_measured_as_in_the_image() -> None:
    """What the image sets for memory is in the settings that benchmarks and the soak begin with."""
    in_image = dict(re.findall(r"(MALLOC_\w+)=(\S+)", DOCKERFILE))
    measured = operator_settings("http://127.0.0.1:1")
    assert in_image
    assert in_image == {name: text for name, text in measured.items() if name.startswith("MALLOC_")}


def test_all_that_is_copied_reaches_the_builder() -> None:
    """`.dockerignore` lets through what the Dockerfile copies from here, and nothing else."""
    copied = {
        name.rstrip("/")
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    assert {line.removeprefix("!").rstrip("/") for line in lines if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_builder_comes_from_the_lock() -> None:
    """The Dockerfile picks what builds the wheel out of the lock of the tests; each of these is locked there."""
    pattern = re.search(r"\^\(([a-z|-]+)\)==", DOCKERFILE)
    assert pattern
    lock = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    locked = re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)
    names = pattern[1].split("|")
    assert "hatchling" in names
    assert set(names) <= set(locked)
