"""Objects that this version of the operator does not write: of an older or newer one, or half of one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.gitops.engines import Argo, Flux
from tests.gitops.states import new

SINCE = "2026-03-01T12:00:00Z"


def condition(kind: str, status: str = "True", reason: str = "NeverHeardOf") -> dict[str, Any]:
    """A condition as a newer operator might write it."""
    about = {"observedGeneration": 1, "lastTransitionTime": SINCE}
    return {"type": kind, "status": status, "reason": reason, "message": "Something new.", **about}


def told(*conditions: dict[str, Any]) -> dict[str, Any]:
    """A status with these conditions, about the newest manifest."""
    return {"observedGeneration": 1, "conditions": list(conditions)}


READY, NOT_READY, UNKNOWN = (condition("Ready", status) for status in ("True", "False", "Unknown"))

CASES = [
    pytest.param(told(READY), "Healthy", "Current", id="Ready for a reason of the future"),
    pytest.param(told(NOT_READY, condition("Reconciling")), "Progressing", "InProgress", id="comes for such a reason"),
    pytest.param(
        told(NOT_READY, condition("Stalled")), "Degraded", "Failed", id="waits for a person for such a reason"
    ),
    pytest.param(told(UNKNOWN, condition("Reconciling")), "Progressing", "InProgress", id="nobody knows"),
    pytest.param(told(READY, condition("Warmed", "False")), "Healthy", "Current", id="one more type of condition"),
    pytest.param(
        told(READY, condition("Stalled", "False"), condition("Reconciling", "False")),
        "Healthy",
        "Current",
        id="conditions that are false are as good as none",
    ),
    pytest.param(told(condition("Stalled"), NOT_READY), "Degraded", "Failed", id="in another order"),
]


@pytest.mark.parametrize(("status", "argo_shows", "flux_shows"), CASES)
def test_the_conditions_decide_whatever_the_reason(
    argo: Argo, flux: Flux, status: dict[str, Any], argo_shows: str, flux_shows: str
) -> None:
    """So that a newer operator needs no newer settings in Argo CD and Flux."""
    it = new(status=status)
    assert argo.health(it)[0]["status"] == argo_shows
    assert flux.by_conditions(it) == flux.by_expressions(it) == [flux_shows]


@pytest.mark.parametrize("deleting", [False, True], ids=["living", "deleting"])
@pytest.mark.parametrize(
    "status", [{"observedGeneration": 1}, {"observedGeneration": 1, "conditions": []}], ids=["no conditions", "empty"]
)
def test_half_a_status_is_no_answer(argo: Argo, flux: Flux, status: dict[str, Any], deleting: bool) -> None:
    """Neither finished nor failed, and no expression that cannot be evaluated: that would fail the Kustomization."""
    it = new(status=status)
    if deleting:
        it["metadata"]["deletionTimestamp"] = SINCE
    assert argo.health(it)[0]["status"] == "Progressing"
    assert flux.by_expressions(it) == ["InProgress"]


def test_a_new_object_that_is_being_deleted_before_anybody_has_looked(argo: Argo, flux: Flux) -> None:
    """Never healthy, and it says what is waited for."""
    it = new()
    it["metadata"]["deletionTimestamp"] = SINCE
    assert argo.health(it) == [{"status": "Progressing", "message": "Waiting for the operator to look at this object"}]
    assert (flux.by_conditions(it), flux.by_expressions(it)) == (["Terminating"], ["InProgress"])
