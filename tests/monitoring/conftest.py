"""Prometheus's own programs; they are built the first time, which may take minutes."""

from __future__ import annotations

from pathlib import Path

import pytest
from imagecache_gotools import find_tool
from tests.conftest import teller


@pytest.fixture(scope="session")
def promtool(request: pytest.FixtureRequest) -> Path:
    """Checks rules, and tests them on made-up series."""
    return find_tool("promtool", teller(request))


@pytest.fixture(scope="session")
def prometheus(request: pytest.FixtureRequest) -> Path:
    """The server."""
    return find_tool("prometheus", teller(request))
