"""What the models of the resource share: camelCase in JSON, frozen in memory, times in RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC; with microseconds where there are any (like Kubernetes' MicroTime)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _unreadable_is_none(value: object) -> object:
    """A time that some other hand wrote wrongly must not make the object unreadable."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Time = Annotated[
    AwareDatetime | None,
    BeforeValidator(_unreadable_is_none),
    PlainSerializer(
        lambda moment: None if moment is None else format_time(moment),
        return_type=str | None,
        when_used="json",
    ),
]


class Model(BaseModel):
    """Base of the resource's models; unknown fields are ignored, so a newer CRD can be read."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )
