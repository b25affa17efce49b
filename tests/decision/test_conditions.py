"""From a verdict to the conditions that people and tools read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from imagecache_operator.conditions import Progress, Reason, Verdict, conditions_for
from imagecache_operator.observation import TroubleKind
from imagecache_operator.status import Condition

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
BEFORE = datetime(2026, 2, 1, tzinfo=UTC)

# The table of interface section 1.3.
TRUE = {"Available", "Observed"}
STALLED = {
    "Failed",
    "Unavailable",
    "Expired",
    "DeleteOverdue",
    "NotFound",
    "Conflict",
    "NotAllowed",
    "CredentialsInvalid",
    "AccessDenied",
    "EndpointInvalid",
    "QuotaExceeded",
    "RequestRejected",
}
RECONCILING = {
    "CreateRequested",
    "Creating",
    "Recreating",
    "DeleteRequested",
    "Deleting",
    "DeleteRefused",
    "DeleteReverted",
    "UnknownStatus",
    "Throttled",
    "CloudUnavailable",
}


def told(verdict: Verdict, former: tuple[Condition, ...] = (), generation: int = 3) -> dict[str, Condition]:
    """The conditions by type."""
    shown = conditions_for(verdict, former=former, generation=generation, now=NOW)
    by_type = {condition.type: condition for condition in shown}
    assert len(by_type) == len(shown)
    return by_type


def former(kind: str, status: str) -> Condition:
    """A condition of long ago."""
    return Condition(
        type=kind, status=status, observed_generation=1, last_transition_time=BEFORE, reason="Old", message="old"
    )


def test_every_reason_has_its_place_in_the_table() -> None:
    """A new reason must say who acts next."""
    assert {reason.value for reason in Reason} == TRUE | STALLED | RECONCILING


@pytest.mark.parametrize("reason", list(Reason))
def test_the_table_of_reasons(reason: Reason) -> None:
    """Ready always; then at most one of Reconciling and Stalled, with the same reason and message."""
    shown = told(Verdict(reason, "a sentence"))
    assert shown["Ready"].status == ("True" if reason.value in TRUE else "False")
    expected = {"Ready"}
    expected |= {"Stalled"} if reason.value in STALLED else set()
    expected |= {"Reconciling"} if reason.value in RECONCILING else set()
    assert set(shown) == expected
    for condition in shown.values():
        assert (condition.reason, condition.message, condition.observed_generation) == (reason.value, "a sentence", 3)
        assert condition.last_transition_time == NOW.replace(microsecond=0)
    assert all(shown[kind].status == "True" for kind in expected - {"Ready"})


@pytest.mark.parametrize("reason", sorted(RECONCILING | STALLED))
def test_overdue_makes_any_reason_stalled(reason: str) -> None:
    """The reason stays."""
    assert set(told(Verdict(Reason(reason), "m", overdue=True))) == {"Ready", "Stalled"}


@pytest.mark.parametrize("kind", list(TroubleKind))
def test_each_kind_of_trouble_is_a_reason(kind: TroubleKind) -> None:
    """The values of one are values of the other."""
    assert Reason(kind.value).value == kind.value


def test_unknown_is_neither_true_nor_false() -> None:
    """Passing trouble of a live object: nobody knows, progress is expected."""
    shown = told(Verdict(Reason.CLOUD_UNAVAILABLE, "m", unknown=True))
    assert shown["Ready"].status == "Unknown"
    assert set(shown) == {"Ready", "Reconciling"}
    assert Verdict(Reason.AVAILABLE, "m", unknown=True).progress is Progress.RECONCILING


@pytest.mark.parametrize(
    ("status", "reason", "kept"),
    [
        pytest.param("True", Reason.AVAILABLE, True, id="True stays True"),
        pytest.param("False", Reason.AVAILABLE, False, id="False becomes True"),
        pytest.param("Unknown", Reason.AVAILABLE, False, id="Unknown becomes True"),
        pytest.param("False", Reason.DELETING, True, id="False stays False for another reason"),
        pytest.param("True", Reason.DELETING, False, id="True becomes False"),
    ],
)
def test_the_transition_time_moves_only_with_the_status(status: str, reason: Reason, kept: bool) -> None:
    """Another reason, message or generation is no transition."""
    ready = told(Verdict(reason, "new"), (former("Ready", status),))["Ready"]
    assert (ready.last_transition_time == BEFORE) is kept
    assert (ready.reason, ready.message, ready.observed_generation) == (reason.value, "new", 3)


def test_each_condition_has_its_own_transition_time() -> None:
    """Stalled begins now although Ready has been False for long."""
    shown = told(Verdict(Reason.NOT_FOUND, "m"), (former("Ready", "False"), former("Reconciling", "True")))
    assert shown["Ready"].last_transition_time == BEFORE
    assert shown["Stalled"].last_transition_time == NOW.replace(microsecond=0)
    assert "Reconciling" not in shown


def test_a_condition_that_was_false_begins_anew() -> None:
    """Some other hand wrote Stalled=False; ours is a transition."""
    shown = told(Verdict(Reason.NOT_FOUND, "m"), (former("Stalled", "False"),))
    assert shown["Stalled"].last_transition_time == NOW.replace(microsecond=0)


def test_conditions_that_are_not_ours_go() -> None:
    """The list has Ready and at most one more."""
    shown = told(Verdict(Reason.AVAILABLE, "m"), (former("Synced", "True"), former("Stalled", "True")))
    assert set(shown) == {"Ready"}


def test_a_transition_time_that_cannot_be_read_is_set_again() -> None:
    """A condition without a time would be refused by the API server."""
    broken = former("Ready", "True").model_copy(update={"last_transition_time": None})
    assert told(Verdict(Reason.AVAILABLE, "m"), (broken,))["Ready"].last_transition_time == NOW.replace(microsecond=0)


def test_telling_the_same_twice_changes_nothing() -> None:
    """Deciding again on what was shown is silent."""
    first = conditions_for(Verdict(Reason.DELETING, "m"), former=(), generation=3, now=NOW)
    later = NOW + timedelta(hours=1)
    assert conditions_for(Verdict(Reason.DELETING, "m"), former=first, generation=3, now=later) == first
