"""The dashboard: valid, bound to no data source, and every query answered by a real Prometheus server.

It scrapes a real operator, while that creates and deletes caches of the simulated cloud.
"""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from tests.monitoring.files import MONITORING, dashboard, documented, metrics_in, panels, queries
from tests.monitoring.server import JOB, NAMESPACE, Prometheus, free_port

from imagecache_playground.cloud import BUILDER
from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

EMPTY_WHEN_WELL = {"Stalled by reason A", "Requests that failed A"}
"""The queries that have nothing to show when all is well; all others have."""

ALL = {"$namespace": ".*", "$job": ".*", "$__rate_interval": "10s"}
CHOSEN = ALL | {"$namespace": NAMESPACE, "$job": JOB}
NOBODY = "00000000-0000-0000-0000-000000000000"


def filled(expression: str, variables: dict[str, str]) -> str:
    """The expression with the dashboard's variables put in, as Grafana does."""
    for name, value in variables.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


# --- the file by itself


def differences(ours: Any, known: Any, path: str = "") -> Iterator[str]:
    """What is lost or changed of ours; what the library adds are Grafana's own defaults."""
    if isinstance(ours, dict) and isinstance(known, dict):
        for name, value in ours.items():
            if name in known:
                yield from differences(value, known[name], f"{path}/{name}")
            else:
                yield f"{path}/{name}"
    elif isinstance(ours, list) and isinstance(known, list) and len(ours) == len(known):
        for number, (one, other) in enumerate(zip(ours, known, strict=True)):
            yield from differences(one, other, f"{path}/{number}")
    elif ours != known:
        yield path


def understood(model: dict[str, Any]) -> dict[str, Any]:
    """The dashboard as Grafana's own types understand it."""
    plugins.register_default_plugins()
    found: dict[str, Any] = json.loads(json.dumps(Dashboard.from_json(model), cls=JSONEncoder))
    return found


def test_grafana_knows_every_field() -> None:
    """Through Grafana's own types and back nothing is lost: no field is misspelt or in the wrong place."""
    assert list(differences(dashboard(), understood(dashboard()))) == []
    odd = dashboard()
    odd["panels"][1]["options"]["reduceOption"] = {}
    odd["panels"][1]["gridpos"] = {}
    assert sorted(differences(odd, understood(odd))) == ["/panels/1/gridpos", "/panels/1/options/reduceOption"]


def test_it_is_bound_to_no_data_source() -> None:
    """The one that the reader chooses is used everywhere."""
    [choice, *others] = dashboard()["templating"]["list"]
    assert (choice["name"], choice["type"], choice["query"], choice["current"]) == (
        "datasource",
        "datasource",
        "prometheus",
        {},
    )
    targets = [target for panel in panels().values() for target in panel["targets"]]
    named = [each["datasource"] for each in [*others, *panels().values(), *targets]]
    assert named == [{"type": "prometheus", "uid": "${datasource}"}] * len(named)
    text = (MONITORING / "dashboard.json").read_text(encoding="utf-8")
    assert set(re.findall(r'"uid": "(.*?)"', text)) == {"imagecache-operator", "${datasource}"}


def test_panels_do_not_overlap_and_say_what_they_show() -> None:
    """Each has a title and a description of its own, and a place in the grid of 24 columns."""
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for spot in (
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ):
            assert taken.setdefault(spot, panel["title"]) == panel["title"]
    descriptions = [panel["description"] for panel in panels().values()]
    assert len(set(descriptions)) == len(descriptions) == sum(each["type"] != "row" for each in dashboard()["panels"])


def test_it_asks_for_each_metric_and_for_no_other() -> None:
    """Everything that the operator exports is shown somewhere."""
    assert {name for _, query in queries() for name in metrics_in(query)} == documented()


# --- with a real server


class Scene:
    """An operator at work, and the Prometheus server that scrapes it."""

    def __init__(self, world: Surroundings, server: Prometheus, target: str) -> None:
        self.world = world
        self.server = server
        self.target = target

    def series(self, name: str, variables: dict[str, str]) -> list[dict[str, Any]]:
        """What a query of the dashboard shows."""
        query = filled(dict(queries())[name], variables)
        panel = panels()[name.rpartition(" ")[0]]
        return self.server.instant(query) if panel["type"] == "stat" else self.server.range(query)

    def empty(self, variables: dict[str, str]) -> set[str]:
        """The queries that show nothing."""
        return {name for name, _ in queries() if not self.series(name, variables)}


