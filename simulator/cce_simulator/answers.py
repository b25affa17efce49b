"""An HTTP answer as a value, and the JSON in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

JSON_TYPE = "application/json"
NO_HEADERS: Mapping[str, str] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers; X-Request-Id is added when it is sent."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class RefusedError(Exception):
    """The request ends here, with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def dump(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_answer(status: int, value: Any, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, dump(value), JSON_TYPE, headers)


def raw_json_answer(status: int, body: bytes) -> Answer:
    """An answer whose JSON is already text."""
    return Answer(status, body, JSON_TYPE)
