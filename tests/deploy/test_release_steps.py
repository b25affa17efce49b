"""Steps of the release that need nothing of GitHub's, run as they stand in the workflow."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.helm import KUBERNETES, Helm

from imagecache_operator import __version__

ROOT = Path(__file__).resolve().parents[2]
STEPS = {
    step["name"]: step["run"]
    for job in yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))[
        "jobs"
    ].values()
    for step in job.get("steps", [])
    if "name" in step and "run" in step
}
FACTS = "Operator and chart have the tag's version; the commit's time is that of all files"
CHART = "The chart of a release names its image by digest, and its source"
PUBLISH = "Publish"
DIGEST = "sha256:" + "0" * 64
DATED = f"## {__version__} - 2026-12-01"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the steps look at, as a repository with one commit, released today."""
    folder = tmp_path / "checkout"
    for name in ("deploy/helm", "operator/imagecache_operator/__init__.py", "CHANGELOG.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    changelog = folder / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(text.replace(f"## {__version__} - unreleased", DATED), encoding="utf-8")
    identity = "-c", "user.name=a", "-c", "user.email=a@example.com"
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "All")):
        subprocess.run(["git", *arguments], cwd=folder, check=True, timeout=60)
    return folder


def run(step: str, checkout: Path, *programs: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As the runner does, with these folders of programs before others."""
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[step]],
        cwd=checkout,
        env={"PATH": path, "HOME": str(checkout.parent), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def facts(checkout: Path, tag: str) -> dict[str, str]:
    """What the first step puts out; nothing when it fails."""
    output = checkout.parent / "output"
    output.write_text("", encoding="utf-8")
    done = run(FACTS, checkout, GITHUB_REF_NAME=tag, GITHUB_REPOSITORY_OWNER="Some-Team", GITHUB_OUTPUT=str(output))
    lines = output.read_text(encoding="utf-8").splitlines()
    assert bool(lines) is (done.returncode == 0)
    return dict(line.split("=", 1) for line in lines)


def test_a_tag_of_this_version_is_released(checkout: Path) -> None:
    """Names in a registry are in small letters; the time is the commit's, in both forms."""
    found = facts(checkout, f"v{__version__}")
    assert (found["version"], found["registry"]) == (__version__, "ghcr.io/some-team")
    seconds = subprocess.run(["date", "-d", found["created"], "+%s"], capture_output=True, text=True, check=True)
    assert seconds.stdout.strip() == found["epoch"]


@pytest.mark.parametrize(
    ("file", "was", "now"),
    [
        ("operator/imagecache_operator/__init__.py", f'"{__version__}"', '"9.9.9"'),
        ("deploy/helm/imagecache-operator/Chart.yaml", f"\nversion: {__version__}", "\nversion: 9.9.9"),
        ("deploy/helm/imagecache-operator/Chart.yaml", f"appVersion: {__version__}", "appVersion: 9.9.9"),
        ("CHANGELOG.md", DATED, f"## {__version__} - unreleased"),
    ],
    ids=["operator", "chart", "the chart's operator", "changelog without a date"],
)
def test_a_tag_that_does_not_fit_is_refused(checkout: Path, file: str, was: str, now: str) -> None:
    """One place that has another version is enough."""
    path = checkout / file
    text = path.read_text(encoding="utf-8")
    assert was in text
    path.write_text(text.replace(was, now), encoding="utf-8")
    assert facts(checkout, f"v{__version__}") == {}


def test_the_chart_names_its_image_and_its_source(checkout: Path, helm: Helm) -> None:
    """Packed, each of its pods runs the image by digest, from the registry of the release."""
    done = run(
        CHART,
        checkout,
        helm.program.parent,
        IMAGE="ghcr.io/some-team/imagecache-operator",
        DIGEST=DIGEST,
        GITHUB_SERVER_URL="https://github.com",
        GITHUB_REPOSITORY="Some-Team/caches",
    )
    assert done.returncode == 0, done.stderr
    helm.run("package", str(checkout / "deploy/helm/imagecache-operator"), "--destination", str(checkout))
    package = str(checkout / f"imagecache-operator-{__version__}.tgz")
    rendered = helm.run("template", "release", package, "--kube-version", KUBERNETES)
    images = [line.strip() for line in rendered.splitlines() if line.strip().startswith("image: ")]
    assert images == [f'image: "ghcr.io/some-team/imagecache-operator@{DIGEST}"'] * 3
    shown = yaml.safe_load(helm.run("show", "chart", package))
    assert shown["sources"] == [shown["home"]] == ["https://github.com/Some-Team/caches"]


def test_the_notes_are_that_part_of_the_changelog(checkout: Path) -> None:
    """From below the heading of the version to the next one, and not empty."""
    changelog = checkout / "CHANGELOG.md"
    changelog.write_text(changelog.read_text(encoding="utf-8") + "\n## 0.0.1 - 2026-01-01\n\n- Older.\n", "utf-8")
    (checkout / "files").mkdir()
    fake = checkout.parent / "gh"
    fake.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    fake.chmod(0o755)
    done = run(PUBLISH, checkout, fake.parent, VERSION=__version__, GITHUB_REF_NAME=f"v{__version__}")
    assert f"release create v{__version__} --verify-tag" in done.stdout
    notes = (checkout / "notes.md").read_text(encoding="utf-8")
    assert notes.strip().startswith("The first version.")
    assert "### Known limits" in notes
    assert "Older." not in notes
