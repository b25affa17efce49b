"""How logs look: one JSON object per line, or text for a terminal; what belongs to a message is in `extra`."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_EXTRAS = ("object", "cache_id", "account", "request_id", "reason", "detail")
"""The fields that our own log calls add."""

_NOISY = ("httpx", "httpcore", "aiohttp", "asyncio", "kopf", "kubernetes")
"""Libraries that are heard from `warning` on, unless the level is `debug`."""


def set_up_logging(*, as_json: bool, level: str, stream: TextIO = sys.stderr) -> None:
    """Send all logs to the stream; `level` is `debug`, `info`, `warning` or `error`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel("ERROR" if level == "error" else "NOTSET" if level == "debug" else "WARNING")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found = {name: getattr(record, name, None) for name in _EXTRAS}
    return {name: value for name, value in found.items() if value is not None}


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
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """For people."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_moment(record)} {record.levelname:<7} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
