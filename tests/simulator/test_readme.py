"""The simulator's page: nothing is missing from it, and its examples run as they stand."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest

from cce_simulator.behaviours import BuildBehaviour, DeleteBehaviour, Refusal, Revert
from cce_simulator.control import PREFIX
from cce_simulator.errors import ErrorShape
from cce_simulator.faults import FaultSpec, Kind, Variant
from cce_simulator.incoming import _ONE_CACHE, _OPERATIONS, CACHES_PATH
from cce_simulator.journal import _FIELDS
from cce_simulator.scenario import AgencySeed, CacheSeed, parse_scenario
from cce_simulator.settings import RetryAfter, Settings, Timing
from cce_simulator.simulator import Simulator
from cce_simulator.switches import Switches, allowed_values
from cce_simulator.testing import ManualClock, RunningSimulator

PAGE = (Path(__file__).resolve().parents[2] / "simulator" / "README.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", PAGE))
ANY_ID = {"caches/": "{id}", "faults/": "{number}"}
"""How the page writes what follows the slash of a control route."""


def _section(heading: str) -> str:
    return PAGE.partition(f"\n{heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]


def _texts(values: tuple[Any, ...]) -> list[str]:
    return [str(value) for value in values]


def test_every_switch_is_told_with_its_positions() -> None:
    """Each switch has a row: its positions, all of them, the default first."""
    rows = {
        name: re.findall(r"`([^`]+)`", positions)
        for name, positions in re.findall(
            r"^\| `(\w+)` \| (?:\d+|-) \| ([^|]+) \|", _section("## Switches"), re.MULTILINE
        )
    }
    default = dataclasses.asdict(Switches())
    assert {name: sorted(positions) for name, positions in rows.items()} == {
        name: sorted(_texts(values)) for name, values in allowed_values().items()
    }
    assert {name: positions[0] for name, positions in rows.items()} == {
        name: str(value) for name, value in default.items()
    }


def test_every_kind_of_fault_is_told_and_no_other() -> None:
    """Each kind has a row."""
    assert re.findall(r"^\| `(\w+)` \|", _section("## Faults"), re.MULTILINE) == list(get_args(Kind))


def test_every_route_of_the_control_path_is_told_and_no_other() -> None:
    """Each request that the control path knows has a row."""
    control = Simulator(parse_scenario({}), ManualClock()).control
    # The one route that is not in the table of the code, because it must answer before it closes the port.
    routes = {("POST", "close-port"), *control._routes}
    assert set(re.findall(r"^\| `([A-Z]+) (/_control/\S+)` \|", PAGE, re.MULTILINE)) == {
        (method, f"{PREFIX}{what}{ANY_ID.get(what, '')}") for method, what in routes
    }


def test_every_call_is_told() -> None:
    """Each operation stands beside its method and path."""
    told = re.findall(r"^\| `([A-Z]+) (/v[135]\S*?)`[^|]*\| `(\w+)` \|", PAGE, re.MULTILINE)
    one = {(method, f"{CACHES_PATH}/{{id}}", name) for method, name in _ONE_CACHE.items()}
    assert set(told) == one | {(*call, name) for call, name in _OPERATIONS.items()}


@pytest.mark.parametrize(
    "model", [FaultSpec, CacheSeed, AgencySeed, Refusal, Revert, DeleteBehaviour, BuildBehaviour, Settings]
)
def test_every_key_is_told(model: type[Any]) -> None:
    """Each key that can be given is named."""
    names = {field.name for field in dataclasses.fields(model)} - {"timing"}
    assert [name for name in sorted(names) if name not in CODE and f"{name}: true" not in CODE] == []


def test_timing_forms_and_log_are_told() -> None:
    """What has no table of its own is named all the same."""
    names = [f"timing.{field.name}" for field in dataclasses.fields(Timing)]
    names += [*get_args(Variant), *get_args(ErrorShape), *get_args(RetryAfter), *_FIELDS]
    assert [name for name in names if name not in CODE] == []


def test_the_scenario_is_one() -> None:
    """The example can be read."""
    (text,) = re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)
    scenario = parse_scenario(json.loads(text))
    assert [cache.name for cache in scenario.caches] == ["web", "stuck", "broken"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_examples_run(cloud: RunningSimulator) -> None:
    """Every curl succeeds, and what the comments promise is true afterwards."""
    (text,) = re.findall(r"```sh\n(CCE=.+?)```", PAGE, re.DOTALL)
    script = text.replace("http://127.0.0.1:18080", cloud.url).replace("curl -s ", "curl -s --fail ")
    assert script != text
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    state = cloud.control("GET", "state")
    (project,) = state["projects"].values()
    assert [(cache["name"], cache["status"]) for cache in project["caches"]] == [
        ("web", "Deleting"),
        ("stubborn", "Available"),
    ]
    assert state["settings"]["switches"]["delete_answer"] == "204_still_there"
    assert [fault["kind"] for fault in state["faults"]] == ["lost_answer"]
