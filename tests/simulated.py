"""Fixtures of the folders that talk to a simulator in this process; their conftests take them over.

No plugin for all tests: the temporary home would hide the control plane's programs from those that need them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cce_simulator.testing import RunningSimulator, running


@pytest.fixture
def cloud() -> Iterator[RunningSimulator]:
    """A simulator with the built-in scenario and without the limit on writes, which has its own tests."""
    with running({"writes_per_minute": 0}) as simulator:
        yield simulator


@pytest.fixture
def start() -> Iterator[Callable[[dict[str, Any]], RunningSimulator]]:
    """Start simulators with scenarios of one's own."""
    with contextlib.ExitStack() as stack:
        yield lambda scenario: stack.enter_context(running(scenario))


@pytest.fixture(scope="module", autouse=True)
def home_without_traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Parts of the official SDK write $HOME/.huaweicloud/application_id as soon as they are imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield
