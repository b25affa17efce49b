"""How logs look: one JSON object per line, or text for a terminal; what belongs to a message is in `extra`."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

FIELDS = ("object", "cache_id", "account", "request_id", "reason", "outcome", "detail")
"""The fields that our own log calls add; docs/monitoring.md tells what each means."""

_NOISY = ("httpx", "httpcore", "aiohttp", "asyncio", "kopf", "kubernetes")
"""Libraries that are heard from `warning` on, unless the level is `debug`."""

_KOPF_RETRIES = re.compile(r"Request attempt #(\d+)(?:/\d+)? failed; will retry")
_KOPF_ENDS = re.compile(r"(?!Credentials retriever).* has failed: |.* due to cancellation\.$", re.DOTALL)
"""How kopf tells that a task of its has ended, and which it made end with it; `watcher.py` tells the first once.

Nobody but kopf hears of the task that logs in, so that is left to it.
"""
_KOPF_TASKS = "kopf._core.reactor."
"""Who tells of them."""

_RETRIES_TOLD = 3, 60
"""Which attempts in a row are told of: the so-manyth, and each that this divides; kopf makes one a second."""

# Also what JSON lets through: to some readers these end a line, and a terminal obeys them.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def set_up_logging(*, as_json: bool, level: str, stream: TextIO = sys.stderr) -> None:
    """Send all logs to the stream; `level` is `debug`, `info`, `warning` or `error`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    handler.addFilter(_Kopf(logging.getLevelName(level.upper())))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel("ERROR" if level == "error" else "NOTSET" if level == "debug" else "WARNING")


class _Kopf(logging.Filter):
    """What kopf calls an error and is none.

    An attempt that succeeds the next second is none, so the first ones are not told at all. One that goes on for long,
    such as when the operator's role was taken away, is told as a warning, about once a minute. The end of one of kopf's
    tasks is told by who started kopf. What else kopf calls an error stays one.
    """

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if not record.name.startswith("kopf"):
            return True
        message = record.getMessage()
        if (found := _KOPF_RETRIES.match(message)) is not None:
            number, (first, every) = int(found[1]), _RETRIES_TOLD
            told = number == first or number % every == 0
        elif record.name.startswith(_KOPF_TASKS) and _KOPF_ENDS.match(message):
            told = False
        else:
            return True
        record.levelno = logging.WARNING if told else logging.DEBUG
        record.levelname = logging.getLevelName(record.levelno)
        return record.levelno >= self._level


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found = {name: getattr(record, name, None) for name in FIELDS}
    if (ref := getattr(record, "k8s_ref", None)) is not None:
        # Lines of kopf about an object: its own formatters would show it.
        found["object"] = f"{ref.get('namespace')}/{ref.get('name')}"
    return {name: value for name, value in found.items() if value is not None}


def _one_line(text: str) -> str:
    """Foreign words within end no line and command no terminal; the escapes are those of JSON."""
    return _CONTROL_CHARACTERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _one_line(json.dumps(line, ensure_ascii=False, default=str))


class TextFormatter(logging.Formatter):
    """For people."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = _one_line(f"{_moment(record)} {record.levelname:<7} {record.getMessage()}{fields}")
        if not record.exc_info:
            return line
        trace = self.formatException(record.exc_info).split("\n")
        return "\n".join([line, *map(_one_line, trace)])
