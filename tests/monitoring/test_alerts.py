"""The alert rules, judged by promtool: sound, each tested both ways, and each with a page that says what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.monitoring.files import MONITORING, ROOT, RUNBOOK, alerts, anchor, documented, metrics_in

RULES = MONITORING / "alerts.yaml"
TESTS = Path(__file__).with_name("alerts_test.yaml")


def judge(promtool: Path, *arguments: str) -> str:
    """What promtool says; empty when it finds no fault."""
    done = subprocess.run([str(promtool), *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_the_rules_are_sound(promtool: Path) -> None:
    """Expressions, durations and templates; warnings of promtool's own lint are faults, too."""
    assert judge(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(RULES)) == ""


def test_the_rules_fire_when_they_should_and_only_then(promtool: Path) -> None:
    """`promtool test rules` on series that should and should not fire."""
    assert judge(promtool, "test", "rules", str(TESTS)) == ""


@pytest.mark.parametrize("expression", ["vector(0) > 1", "vector(1)"], ids=["never fires", "always fires"])
@pytest.mark.parametrize("alert", alerts())
def test_each_rule_is_tested_both_ways(promtool: Path, tmp_path: Path, alert: str, expression: str) -> None:
    """A rule that never fires, and one that always does, are found out."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    [broken] = [rule for group in rules["groups"] for rule in group["rules"] if rule["alert"] == alert]
    broken["expr"] = expression
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    shutil.copy(TESTS, tmp_path)
    test = tmp_path / TESTS.name
    test.write_text(test.read_text(encoding="utf-8").replace("../../deploy/monitoring/alerts.yaml", "rules.yaml"))
    assert alert in judge(promtool, "test", "rules", str(test))


@pytest.mark.parametrize("alert", alerts())
def test_each_alert_says_what_is_wrong_and_where_to_read_on(alert: str) -> None:
    """Summary and description; a severity; labels only that its expression gives; a section of its own."""
    rule = alerts()[alert]
    told = rule["annotations"]
    assert told.keys() == {"summary", "description", "runbook_url"}
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    given = set(re.findall(r"\w+", re.findall(r"by \(([^)]*)\)", rule["expr"])[0]))
    assert set(re.findall(r"\$labels\.(\w+)", told["description"])) <= given
    page = (ROOT / RUNBOOK).read_text(encoding="utf-8")
    sections = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    assert told["runbook_url"] == f"{RUNBOOK}#{anchor(alert)}"
    assert anchor(alert) in sections


def test_an_alert_on_what_the_leader_alone_tells_outlasts_a_hand_over() -> None:
    """It takes the maximum over replicas, and goes on when nobody tells anything for a while; the others need not."""
    for name, rule in alerts().items():
        of_the_leader = metrics_in(rule["expr"]) <= {
            f"imagecache_operator_{gauge}"
            for gauge in (
                "stalled",
                "oldest_deletion_seconds",
                "quota_used",
                "cloud_writes_waiting",
                "last_observation_age_seconds",
            )
        }
        assert ("keep_firing_for" in rule) is of_the_leader, name
        assert rule["expr"].startswith("max by (cluster, namespace, job") or not of_the_leader, name


def test_the_rules_ask_for_metrics_that_there_are() -> None:
    """A name that nobody exports would never fire."""
    assert {name for rule in alerts().values() for name in metrics_in(rule["expr"])} <= documented()


def test_the_thresholds_in_the_document_are_those_of_the_rules() -> None:
    """docs/monitoring.md has each alert with its severity, its threshold and how long it must last."""
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| \[`(\w+)`\]\(operations\.md#(\w+)\) \| (\w+) \| .* \| ([\d-]*) ?\| (\w+) \|$", page, re.MULTILINE
    )
    found = {name: (link, severity, threshold, lasts) for name, link, severity, threshold, lasts in rows}
    assert found == {
        name: (
            anchor(name),
            rule["labels"]["severity"],
            (re.findall(r"> (\d+)$", rule["expr"]) or [""])[0],
            rule["for"],
        )
        for name, rule in alerts().items()
    }
