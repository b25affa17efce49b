"""The status that the operator writes, on the real API server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import NoneType
from typing import Any, get_args

import pytest

from imagecache_controlplane import ApiError
from imagecache_operator.conditions import Reason, Verdict, conditions_for
from imagecache_operator.crd import crd
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.model import Model
from imagecache_operator.status import Condition, Creation, CreationAnswer, Deletion, ImageCacheStatus, SeenBy

STATUS: dict[str, Any] = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def name(shipped: Any) -> Iterator[str]:
    """An object to write a status to."""
    made = str(shipped.create({"name": "nginx"})["metadata"]["name"])
    yield made
    shipped.delete(made)


def test_status_begins_unobserved(shipped: Any) -> None:
    """A brand-new object never looks finished: its status is about generation -1, whatever its maker sent."""
    path = f"/apis/{shipped.group}/v1alpha1/namespaces/{shipped.namespace}/imagecaches"
    for number, sent in enumerate(({}, {"status": {"observedGeneration": 1, "cacheStatus": "Available"}})):
        body = shipped.manifest(f"fresh-{number}", {"name": "nginx"}) | sent
        found = shipped.plane.request("POST", path, body)
        shipped.delete(f"fresh-{number}")
        assert found["status"] == {"observedGeneration": -1}
        assert ImageCache.parse(found).status == ImageCacheStatus()


def test_only_the_subresource_writes_status(shipped: Any, name: str) -> None:
    """Who may write the spec cannot fake the state by it, and the operator's status patch leaves the spec alone."""
    found = shipped.patch(name, {"status": {"cacheStatus": "Available"}})
    assert found["status"] == {"observedGeneration": -1}
    shipped.patch_status(name, {"observedGeneration": 1, "cacheStatus": "Available"})
    assert shipped.get(name)["spec"] == {
        "name": "nginx",
        "deletionPolicy": "Delete",
        "managementPolicy": "Manage",
    }


def full(schema: dict[str, Any], letter: str) -> Any:
    """The greatest value that a schema lets in."""
    match schema["type"]:
        case "object":
            return {name: full(child, letter) for name, child in schema["properties"].items()}
        case "array":
            return [full(schema["items"], letter) | {"type": f"Kind{n}"} for n in range(schema["maxItems"])]
        case "integer":
            return 2**53
        case _ if schema.get("format") == "date-time":
            return "2026-01-02T03:04:05.678901Z"
        case _:
            return schema["enum"][-1] if "enum" in schema else letter * schema["maxLength"]


@pytest.mark.parametrize("letter", ["x", "缓"], ids=["latin", "chinese"])
def test_the_fullest_status_is_accepted(shipped: Any, name: str, letter: str) -> None:
    """Each field at its limit, also in the cloud's own language: models and schema agree on every bound."""
    status = ImageCacheStatus.model_validate(full(STATUS, letter)).to_json()
    assert shipped.patch_status(name, status) == status


EMPTIEST = ImageCacheStatus(
    conditions=(
        Condition(
            type="Ready", status="False", observed_generation=0, last_transition_time=None, reason="", message=""
        ),
    ),
    seen_by=SeenBy(endpoint="", region="", project_id="", credential=""),
    creation=Creation(attempt_id="", requested_at=None, spec_hash=""),
    deletion=Deletion(),
)


@pytest.mark.parametrize("status", [ImageCacheStatus(), EMPTIEST], ids=["nothing", "empty parts"])
def test_the_emptiest_status_is_accepted(shipped: Any, name: str, status: ImageCacheStatus) -> None:
    """No field is asked for that the models leave out."""
    assert shipped.patch_status(name, status.to_json()) == status.to_json()


@pytest.mark.parametrize("answer", list(CreationAnswer))
def test_every_answer_to_a_creation_is_accepted(shipped: Any, name: str, answer: CreationAnswer) -> None:
    """All words of the model are words of the schema."""
    creation = Creation(attempt_id="a", requested_at=NOW, spec_hash="h", answer=answer)
    status = ImageCacheStatus(observed_generation=1, creation=creation).to_json()
    assert shipped.patch_status(name, status) == status


def test_every_verdict_is_accepted(shipped: Any, name: str) -> None:
    """Each reason, with every state of Ready and both of the other conditions, one after the other."""
    former: tuple[Condition, ...] = ()
    for reason in Reason:
        for unknown, overdue in ((False, False), (True, False), (False, True)):
            verdict = Verdict(reason, f"about {reason}", unknown=unknown, overdue=overdue)
            former = conditions_for(verdict, former=former, generation=1, now=NOW)
            status = ImageCacheStatus(observed_generation=1, conditions=former).to_json()
            assert shipped.patch_status(name, status) == status


def test_conditions_are_one_per_type(shipped: Any, name: str) -> None:
    """A list by type: two of one type are refused."""
    (ready,) = conditions_for(Verdict(Reason.AVAILABLE, "It is there."), former=(), generation=1, now=NOW)
    status = ImageCacheStatus(conditions=(ready, ready)).to_json()
    with pytest.raises(ApiError, match="Duplicate value"):
        shipped.patch_status(name, status)


def test_what_is_no_status_is_refused(shipped: Any, name: str) -> None:
    """Bounds hold in the status, too."""
    for status, said in (
        ({"cacheMessage": "x" * 1025}, "may not be more than 1024"),
        ({"conditions": [{"type": "Ready", "status": "Maybe"}]}, 'supported values: "True", "False", "Unknown"'),
        ({"createdAt": "yesterday"}, "must be of type date-time"),
        ({"cacheState": "Available"}, 'unknown field "status.cacheState"'),
    ):
        with pytest.raises(ApiError) as refusal:
            shipped.patch_status(name, status)
        assert said in str(refusal.value)


def models(model: type[Model]) -> Iterator[type[Model]]:
    """A model and all that it has parts of."""
    yield model
    for field in model.model_fields.values():
        parts = [field.annotation, *get_args(field.annotation)]
        for part in parts:
            if isinstance(part, type) and part is not NoneType and issubclass(part, Model):
                yield from models(part)


def test_every_field_of_the_models_is_in_the_schema() -> None:
    """What the operator writes is never pruned: the fullest status has every field of every model."""
    fullest = ImageCacheStatus.model_validate(full(STATUS, "x"))
    parts: list[Model | None] = [fullest, fullest.conditions[0], fullest.seen_by, fullest.creation, fullest.deletion]
    assert {type(part) for part in parts} == set(models(ImageCacheStatus))
    for part in parts:
        assert part is not None
        assert [name for name in type(part).model_fields if getattr(part, name) is None] == []
