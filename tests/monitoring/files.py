"""What `deploy/monitoring` has, and the metrics that it may ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RUNBOOK = "docs/operations.md"

Object = dict[str, Any]


def alerts() -> dict[str, Object]:
    """The alerts by their names."""
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def dashboard() -> Object:
    """The dashboard."""
    found: Object = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    return found


def panels() -> dict[str, Object]:
    """The panels of the dashboard by their titles, without the rows."""
    return {panel["title"]: panel for panel in dashboard()["panels"] if panel["type"] != "row"}


def queries() -> Iterator[tuple[str, str]]:
    """The queries of the dashboard: the panel's title and letter, and the expression."""
    for title, panel in panels().items():
        for target in panel["targets"]:
            yield f"{title} {target['refId']}", target["expr"]


def documented() -> set[str]:
    """The names of metrics in docs/monitoring.md, which other tests hold to those that the operator has."""
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(imagecache_operator_\w+)`", page, re.MULTILINE))


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression asks for, without what a histogram adds to its name."""
    names = set(re.findall(r"\bimagecache_operator_\w+", expression))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def anchor(heading: str) -> str:
    """The anchor that a heading gets in a rendered page."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")
