"""The manual page of the resource: nothing is missing from it, and its examples are true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagecache_operator.conditions import STALLING, Reason
from imagecache_operator.crd import crd
from imagecache_operator.crd_rules import COLUMNS
from imagecache_operator.names import FINALIZER, RECONCILE_ANNOTATION, RECREATE_ANNOTATION

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "imagecache.md").read_text(encoding="utf-8")
VERSION = crd()["spec"]["versions"][0]
FIELDS = VERSION["schema"]["openAPIV3Schema"]["properties"]
REASONS = dict(re.findall(r"^\| `(\w+)` \| (yes|no|when late) \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_is_told(part: str) -> None:
    """Each field, down to the parts of the status, is named in the page."""
    missing = [
        name
        for name, field in FIELDS[part]["properties"].items()
        for name in (name, *(field.get("properties", {}) if part == "status" else ()))
        if f"`{name}`" not in PAGE and f"`{name}." not in PAGE
    ]
    assert missing == []


def test_every_reason_is_told_and_no_other() -> None:
    """The table of reasons has what the operator can say, and says rightly which of them stall."""
    assert REASONS.keys() == {reason.value for reason in Reason}
    assert {reason for reason, stalled in REASONS.items() if stalled == "yes"} == {reason.value for reason in STALLING}


def test_columns_annotations_and_finalizer_are_told() -> None:
    """What users and tools see beside the fields."""
    names = [column["name"].upper() for column in COLUMNS]
    assert [
        name for name in (*names, FINALIZER, RECONCILE_ANNOTATION, RECREATE_ANNOTATION) if f"`{name}`" not in PAGE
    ] == []


def test_the_examples_are_accepted(shipped: Any) -> None:
    """Each manifest in the page can be applied."""
    examples = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL)]
    assert examples
    for example in examples:
        name = example["metadata"]["name"]
        assert shipped.create(example["spec"], name=name, dry_run=True)["kind"] == example["kind"]


def test_links_lead_somewhere() -> None:
    """Each relative link of the page is there."""
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert links
    assert [link for link in links if not (Path(__file__).resolve().parents[2] / "docs" / link).exists()] == []
