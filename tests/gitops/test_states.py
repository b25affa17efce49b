"""What Argo CD and Flux show of an object in every state, told by their own code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.gitops.engines import GITOPS, REPOSITORY, Argo, Flux
from tests.gitops.states import OUTCOMES, STATES, Outcome, State, new

from imagecache_operator.conditions import Reason

ARGO = {Outcome.USABLE: "Healthy", Outcome.COMING: "Progressing", Outcome.STUCK: "Degraded"}
FLUX = {Outcome.USABLE: "Current", Outcome.COMING: "InProgress", Outcome.STUCK: "Failed"}


@dataclass(frozen=True)
class Judgements:
    """What the engines say, by the name of the state."""

    argo: dict[str, dict[str, str]]
    by_conditions: dict[str, str]
    by_expressions: dict[str, str]


@pytest.fixture(scope="module")
def judged(argo: Argo, flux: Flux) -> Judgements:
    """All states, judged in one go."""
    names, objects = [str(state) for state in STATES], [state.object for state in STATES]
    return Judgements(
        dict(zip(names, argo.health(*objects), strict=True)),
        dict(zip(names, flux.by_conditions(*objects), strict=True)),
        dict(zip(names, flux.by_expressions(*objects), strict=True)),
    )


def test_every_reason_has_its_outcome() -> None:
    """A new reason is not forgotten here."""
    assert set(OUTCOMES) == set(Reason)


@pytest.mark.parametrize("state", [state for state in STATES if not state.deleting], ids=str)
def test_a_living_object(state: State, judged: Judgements) -> None:
    """Usable, coming or stuck; coming whenever the operator has not looked since the last change."""
    outcome = Outcome.COMING if state.stale else state.outcome
    shown = judged.argo[str(state)]
    assert shown["status"] == ARGO[outcome]
    if state.stale:
        assert shown["message"] == "Waiting for the operator to look at this object"
    else:
        assert shown["message"] == f"{state.verdict.reason.value}: {state.verdict.message}"
    assert judged.by_conditions[str(state)] == FLUX[outcome]
    assert judged.by_expressions[str(state)] == FLUX[outcome]


@pytest.mark.parametrize("state", [state for state in STATES if state.deleting], ids=str)
def test_an_object_that_is_being_deleted(state: State, judged: Judgements) -> None:
    """Argo CD tells how far the deletion is, Degraded when it is stuck and never Healthy; Flux says Terminating."""
    shown = judged.argo[str(state)]
    stuck = state.outcome is Outcome.STUCK and not state.stale
    assert shown["status"] == ("Degraded" if stuck else "Progressing")
    if not state.stale:
        assert shown["message"] == f"{state.verdict.reason.value}: {state.verdict.message}"
    assert "finalizers" not in shown["message"]
    assert judged.by_conditions[str(state)] == "Terminating"
    assert judged.by_expressions[str(state)] == "InProgress"


def test_a_new_object_never_looks_finished(argo: Argo, flux: Flux) -> None:
    """With the status that the definition gives it, before the operator has seen it."""
    assert argo.health(new())[0]["status"] == "Progressing"
    assert flux.by_conditions(new()) == ["InProgress"]
    assert flux.by_expressions(new()) == ["InProgress"]


def test_without_that_status_flux_would_be_wrong(flux: Flux) -> None:
    """Why observedGeneration is -1 from the start: without it a new object would be taken for finished."""
    assert flux.by_conditions(new(status={"cacheStatus": ""})) == ["Current"]


def test_without_our_settings_argo_shows_no_health(engines: dict[str, Path], tmp_path: Path) -> None:
    """Why they have to be added: nothing would be waited for."""
    empty = tmp_path / "argocd-cm.yaml"
    empty.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm}\n", encoding="utf-8")
    assert Argo(engines["argocd-lua"], empty).health(new()) == [None]


def test_the_expression_of_the_document_waits_for_room_in_the_tenant(engines: dict[str, Path], tmp_path: Path) -> None:
    """A full tenant is waited for; everything else is as before."""
    document = (REPOSITORY / "docs" / "gitops.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(failed: .+?)```", document, re.DOTALL)
    kustomization = yaml.safe_load((GITOPS / "flux" / "caches.yaml").read_text(encoding="utf-8"))
    kustomization["spec"]["healthCheckExprs"][0] |= yaml.safe_load(block)
    changed = tmp_path / "caches.yaml"
    changed.write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    states = [state for state in STATES if not (state.deleting or state.stale)]
    judged = Flux(engines["flux-status"], changed).by_expressions(*(state.object for state in states))
    expected = {str(state): FLUX[state.outcome] for state in states} | {"QuotaExceeded": "InProgress"}
    assert dict(zip(map(str, states), judged, strict=True)) == expected


def test_argo_shows_objects_without_any_status_as_coming(argo: Argo) -> None:
    """An object from before the definition gave new ones a status."""
    bare = new()
    del bare["status"]
    assert argo.health(bare)[0]["status"] == "Progressing"
