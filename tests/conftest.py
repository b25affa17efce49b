"""One control plane for all tests that need one; each test has a namespace and a cloud of its own."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.helm import Helm

from imagecache_controlplane import ControlPlane, Programs, find_programs
from imagecache_gotools import find_tool
from imagecache_playground.cluster import Cluster
from imagecache_playground.surroundings import Surroundings


def pytest_configure() -> None:
    """Ctrl-C is heard, here and in what is started here, also where a shell has `make test` in its background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Programs:
    """The control plane's programs; finding them may take minutes the first time."""
    return find_programs(_teller(request))


@pytest.fixture(scope="session")
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The real helm, without a cluster; it is built the first time, which may take minutes."""
    return Helm(find_tool("helm", _teller(request)), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def promtool(request: pytest.FixtureRequest) -> Path:
    """Prometheus's tool that checks rules, and tests them on made-up series."""
    return find_tool("promtool", _teller(request))


@pytest.fixture(scope="session")
def prometheus(request: pytest.FixtureRequest) -> Path:
    """The Prometheus server."""
    return find_tool("prometheus", _teller(request))


def _teller(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Shows what a long step does, past pytest's capture."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def tell(sentence: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{sentence}", flush=True)  # noqa: T201 (progress of a long step)

    return tell


@pytest.fixture(scope="session")
def control_plane(programs: Programs) -> Iterator[ControlPlane]:
    """The control plane that all tests share."""
    with ControlPlane(programs) as plane:
        yield plane


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> Cluster:
    """The shared control plane with CRD and role."""
    installed = Cluster(control_plane)
    installed.install()
    return installed


@pytest.fixture
def own_plane(programs: Programs) -> Iterator[Cluster]:
    """A control plane of the test's own in which nothing is installed."""
    with ControlPlane(programs) as plane:
        yield Cluster(plane)


@pytest.fixture
def own_cluster(own_plane: Cluster) -> Cluster:
    """A control plane for a test that breaks it or deletes the CRD."""
    own_plane.install()
    return own_plane


@pytest.fixture
def namespace_name(request: pytest.FixtureRequest) -> str:
    """A fresh name that tells the test."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].strip("-")
    return f"{words}-{uuid4().hex[:6]}"


@pytest.fixture
def surroundings(namespace_name: str, tmp_path: Path) -> Iterator[Callable[..., Surroundings]]:
    """Makes surroundings in a namespace of the test's own; their operators are stopped after the test."""
    with ExitStack() as stack:

        def make(cluster: Cluster, scenario: dict[str, Any] | None = None) -> Surroundings:
            cluster.create_namespace(namespace_name)
            return stack.enter_context(Surroundings(cluster, namespace_name, tmp_path, scenario))

        yield make


@pytest.fixture
def world(surroundings: Callable[..., Surroundings], cluster: Cluster) -> Surroundings:
    """A namespace of the shared cluster and a cloud that deletes in half a second."""
    return surroundings(cluster, {"timing": {"delete_seconds": 0.5}, "writes_per_minute": 0})
