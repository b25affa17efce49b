"""The actions that Argo CD offers, run by its own code."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest
from tests.gitops.engines import Argo, EngineError
from tests.gitops.states import new

from imagecache_operator.names import RECONCILE_ANNOTATION, RECREATE_ANNOTATION

CREATING = new(images=["nginx:1.27"], sizeGiB=40)
BOUND = new(imageCacheID="c271e39e-1a6e-4d3d-8fa8-2a36329c68d2")


def deleting(it: dict[str, Any]) -> dict[str, Any]:
    """The same, being deleted."""
    changed = deepcopy(it)
    changed["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    return changed


@pytest.mark.parametrize(
    ("it", "offered"),
    [
        pytest.param(CREATING, {"reconcile": True, "recreate": True, "retain": True}, id="one that creates"),
        pytest.param(BOUND, {"reconcile": True, "retain": True}, id="a bound one cannot be built anew"),
        pytest.param(
            new(images=["nginx"], managementPolicy="Observe"),
            {"reconcile": True, "recreate": False, "retain": True},
            id="one that only observes builds nothing",
        ),
        pytest.param(
            new(images=["nginx"], deletionPolicy="Retain"),
            {"reconcile": True, "recreate": True, "retain": False},
            id="one that is retained already",
        ),
        pytest.param(
            deleting(CREATING),
            {"reconcile": True, "recreate": False, "retain": True},
            id="one that is being deleted can be let go, not built anew",
        ),
        pytest.param(deleting(BOUND), {"reconcile": True, "retain": True}, id="a bound one that is being deleted"),
    ],
)
def test_actions_are_offered_where_they_make_sense(argo: Argo, it: dict[str, Any], offered: dict[str, bool]) -> None:
    """Each action that can ever work for the object, disabled where it cannot now."""
    assert argo.actions(it) == offered


@pytest.mark.parametrize(
    ("action", "annotation"), [("reconcile", RECONCILE_ANNOTATION), ("recreate", RECREATE_ANNOTATION)]
)
@pytest.mark.parametrize("others", [None, {"team": "shop"}], ids=["no annotations yet", "beside others"])
def test_an_action_that_asks_sets_one_annotation(
    argo: Argo, action: str, annotation: str, others: dict[str, str] | None
) -> None:
    """The moment, and nothing else of the object is touched."""
    it = deepcopy(CREATING)
    if others is not None:
        it["metadata"]["annotations"] = others
    changed = argo.run(it, action)
    moment = changed["metadata"]["annotations"].pop(annotation)
    assert datetime.fromisoformat(moment).tzinfo is not None
    expected = deepcopy(it)
    expected["metadata"]["annotations"] = others or {}
    assert changed == expected


@pytest.mark.parametrize("it", [CREATING, deleting(BOUND)], ids=["living", "deleting"])
def test_retain_sets_the_deletion_policy(argo: Argo, it: dict[str, Any]) -> None:
    """Also while the object is being deleted; nothing else of it is touched."""
    expected = deepcopy(it)
    expected["spec"]["deletionPolicy"] = "Retain"
    assert argo.run(it, "retain") == expected


@pytest.mark.parametrize("action", ["reconcile", "recreate", "retain"])
def test_an_action_that_is_pressed_twice_is_one(argo: Argo, action: str) -> None:
    """The second press leaves the same fields; a request is the newest moment, not one more."""
    once = argo.run(CREATING, action)
    twice = argo.run(once, action)
    for pressed in (once, twice):
        for name, moment in pressed["metadata"].get("annotations", {}).items():
            assert datetime.fromisoformat(moment).tzinfo is not None
            pressed["metadata"]["annotations"][name] = "some moment"
    assert twice == once


@pytest.mark.parametrize("it", [deleting(CREATING), new(images=["nginx"], managementPolicy="Observe")])
def test_what_builds_nothing_is_not_told_to(argo: Argo, it: dict[str, Any]) -> None:
    """Else the request would lie in wait, and be heeded when the object manages its cache again."""
    with pytest.raises(EngineError, match="builds nothing"):
        argo.run(it, "recreate")


def test_a_bound_cache_is_not_built_anew(argo: Argo) -> None:
    """Whoever calls the action by the API, past what is offered, is told why not."""
    with pytest.raises(EngineError, match="only a cache that this object has built can be built anew"):
        argo.run(BOUND, "recreate")
