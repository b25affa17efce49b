"""Schedules run in virtual time: hours of faults in milliseconds, always in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from tests.runtime.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop for the asynchronous tests."""
    return {"virtual time": VirtualTimeLoop}
