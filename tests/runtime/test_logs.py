"""Log lines: one JSON object each, or text for a terminal."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf
import pytest
from kopf._core.actions.loggers import LocalObjectLogger
from tests.decision.builders import ID, rfc
from tests.runtime.account_kit import FORBIDDEN, OUTAGE, Started
from tests.runtime.fakes import LIST
from tests.runtime.reconciler_kit import MADE, Kit, delete, retain
from tests.runtime.virtual_time import EPOCH, pass_time, settle

from imagecache_operator.answers import Accepted, NotDone
from imagecache_operator.logs import FIELDS, set_up_logging
from imagecache_operator.observation import CacheStatus, Trouble, TroubleKind

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
    logging.captureWarnings(capture=False)


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


# Whatever ends a line for somebody, or is a command to a terminal; and half a pair, which no encoding has.
CONTROLS = [chr(number) for number in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xD800]]
FORGED = "\r\n2026-03-01T12:00:00Z ERROR   forged".join(CONTROLS)


def fail(words: str) -> None:
    """An error with foreign words in it, as a line of the log."""
    try:
        _refuse(words)
    except ValueError:
        logger.exception("%s", words, extra={"detail": words})


def _refuse(words: str) -> None:
    raise ValueError(words)


def test_foreign_words_forge_no_line_of_json() -> None:
    """Neither as message nor as field nor in a trace; and they read as what was said."""
    text = written(lambda: fail(FORGED), as_json=True)
    assert len(text.splitlines()) == 1
    assert not set(CONTROLS) & set(text.removesuffix("\n"))
    line = json.loads(text)
    assert line["message"] == line["detail"] == FORGED
    assert line["exception"].endswith(f"ValueError: {FORGED}")


def test_foreign_words_forge_no_line_of_text() -> None:
    """What would end a line or move a terminal's cursor is shown by its number."""
    text = written(lambda: logger.warning("%s", FORGED, extra={"detail": FORGED}), as_json=False)
    assert len(text.splitlines()) == 1
    assert not set(CONTROLS) & set(text.removesuffix("\n"))
    escape = written(lambda: logger.warning("red: %s", "\x1b[31m\nnext"), as_json=False)
    assert escape.endswith(" red: \\u001b[31m\\u000anext\n")


def test_a_trace_moves_no_terminal() -> None:
    """It has its own lines, and the words in it command nothing."""
    text = written(lambda: fail("\x1b[2J"), as_json=False)
    assert text.endswith("\nValueError: \\u001b[2J\n")


def test_a_warning_of_python_is_a_line_like_any_other() -> None:
    """Nothing goes to stderr past the format: whoever reads JSON reads nothing else."""

    def log() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning("Odd.", RuntimeWarning, "somewhere.py", 1)

    line = one(log)
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "RuntimeWarning: Odd." in line["message"]


def test_a_line_of_kopf_about_an_object_names_it() -> None:
    """In the same field as ours."""
    body = kopf.Body({"metadata": {"namespace": "ns", "name": "a", "uid": "u"}})
    told = LocalObjectLogger(body=body, settings=kopf.OperatorSettings())
    assert one(lambda: told.error("Handler failed"))["object"] == "ns/a"


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


# --- kopf tries again


def retry(number: int | str, then: str = "will retry") -> str:
    """As kopf words it."""
    return f"Request attempt #{number} failed; {then}: GET https://10.0.0.1/apis -> APIForbiddenError('no', {{}})"


def attempts(*numbers: int | str, level: str = "info", name: str = "kopf._core.reactor.observation") -> list[str]:
    """The levels of the lines that are written of these attempts."""

    def log() -> None:
        for number in numbers:
            logging.getLogger(name).error(retry(number))

    return [json.loads(line)["level"] for line in written(log, as_json=True, level=level).splitlines()]


def test_an_attempt_of_kopf_that_is_made_again_is_no_error() -> None:
    """The first ones are not told; one that goes on is told as a warning now and then."""
    assert attempts(1, 2) == []
    assert attempts(*range(1, 200)) == ["warning"] * 4
    assert attempts("3/9") == ["warning"]
    assert attempts(1, 2, 3, 4, level="debug") == ["debug", "debug", "warning", "debug"]
    assert attempts(*range(1, 200), level="error") == []


def test_other_errors_of_kopf_stay_errors() -> None:
    """What it gives up, whatever else it says, and the same words of somebody else."""

    def log() -> None:
        logging.getLogger("kopf._cogs.clients.api").error(retry(1, "escalating"))
        logging.getLogger("kopf.activities").error("Activity failed")

    assert [json.loads(line)["level"] for line in written(log, as_json=True).splitlines()] == ["error", "error"]
    assert attempts(1, name="imagecache_operator.x") == ["error"]


