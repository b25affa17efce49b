"""Per-cache conduct that the control path can order: builds that fail, deletions that are refused, revert or hang."""

from __future__ import annotations

import dataclasses

from cce_simulator.parsing import Fields


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """DELETE is answered with an error and nothing happens."""

    status: int = 409
    # None: refuse until told otherwise.
    times: int | None = None
    # None: the code that section 4.2 lists for the status.
    code: str | None = None
    message: str | None = None
    # Refuse only while the cache is in one of these statuses; empty: in any.
    during: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """The deletion is accepted, and after a while the cache leaves Deleting for another status."""

    to: str = "Available"
    # Seconds, divided by the time scale; counted from the DELETE.
    after: float = 1.0
    times: int | None = None
    message: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBehaviour:
    """What a DELETE of this cache leads to; the default is plain deletion."""

    refuse: Refusal | None = None
    revert: Revert | None = None
    # The cache stays in Deleting for ever.
    never: bool = False
    # Overrides the delete_seconds of the settings.
    seconds: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildBehaviour:
    """How the build of this cache goes; None means as the settings say."""

    seconds: float | None = None
    outcome: str | None = None
    message: str | None = None
    never: bool = False


PLAIN_DELETE = DeleteBehaviour()
PLAIN_BUILD = BuildBehaviour()


def parse_delete_behaviour(fields: Fields) -> DeleteBehaviour:
    """Read a `delete_behaviour`; what is absent is plain."""
    behaviour = DeleteBehaviour(
        refuse=_parse_refusal(fields.object("refuse")) if fields.raw("refuse") is not None else None,
        revert=_parse_revert(fields.object("revert")) if fields.raw("revert") is not None else None,
        never=fields.flag("never", default=False),
        seconds=fields.optional_number("seconds"),
    )
    fields.done()
    return behaviour


def parse_build_behaviour(fields: Fields) -> BuildBehaviour:
    """Read a `build_behaviour`; what is absent is as the settings say."""
    behaviour = BuildBehaviour(
        seconds=fields.optional_number("seconds"),
        outcome=fields.optional_text("outcome"),
        message=fields.optional_text("message"),
        never=fields.flag("never", default=False),
    )
    fields.done()
    return behaviour


def _parse_refusal(fields: Fields) -> Refusal:
    refusal = Refusal(
        status=fields.integer("status", 409, minimum=400),
        times=fields.optional_integer("times"),
        code=fields.optional_text("code"),
        message=fields.optional_text("message"),
        during=fields.texts("during"),
    )
    fields.done()
    return refusal


def _parse_revert(fields: Fields) -> Revert:
    revert = Revert(
        to=fields.text("to", "Available"),
        after=fields.number("after", 1.0),
        times=fields.optional_integer("times"),
        message=fields.optional_text("message"),
    )
    fields.done()
    return revert
