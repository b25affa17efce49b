"""Log lines: one JSON object each, or text for a terminal."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from imagecache_operator.logs import set_up_logging

logger = logging.getLogger("imagecache_operator.test")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a test sets up for the whole process is taken back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("httpx", "kopf", "asyncio", "aiohttp", "kubernetes")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)


def written(log: Callable[[], None], *, as_json: bool, level: str = "info") -> str:
    """What is written when that is logged."""
    stream = io.StringIO()
    set_up_logging(as_json=as_json, level=level, stream=stream)
    log()
    return stream.getvalue()


def one(log: Callable[[], None]) -> dict[str, Any]:
    """The one JSON object that is written."""
    text = written(log, as_json=True)
    assert text.endswith("\n")
    assert text.count("\n") == 1
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_of_json() -> None:
    """Time, level, logger, message, and the fields that belong to it."""
    line = one(lambda: logger.warning("Cache %s gone", "c-1", extra={"object": "ns/a", "cache_id": "c-1"}))
    moment = datetime.fromisoformat(line.pop("time"))
    assert moment.tzinfo is not None
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert line == {
        "level": "warning",
        "logger": "imagecache_operator.test",
        "message": "Cache c-1 gone",
        "object": "ns/a",
        "cache_id": "c-1",
    }


def test_fields_without_a_value_and_foreign_ones_are_left_out() -> None:
    """Only the fields that our own calls add are written."""
    line = one(lambda: logger.info("x", extra={"object": None, "reason": "deleted", "password": "made-up"}))
    assert line["reason"] == "deleted"
    assert not {"object", "password"} & line.keys()


@pytest.mark.parametrize(
    "text", ["two\nlines", 'a "quote"', "naïve 缓存", "tab\there"], ids=["lines", "quote", "word", "tab"]
)
def test_any_message_is_one_line_of_json(text: str) -> None:
    """And reads as what was said."""
    assert one(lambda: logger.info("%s", text))["message"] == text


def test_a_field_that_json_does_not_know_is_told_by_its_text() -> None:
    """A log call never fails for its extras."""
    assert one(lambda: logger.info("x", extra={"object": {1}}))["object"] == "{1}"


def test_exceptions_are_told() -> None:
    """With their trace; in JSON within the one line."""

    def log() -> None:
        try:
            int("made to fail")
        except ValueError:
            logger.exception("It failed")

    line = one(log)
    assert line["level"] == "error"
    assert "ValueError: invalid literal for int() with base 10: 'made to fail'" in line["exception"]
    text = written(log, as_json=False).splitlines()
    assert text[0].endswith("ERROR   It failed")
    assert text[-1] == "ValueError: invalid literal for int() with base 10: 'made to fail'"


def test_a_line_of_text() -> None:
    """Time, level, message, then the fields."""
    text = written(lambda: logger.info("Done", extra={"object": "ns/a", "reason": "deleted"}), as_json=False)
    moment, rest = text.split(" ", 1)
    assert moment.endswith("Z")
    assert rest == "INFO    Done object=ns/a reason=deleted\n"


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(level: str, heard: list[str]) -> None:
    """What is below the level is not written."""

    def log() -> None:
        for name in ("debug", "info", "warning", "error"):
            getattr(logger, name)("x")

    lines = [json.loads(line) for line in written(log, as_json=True, level=level).splitlines()]
    assert [line["level"] for line in lines] == heard


@pytest.mark.parametrize("name", ["httpx", "kopf.objects", "kubernetes.aio", "aiohttp.access", "asyncio"])
def test_libraries_are_heard_from_warning_on(name: str) -> None:
    """Unless the level is `debug`, when all is told; and our own lines are not theirs."""

    def log() -> None:
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")

    heard = [json.loads(line)["message"] for line in written(log, as_json=True).splitlines()]
    assert heard == ["trouble"]
    heard = [json.loads(line)["message"] for line in written(log, as_json=True, level="debug").splitlines()]
    assert heard == ["chatter", "trouble"]
    heard = [json.loads(line)["message"] for line in written(log, as_json=True, level="error").splitlines()]
    assert heard == []


def test_setting_up_twice_writes_once() -> None:
    """Handlers of before are replaced."""
    first, second = io.StringIO(), io.StringIO()
    set_up_logging(as_json=True, level="info", stream=first)
    set_up_logging(as_json=True, level="info", stream=second)
    logger.info("x")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)
    assert sys.stderr not in [getattr(handler, "stream", None) for handler in logging.getLogger().handlers]
