"""How releases are made: one version everywhere, nothing that is not pinned, no more rights than a job needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagecache_operator import __version__

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")}
JOBS: dict[str, dict[str, Any]] = {
    f"{name}: {job}": body for name, text in WORKFLOWS.items() for job, body in yaml.safe_load(text)["jobs"].items()
}


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/installation.md"])
def test_images_in_documents_have_this_version(page: str) -> None:
    """What is copied from there runs the version that it was read with."""
    tags = re.findall(r"newTag: ([\w.-]+)|imagecache-operator:(\d[\w.-]*)", _read(page))
    assert {tag or other for tag, other in tags} == {__version__}


def test_the_changelog_begins_with_this_version() -> None:
    """The newest heading is it, with a date or as unreleased; the release takes its notes from there."""
    [newest, *_] = re.findall(r"^## (.+)$", _read("CHANGELOG.md"), re.MULTILINE)
    assert re.fullmatch(rf"{re.escape(__version__)} - (unreleased|\d{{4}}-\d\d-\d\d)", newest)


def test_images_that_take_part_are_named_by_digest() -> None:
    """The base in the Dockerfile, and whatever a workflow starts: none of them changes unseen."""
    images = re.findall(r"^FROM (\S+/\S+)", _read("Dockerfile"), re.MULTILINE)
    for text in WORKFLOWS.values():
        images += re.findall(r"(?:^ +image: |driver-opts: image=|generator=)(\S+)", text, re.MULTILINE)
    assert len(images) == 4
    assert [image for image in images if not re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image)] == []


def test_actions_are_named_by_commit() -> None:
    """Each action of others, with the version that people read beside it."""
    used = [
        line for text in WORKFLOWS.values() for line in re.findall(r"uses: (.+)", text) if not line.startswith("./")
    ]
    assert len(used) > 10
    assert [line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", line)] == []


def test_jobs_may_write_only_what_they_publish() -> None:
    """Nothing by default; who may sign and push is in one file, and the tests are not among them."""
    assert {yaml.safe_load(text)["permissions"] == {} for text in WORKFLOWS.values()} == {True}
    writers = {
        name: {right for right, how in job["permissions"].items() if how == "write"} for name, job in JOBS.items()
    }
    publish = {"packages", "id-token", "attestations"}
    assert {name: rights for name, rights in writers.items() if rights} == {
        "release.yml: image": publish,
        "release.yml: chart": publish,
        "release.yml: release": {"contents", "id-token"},
    }


def test_nothing_from_outside_is_pasted_into_a_script() -> None:
    """Names of tags and branches reach scripts as variables; a checkout leaves no token behind."""
    steps = [step for job in JOBS.values() for step in job.get("steps", [])]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


def test_the_signature_that_is_asked_for_is_the_one_that_is_made() -> None:
    """Commands for users name the workflow that signs, at its tag, and what it pushes."""
    page = _read("docs/release.md")
    identities = set(re.findall(r"--certificate-identity https://github.com/REPOSITORY/(\S+)@(\S+)", page))
    assert identities == {(".github/workflows/release.yml", "refs/tags/vVERSION")}
    signers = {name for name, job in JOBS.items() if "cosign sign" in str(job)}
    assert signers == {"release.yml: image", "release.yml: chart", "release.yml: release"}
    verified = set(re.findall(r"cosign verify (\S+):VERSION", page))
    assert verified == {"ghcr.io/OWNER/imagecache-operator", "ghcr.io/OWNER/charts/imagecache-operator"}


def test_dependabot_looks_after_what_is_pinned() -> None:
    """Actions, and the base of the image, with some days in which others find what is bad."""
    updates = yaml.safe_load(_read(".github/dependabot.yml"))["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"github-actions", "docker"}
    assert {each["cooldown"]["default-days"] for each in updates} == {7}
