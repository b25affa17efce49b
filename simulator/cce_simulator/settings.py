"""Everything about the simulator's conduct that can be changed while it runs."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from cce_simulator.parsing import Fields
from cce_simulator.switches import Switches, parse_switches

RetryAfter = Literal["absent", "decimal", "integer", "date"]
DAY_SECONDS = 86_400.0
NO_SWITCHES = Switches()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things take, in seconds before division by `time_scale`."""

    create_seconds: float = 5.0
    delete_seconds: float = 3.0
    # How long an expired cache stays Unavailable before it deletes itself (section 2).
    expired_seconds: float = 60.0
    # 60 makes a minute of the cloud pass in a second. The signature's clock window is not scaled.
    time_scale: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force; replaced as a whole, never changed in place."""

    timing: Timing = Timing()
    # Caches per project or account (section 2); 0 is no quota.
    quota: int = 50
    # POST and DELETE per project in any 60 s (section 4.3); 0 is no limit.
    writes_per_minute: int = 10
    # GET per project in any second (section 4.3: about 70/s was too many); 0 is no limit.
    reads_per_second: int = 0
    # Section 4.3: present on 8 of 1,700 answers, as a decimal.
    retry_after: RetryAfter = "absent"
    # Section 4.2: the AK lock-out.
    lockout: bool = True
    # Section 5: several KB.
    token_length: int = 4096
    # Temporary keys (section 7) live as long as was asked for, and no longer than this.
    temporary_key_seconds: float = 3600.0
    # Actions of section 9 nobody may use, e.g. cce:imageCache:delete.
    denied_actions: tuple[str, ...] = ()
    # Image reference -> message of the failed build (section 2: one failing image fails the cache).
    failing_images: dict[str, str] = dataclasses.field(default_factory=dict)
    switches: Switches = NO_SWITCHES

    def real(self, seconds: float) -> float:
        """Seconds of the cloud as seconds of the clock."""
        return seconds / self.timing.time_scale

    def as_json(self) -> dict[str, Any]:
        """The settings in the form in which a scenario gives them."""
        return dataclasses.asdict(self)


class LiveSettings:
    """The one place that holds the settings in force."""

    def __init__(self, settings: Settings) -> None:
        self.now = settings


def parse_settings(fields: Fields, base: Settings) -> Settings:
    """Read the settings that are given; the others stay as in `base`. The caller checks for unknown keys."""
    return Settings(
        timing=_parse_timing(fields.object("timing"), base.timing),
        quota=fields.limit("quota", base.quota),
        writes_per_minute=fields.limit("writes_per_minute", base.writes_per_minute),
        reads_per_second=fields.limit("reads_per_second", base.reads_per_second),
        retry_after=fields.choice("retry_after", get_args(RetryAfter), base.retry_after),
        lockout=fields.flag("lockout", base.lockout),
        token_length=fields.integer("token_length", base.token_length, minimum=32),
        temporary_key_seconds=fields.number("temporary_key_seconds", base.temporary_key_seconds),
        denied_actions=fields.texts("denied_actions", base.denied_actions),
        failing_images=_parse_failing(fields, base.failing_images),
        switches=parse_switches(fields.object("switches"), base.switches),
    )


def _parse_timing(fields: Fields, base: Timing) -> Timing:
    timing = Timing(
        create_seconds=fields.number("create_seconds", base.create_seconds),
        delete_seconds=fields.number("delete_seconds", base.delete_seconds),
        expired_seconds=fields.number("expired_seconds", base.expired_seconds),
        time_scale=fields.number("time_scale", base.time_scale, minimum=1e-6),
    )
    fields.done()
    return timing


def _parse_failing(fields: Fields, base: dict[str, str]) -> dict[str, str]:
    value = fields.raw("failing_images", base)
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise fields.bad("failing_images", "an object of image reference to message")
    return dict(value)
