"""Statuses that this operator does not write: from another version, or by hand. They are no reason to flap."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.decision.builders import LIST_AWAITED, NOW, Case, asked, conditions, deleting, ready_status, resource, says

from imagecache_operator.answers import Accepted


@pytest.mark.parametrize("reason", ["Available", "Observed"])
def test_a_good_reason_is_not_told_again_of_a_deletion_that_is_late(reason: str) -> None:
    """Ready stays False, and telling it twice changes nothing."""
    late = deleting(deleted=NOW - timedelta(hours=1), status=ready_status(reason, ready="False"))
    case = Case(late, LIST_AWAITED, {"waiting": 2.0})
    decision = case.decide()
    assert conditions(decision) == says("DeleteOverdue", stalled=True)
    again = replace(case, resource=replace(late, status=decision.status))
    assert again.decide().status == decision.status


def test_an_answer_without_conditions_is_told_together_with_them() -> None:
    """Not alone: a status is about a generation, or it is not written."""
    status = {"deletion": asked()}
    case = Case(
        resource(spec={"images": ["nginx"]}, status=status), LIST_AWAITED, {"answer": Accepted(NOW), "waiting": 0.0}
    )
    assert case.decide().status == case.resource.status
    told = replace(case, facts=case.facts | {"waiting": 20.0}).decide().status
    assert told.observed_generation == case.resource.generation
    assert told.deletion is not None
    assert told.deletion.accepted_at == NOW
