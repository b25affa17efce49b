"""Circles run in virtual time: retries of minutes and an expiry of days pass in milliseconds, in the same order."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping

import pytest
from tests.runtime.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop for the asynchronous tests."""
    return {"virtual time": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is refused on purpose need not be told; and the operator's jitter is the same each time."""
    random.seed(1)
    with caplog.at_level(logging.CRITICAL, "imagecache_operator"):
        yield
