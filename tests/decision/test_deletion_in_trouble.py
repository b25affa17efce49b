"""The deletion table, rows for a cloud that cannot be looked at, and for whatever else holds an object."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.decision.builders import (
    ELSEWHERE,
    ID,
    LATE,
    NOTHING_YET,
    NOW,
    OR_RETAIN,
    STRANGER,
    US,
    Case,
    absent,
    asked,
    conditions,
    deleting,
    message,
    requested,
    says,
    trouble,
)

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Crd, Nothing, ReadCrd, Release
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import TroubleKind


@pytest.mark.parametrize("kind", [TroubleKind.THROTTLED, TroubleKind.CLOUD_UNAVAILABLE])
@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(deleting(), id="before the DELETE"),
        pytest.param(requested(asked(accepted=True)), id="after the DELETE"),
        pytest.param(deleting(status=NOTHING_YET), id="never seen"),
    ],
)
def test_passing_trouble_waits_and_looks_again_often(resource: ImageCache, kind: TroubleKind) -> None:
    """Throttling and outages show themselves, progress is expected; Ready is False during deletion."""
    decision = Case(resource, trouble(kind, "the cloud's words")).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says(kind.value)
    assert message(decision) == "the cloud's words"
    assert decision.in_motion


@pytest.mark.parametrize(
    "kind",
    [
        TroubleKind.CREDENTIALS_INVALID,
        TroubleKind.ACCESS_DENIED,
        TroubleKind.ENDPOINT_INVALID,
        TroubleKind.REQUEST_REJECTED,
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_trouble_that_needs_a_person_holds_and_looks_slowly(kind: TroubleKind, late: bool) -> None:
    """The reason is the trouble's own, Stalled at once and for ever."""
    now = LATE if late else NOW
    decision = Case(observation=trouble(kind, "who and which action"), now=now).decide()
    assert decision.action == Nothing()
    assert conditions(decision) == says(kind.value, stalled=True)
    assert message(decision) == "who and which action" + OR_RETAIN
    assert not decision.in_motion


def test_credentials_of_a_secret_that_cannot_come_back() -> None:
    """A namespace that is being deleted takes no Secret, so the message names what can still be done."""
    spec = {"imageCacheID": ID, "credentialsSecretRef": {"name": "cloud"}}
    decision = Case(deleting(spec=spec), trouble(TroubleKind.CREDENTIALS_INVALID, "There is no Secret.")).decide()
    assert message(decision) == (
        "There is no Secret. In a namespace that is being deleted no Secret can be created: remove "
        "spec.credentialsSecretRef there to use the operator's own credentials, if they are of the same account, or "
        "set spec.deletionPolicy to Retain to let go of this object."
    )
    decision = Case(deleting(spec=spec), trouble(TroubleKind.ACCESS_DENIED, "403.")).decide()
    assert message(decision) == "403." + OR_RETAIN


@pytest.mark.parametrize("kind", list(TroubleKind))
def test_every_kind_of_trouble_has_a_row(kind: TroubleKind) -> None:
    """No kind of trouble releases or asks."""
    assert Case(observation=trouble(kind)).decide().action == Nothing()


HELD = [
    pytest.param({"observation": trouble(TroubleKind.CREDENTIALS_INVALID)}, id="credentials"),
    pytest.param({"observation": trouble(TroubleKind.CLOUD_UNAVAILABLE)}, id="cloud away"),
    pytest.param({"facts": {"obstacle": Verdict(Reason.NOT_ALLOWED, "no")}}, id="settings"),
    pytest.param({"facts": {"identity": replace(US, location=ELSEWHERE)}}, id="moved"),
    pytest.param({"observation": absent(STRANGER)}, id="absent for others"),
]


@pytest.mark.parametrize("changes", HELD)
def test_whatever_holds_an_object_the_crd_is_read(changes: dict[str, Any]) -> None:
    """Else `kubectl delete crd` would wait for a repair that nobody will make any more."""
    unread = changes | {"facts": changes.get("facts", {}) | {"crd": Crd.UNREAD}}
    assert Case(**unread).decide().action == ReadCrd()
    going = changes | {"facts": changes.get("facts", {}) | {"crd": Crd.DELETING}}
    assert isinstance(Case(**going).decide().action, Release)
    again = Case(**changes).decide()
    assert again.action == Nothing()
    assert again.requeue_after is not None
    assert again.requeue_after <= 60