def test_what_the_watcher_tells_of_the_end_of_kopf_is_not_told_by_kopf_too() -> None:
    """Which task of its failed, and which it ended with it; only who logs in is heard of nowhere else."""

    def log() -> None:
        running = logging.getLogger("kopf._core.reactor.running")
        for said in (
            "Watcher for imagecaches.v1alpha1.cce.huaweicloud.com@none has failed: ('no', {})",
            "Multidimensional multitasker has failed: two\nlines",
            "Startup activity is only partially executed due to cancellation.",
            "Credentials retriever has failed: no",
            "Poster of events has finished unexpectedly.",
        ):
            running.error(said)
        logging.getLogger("kopf._core.engines.activities").error("Initial authentication has failed: no")
        logging.getLogger("imagecache_operator.x").error("It has failed: no")

    heard = [json.loads(line)["message"] for line in written(log, as_json=True).splitlines()]
    assert heard == [
        "Credentials retriever has failed: no",
        "Poster of events has finished unexpectedly.",
        "Initial authentication has failed: no",
        "It has failed: no",
    ]
    assert written(log, as_json=True, level="debug").count("debug") == 3


# --- the fields of our own lines


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Message, level and fields of a line."""
    found = {name: getattr(record, name, None) for name in FIELDS}
    told = {name: value for name, value in found.items() if value is not None}
    return {"message": record.getMessage(), "level": record.levelname} | told


def lines(caplog: pytest.LogCaptureFixture, start: str) -> list[dict[str, Any]]:
    """The lines that begin so."""
    return [line for record in caplog.records if (line := fields(record))["message"].startswith(start)]


def test_the_document_has_each_field() -> None:
    """docs/monitoring.md tells of the fields, in their order, and of no others."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    table = page.partition("## Logs")[2].partition("\n###")[0]
    rows = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert rows == ["time", "level", "logger", "message", *FIELDS, "exception"]


async def test_the_lines_of_a_deletion_tell_all_that_is_known(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """Object, cache, account, request id and reason, from the DELETE to the release."""
    caplog.set_level(logging.INFO)
    kit.cloud.answers.append(Accepted(EPOCH, "req-1"))
    await kit.started_deletion()
    await pass_time(6)
    kit.cloud.caches.clear()
    await pass_time(12)
    common = {"object": "team-a/web", "cache_id": ID, "account": "default"}
    sent = {"message": "DELETE: Accepted", "level": "INFO", "request_id": "req-1"}
    assert lines(caplog, "DELETE:") == [common | sent]
    about = [line for record in caplog.records if (line := fields(record)).get("reason")]
    assert all(line.items() >= common.items() for line in about)
    assert [line["reason"] for line in about] == ["DeleteRequested", "Deleting", "Deleted"]
    assert about[-1]["outcome"] == "deleted"


async def test_the_line_of_a_creation_names_the_new_cache(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """Its id, as soon as the cloud tells it."""
    caplog.set_level(logging.INFO)
    kit.apply()
    await pass_time(6)
    [line] = lines(caplog, "POST:")
    assert line == {
        "message": "POST: Created",
        "level": "INFO",
        "object": "team-a/web",
        "cache_id": MADE,
        "account": "default",
        "request_id": "request-1",
    }


async def test_a_write_that_was_not_carried_out_tells_why(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """The reason is that of Ready, the cloud's words are the detail."""
    caplog.set_level(logging.INFO)
    kit.cloud.answers.append(NotDone(Trouble(TroubleKind.ACCESS_DENIED, "No right to delete."), "req-2"))
    await kit.started_deletion()
    [line] = lines(caplog, "DELETE:")
    told = {
        "message": "DELETE: NotDone",
        "reason": "AccessDenied",
        "detail": "No right to delete.",
        "request_id": "req-2",
    }
    assert line.items() >= told.items()


async def test_what_stalls_is_a_warning(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """A filter by level finds what a person must act on; what was retained is none of it."""
    caplog.set_level(logging.INFO)
    kit.cloud.put(ID, CacheStatus.FAILED)
    kit.make()
    await settle()
    kit.edit(delete, retain)
    await settle()
    told = [(line["level"], line["reason"]) for record in caplog.records if (line := fields(record)).get("reason")]
    assert told == [("WARNING", "Failed"), ("INFO", "Retained")]


async def test_trouble_of_an_account_is_told_once(started: Started, caplog: pytest.LogCaptureFixture) -> None:
    """When it begins, when it becomes another, and when it is over; not with each look."""
    caplog.set_level(logging.INFO)
    for trouble, seconds in ((OUTAGE, 600), (FORBIDDEN, 600), (None, 600)):
        if trouble is None:
            started.client.troubles.clear()
        else:
            started.client.troubles[LIST] = trouble
        await pass_time(seconds)
    fails = {"message": "Looking at the cloud fails", "level": "WARNING", "account": "default"}
    assert [fields(record) for record in caplog.records] == [
        fails | {"reason": "CloudUnavailable", "detail": "eu-west-101: 500: sorry"},
        fails | {"reason": "AccessDenied", "detail": "eu-west-101: 403: no", "request_id": "req-1"},
        {"message": "Looking at the cloud works again", "level": "INFO", "account": "default"},
    ]
    assert started.client.count(LIST) > 20


async def test_an_object_that_cannot_be_read_is_named(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """In the field that all lines about objects have."""
    made = {"metadata": {"namespace": "team-a", "name": "odd", "creationTimestamp": rfc(EPOCH)}, "spec": 3}
    kit.reconciler.objects.upsert(made)
    [line] = lines(caplog, "The object cannot be read")
    assert (line["object"], line["level"]) == ("team-a/odd", "ERROR")