@pytest.fixture(scope="module")
def scene(cluster: Cluster, prometheus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Two caches were created, and one of them deleted with its object; all is well."""
    directory = tmp_path_factory.mktemp("scene")
    cluster.create_namespace("dashboard")
    scenario = {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}}
    target = f"127.0.0.1:{free_port()}"
    with Surroundings(cluster, "dashboard", directory, scenario) as world:
        world.operator(IMAGECACHE_METRICS_ADDR=target, IMAGECACHE_CLUSTER_ID=BUILDER)
        with Prometheus(prometheus, directory / "prometheus", target, MONITORING / "alerts.yaml") as server:
            made = Scene(world, server, target)
            # What happened before the first scrape is no rise.
            wait_for(lambda: bool(server.instant("imagecache_operator_leader")), what="the first scrape", seconds=20)
            for name in ("first", "second"):
                cluster.create("dashboard", name, images=["nginx"])
            for name in ("first", "second"):
                world.wait_reason("Available", name=name, seconds=30)
            world.delete("second")
            world.wait_gone("second")
            wait_for(
                lambda: bool(server.instant('imagecache_operator_released_total{outcome="deleted"} == 1')),
                what="Prometheus has seen the release",
                seconds=10,
            )
            yield made


@pytest.mark.parametrize("variables", [ALL, CHOSEN], ids=["all", "chosen"])
def test_every_query_has_data(scene: Scene, variables: dict[str, str]) -> None:
    """None is an error, a warning or a hint; those that are empty when all is well are named above."""
    wait_for(
        lambda: scene.empty(variables) == EMPTY_WHEN_WELL,
        what=f"all but {EMPTY_WHEN_WELL} have data",
        seconds=15,
        stand=lambda: scene.empty(variables),
    )


def test_another_namespace_or_job_shows_nothing(scene: Scene) -> None:
    """Every query heeds both variables; only a sum that is 0 without any series stays."""
    every = {name for name, _ in queries()}
    for name in ("$namespace", "$job"):
        assert every - scene.empty(ALL | {name: "another"}) == {"Stalled A"}


def test_the_variables_offer_what_there_is(scene: Scene) -> None:
    """Namespace and job of the operators that are scraped."""
    offered = {}
    for variable in dashboard()["templating"]["list"][1:]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert found
        match, label = filled(found[1], ALL), found[2]
        offered[variable["name"]] = scene.server.ask(f"label/{label}/values", **{"match[]": match})
    assert offered == {"namespace": [NAMESPACE], "job": [JOB]}


def test_what_is_scraped_is_sound(scene: Scene, promtool: Path) -> None:
    """In promtool's judgement: names, units, types and help texts of all metrics, as the operator serves them."""
    with urllib.request.urlopen(f"http://{scene.target}/metrics", timeout=10) as answer:
        told = answer.read().decode()
    assert set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE)) == documented()
    command = [str(promtool), "check", "metrics", "--lint=all"]
    done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_no_alert_is_on_while_all_is_well(scene: Scene) -> None:
    """The server takes all rules and evaluates them without a fault; none waits to fire."""

    def states() -> set[tuple[str, str]]:
        return {(rule["health"], rule["state"]) for rule in scene.server.rules().values()}

    wait_for(lambda: states() == {("ok", "inactive")}, what="all rules are quiet", seconds=15, stand=states)
    assert len(scene.server.rules()) == 11


def test_what_is_empty_otherwise_shows_trouble(scene: Scene) -> None:
    """A cache that is not there, and a cloud that fails: every query has data, and alerts wait to fire."""
    scene.world.cluster.create("dashboard", "lost", imageCacheID=NOBODY)
    scene.world.wait_stalled("NotFound", name="lost")
    scene.world.cloud.fault("status", operation="ListImageCaches", status=500, times=2)
    wait_for(lambda: not scene.empty(ALL), what="all queries have data", seconds=20, stand=lambda: scene.empty(ALL))
    [stalled] = scene.series("Stalled by reason A", ALL)
    assert stalled["metric"] == {"reason": "NotFound"}

    def waiting() -> list[str]:
        rule = scene.server.rules()["ImageCacheObjectsStalled"]
        return [alert["labels"]["reason"] for alert in rule["alerts"]]

    wait_for(lambda: waiting() == ["NotFound"], what="the alert waits to fire", seconds=10, stand=waiting)
