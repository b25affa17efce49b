"""Alerts and dashboard as the chart and the component of kustomize bring them into a cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deploy.kustomize import Object
from tests.helm import CHART, Helm, HelmError
from tests.monitoring.files import MONITORING, alerts, dashboard

ON: dict[str, Any] = {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]["prometheusRule"]


def one(documents: list[Object], kind: str, end: str = "") -> Object:
    """The document of that kind whose name ends so."""
    [found] = [each for each in documents if each["kind"] == kind and each["metadata"]["name"].endswith(end)]
    return found


def rules_of(document: Object) -> dict[str, Object]:
    """The alerts of a PrometheusRule by their names."""
    return {rule["alert"]: rule for group in document["spec"]["groups"] for rule in group["rules"]}


def rendered(helm: Helm, **values: Any) -> dict[str, Object]:
    """The alerts that the chart makes with these values of `prometheusRule`; others by `others`."""
    others = values.pop("others", {})
    return rules_of(one(helm.template({"prometheusRule": {"enabled": True} | values} | others), "PrometheusRule"))


def changed(rules: dict[str, Object]) -> dict[str, str]:
    """The thresholds that differ from those of the file; nothing else may."""
    found = {}
    for name, rule in rules.items():
        ours, mark, threshold = rule["expr"].rpartition("> ")
        before = alerts()[name]["expr"].rpartition("> ")
        assert (ours, mark) == before[:2]
        if threshold != before[2]:
            found[name] = threshold
    return found


def test_the_chart_brings_them_only_when_told_to(helm: Helm) -> None:
    """Both are off by default: a cluster may know no PrometheusRule."""
    names = {each["metadata"]["name"] for each in helm.template()}
    assert not [name for name in names if "dashboard" in name]
    assert "PrometheusRule" not in {each["kind"] for each in helm.template()}


def test_the_chart_brings_the_files_as_they_are(helm: Helm) -> None:
    """Not one expression or label differs; templates of Prometheus and of Grafana stay as they are."""
    documents = helm.template(ON)
    assert rules_of(one(documents, "PrometheusRule")) == alerts()
    config_map = one(documents, "ConfigMap", "-dashboard")
    assert json.loads(config_map["data"]["imagecache-operator.json"]) == dashboard()
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_thresholds_of_values_take_the_place_of_those_in_the_file(helm: Helm) -> None:
    """0 and large numbers, too; what is not set stays."""
    thresholds = {"ImageCacheQuotaNearlyFull": 1800000, "ImageCacheOperatorBlind": 0}
    assert changed(rendered(helm, thresholds=thresholds)) == {name: str(value) for name, value in thresholds.items()}


@pytest.mark.parametrize(("thresholds", "limit"), [({}, 600), ({"ImageCacheDeletionOverdue": 900}, 900)])
def test_a_deletion_is_overdue_when_the_operator_says_so(helm: Helm, thresholds: Object, limit: int) -> None:
    """The setting stalledAfter is the threshold, unless that is set by itself."""
    rules = rendered(helm, thresholds=thresholds, others={"settings": {"stalledAfter": 600}})
    assert changed(rules) == {"ImageCacheDeletionOverdue": str(limit)}


def test_every_rendered_rule_is_sound(helm: Helm, promtool: Path, tmp_path: Path) -> None:
    """Promtool takes what the chart makes of other thresholds and links."""
    thresholds = dict.fromkeys(SCHEMA["properties"]["thresholds"]["properties"], 7)
    values = {"enabled": True, "thresholds": thresholds, "runbookURL": "https://git.example.com/operations.md"}
    document = one(helm.template({"prometheusRule": values}), "PrometheusRule")
    assert len(changed(rules_of(document))) == len(thresholds)
    links = {rule["annotations"]["runbook_url"] for rule in rules_of(document).values()}
    assert all(link.startswith("https://git.example.com/operations.md#imagecache") for link in links)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(document["spec"]), encoding="utf-8")
    check = [str(promtool), "check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yaml")]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_alerts_can_be_left_out(helm: Helm) -> None:
    """By their names, all of which the schema knows; a misspelt one is refused."""
    every = set(alerts())
    assert set(SCHEMA["properties"]["disabled"]["items"]["enum"]) == every
    left = rendered(helm, disabled=["ImageCacheQuotaNearlyFull", "ImageCacheWritesWaiting"])
    assert every - left.keys() == {"ImageCacheQuotaNearlyFull", "ImageCacheWritesWaiting"}
    with pytest.raises(HelmError, match="disabled"):
        rendered(helm, disabled=["ImageCacheQuota"])


def test_the_thresholds_that_can_be_set_are_in_the_file() -> None:
    """Each stands at the end of its expression, where the chart puts another; values.yaml tells the default."""
    values = (CHART / "values.yaml").read_text(encoding="utf-8")
    for name in SCHEMA["properties"]["thresholds"]["properties"]:
        default = alerts()[name]["expr"].rpartition("> ")[2]
        assert f"{default}.\n    {name}: null" in values


def test_the_component_brings_the_same(overlay: Callable[..., list[Object]]) -> None:
    """Alerts and dashboard as in the files, and what gets the pods scraped."""
    documents = overlay("monitoring")
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))
    assert one(documents, "PrometheusRule")["spec"] == groups
    config_map = one(documents, "ConfigMap", "-dashboard")
    assert json.loads(config_map["data"]["imagecache-operator.json"]) == dashboard()
    monitor, service = one(documents, "ServiceMonitor"), one(documents, "Service")
    pods = one(documents, "Deployment")["spec"]["template"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= pods["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"] == "metrics"
    [port] = [each for each in pods["spec"]["containers"][0]["ports"] if each["name"] == "metrics"]
    assert port["containerPort"] == service["spec"]["ports"][0]["port"]
    assert {each["metadata"]["namespace"] for each in (monitor, service, config_map)} == {"imagecache-system"}
