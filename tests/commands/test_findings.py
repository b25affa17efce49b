"""What doctor prints, and how far clocks may be apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from imagecache_operator.commands.findings import Finding, Outcome, good, judge_clock, to_json

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FAILED = Finding("credentials", Outcome.FAILED, "They are wrong.", "Mend them.")
WARNING = Finding("account", Outcome.WARNING, "Nobody tells.", "Open the way to IAM.")
FINE = Finding("CCE endpoint", Outcome.OK, "it answers")


def test_what_is_fine_takes_one_line_and_what_is_wrong_has_its_repair_below() -> None:
    """The first word of a line that is not indented is how it is."""
    assert FINE.to_text().split() == ["ok", "CCE", "endpoint:", "it", "answers"]
    first, told, mend = FAILED.to_text().splitlines()
    assert first.split() == ["FAILED", "credentials"]
    assert (told.strip(), mend.strip()) == ("They are wrong.", "Mend them.")
    assert told.startswith(" ")


@pytest.mark.parametrize(
    ("found", "fine"),
    [([FINE, WARNING], True), ([FINE, FAILED, FINE], False), ([], True)],
    ids=["a warning is no failure", "one failure is enough", "nothing"],
)
def test_only_failures_make_it_bad(found: list[Finding], fine: bool) -> None:
    """The exit status, and `ok` in JSON."""
    assert good(found) is fine
    assert to_json(found)["ok"] is fine


def test_json_has_all_that_the_text_has() -> None:
    """Outcomes are words in lower case there."""
    assert to_json([FAILED])["checks"] == [
        {"check": "credentials", "outcome": "failed", "message": "They are wrong.", "mend": "Mend them."}
    ]


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [
        (0, Outcome.OK),
        (60, Outcome.OK),
        (-60, Outcome.OK),
        (61, Outcome.WARNING),
        (-61, Outcome.WARNING),
        (900, Outcome.WARNING),
        (901, Outcome.FAILED),
        (-901, Outcome.FAILED),
    ],
)
def test_clocks_a_minute_apart_are_odd_and_a_quarter_of_an_hour_is_fatal(seconds: float, outcome: Outcome) -> None:
    """Ahead or behind; the limits themselves are still within."""
    found = judge_clock("the cloud", NOW, NOW + timedelta(seconds=seconds))
    assert found.outcome is outcome
    if outcome is not Outcome.OK:
        assert ("ahead of" if seconds > 0 else "behind") in found.told
        assert found.mend


def test_a_clock_that_is_not_told_is_no_failure() -> None:
    """Some proxies take the header away."""
    assert judge_clock("the cloud", None, NOW).outcome is Outcome.SKIPPED
