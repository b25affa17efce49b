"""Reading objects: tolerant, since an object that slipped past an older schema must still be deletable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from tests.decision.builders import CREATED, ID, NOW, US, asked, body, ready_status, resource

from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.names import FINALIZER
from imagecache_operator.spec import DeletionPolicy, ManagementPolicy


def test_an_object_is_read_with_all_that_matters() -> None:
    """Metadata, spec and status."""
    read = ImageCache.parse(body(deleted=NOW, reconcile="now"))
    assert read.key == Key("team-a", "web")
    assert (read.uid, read.resource_version, read.generation) == ("uid-1", "7", 2)
    assert (read.created_at, read.deleted_at, read.deleting) == (CREATED, NOW, True)
    assert read.has_finalizer
    assert read.reconcile_requested == "now"
    assert read.spec.image_cache_id == ID
    assert read.status.seen_by == US.to_status()


def test_a_bare_object_is_read() -> None:
    """What an older API server leaves out: annotations, finalizers, generation, status."""
    bare = body()
    for name in ("finalizers", "generation"):
        del bare["metadata"][name]
    del bare["status"]
    read = ImageCache.parse(bare)
    assert (read.finalizers, read.generation, read.deleted_at, read.deleting) == ((), 0, None, False)
    assert (read.status.observed_generation, read.status.conditions) == (-1, ())
    assert not read.has_finalizer


@pytest.mark.parametrize("empty", ["finalizers", "annotations", "deletionTimestamp"])
def test_null_is_as_good_as_absent(empty: str) -> None:
    """Some clients write null."""
    nulled = body()
    nulled["metadata"][empty] = None
    assert not ImageCache.parse(nulled).deleting


@pytest.mark.parametrize("part", ["spec", "status"])
def test_a_part_that_is_null_is_as_good_as_absent(part: str) -> None:
    """An object without a spec has no id and no name, and can be deleted."""
    nulled = body() | {part: None}
    read = ImageCache.parse(nulled)
    assert getattr(read, part) is not None


def test_fields_of_a_newer_schema_are_ignored() -> None:
    """In spec, in status, and deep inside."""
    newer = body(
        spec={"imageCacheID": ID, "novelty": 1},
        status=ready_status() | {"novelty": [1], "deletion": asked() | {"novelty": 1}},
    )
    newer["status"]["conditions"][0]["novelty"] = 1
    read = ImageCache.parse(newer)
    assert read.spec.image_cache_id == ID
    assert read.status.deletion is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-01T12:00:00Z", NOW, id="Kubernetes' Time"),
        pytest.param("2026-03-01T12:00:00.123456Z", NOW.replace(microsecond=123456), id="Kubernetes' MicroTime"),
        pytest.param("2026-03-01T13:00:00+01:00", NOW, id="another zone"),
        pytest.param("2026-03-01T12:00:00", NOW, id="no zone: UTC"),
        pytest.param("soon", None, id="no time at all"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="null"),
    ],
)
def test_a_time_in_the_status_is_read_tolerantly(text: str | None, expected: datetime | None) -> None:
    """A time that some other hand wrote wrongly must not make the object unreadable."""
    read = resource(status=ready_status() | {"deletion": {"requestedAt": text, "attempts": 1}})
    assert read.status.deletion is not None
    assert read.status.deletion.requested_at == expected


def test_a_status_survives_the_api_server() -> None:
    """What is written is read back as the same value, microseconds and all."""
    status = ready_status() | {
        "deletion": asked(accepted=True, seen=True) | {"seenDeletingAt": "2026-03-01T12:00:00.123456Z"},
        "createdAt": "2026-02-01T00:00:00Z",
        "expiresAt": "2026-04-01T00:00:00Z",
    }
    first = resource(status=status).status
    assert resource(status=first.to_json()).status == first
    assert first.to_json() == status | {"conditions": list(status["conditions"])}


def test_times_are_written_in_utc() -> None:
    """Whatever zone they came in."""
    read = resource(status=ready_status() | {"createdAt": "2026-03-01T13:00:00+01:00"})
    assert read.status.to_json()["createdAt"] == "2026-03-01T12:00:00Z"
    assert read.status.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(0)


def test_policies_have_their_defaults() -> None:
    """Delete and Manage, as the schema has it, also for an object that was stored without them."""
    spec = resource(spec={"imageCacheID": ID}).spec
    assert (spec.deletion_policy, spec.management_policy) == (DeletionPolicy.DELETE, ManagementPolicy.MANAGE)
    assert not spec.retain
    assert not spec.observe_only


@pytest.mark.parametrize(
    ("spec", "retain", "observe"),
    [
        ({"deletionPolicy": "Retain"}, True, False),
        ({"managementPolicy": "Observe"}, True, True),
        ({"managementPolicy": "Observe", "deletionPolicy": "Delete"}, True, True),
        ({"managementPolicy": "Manage", "deletionPolicy": "Delete"}, False, False),
    ],
)
def test_observe_retains(spec: dict[str, str], retain: bool, observe: bool) -> None:
    """Nothing in the cloud is deleted for an observer."""
    read = resource(spec={"imageCacheID": ID} | spec).spec
    assert (read.retain, read.observe_only) == (retain, observe)


@pytest.mark.parametrize(
    "spec",
    [
        {"imageCacheID": "../../v3/clusters"},
        {"imageCacheID": ID + "/x"},
        {"imageCacheID": ID, "region": "evil.example/x?"},
        {"imageCacheID": ID, "projectID": "../x"},
        {"name": "Web Cache"},
        {"imageCacheID": ID, "deletionPolicy": "Maybe"},
    ],
)
def test_a_spec_that_could_lead_elsewhere_is_not_read(spec: dict[str, Any]) -> None:
    """Patterns that guard paths and hosts hold here, too, and an unknown policy is never taken for Delete."""
    with pytest.raises(ValidationError):
        resource(spec=spec)


def test_our_finalizer_is_told_from_others() -> None:
    """Exactly ours counts."""
    assert not resource(finalizers=[FINALIZER + "s", "kopf.zalando.org/KopfFinalizerMarker"]).has_finalizer
    assert resource(finalizers=["x/y", FINALIZER]).has_finalizer


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Key("team-a", "older"), "the ImageCache older"),
        (Key("team-b", "older"), "an ImageCache of another namespace"),
    ],
)
def test_another_object_is_named_within_the_namespace_only(other: Key, named: str) -> None:
    """Tenants learn nothing of other namespaces."""
    assert resource().name_of(other) == named


def test_a_key_reads_as_namespace_and_name() -> None:
    """As kubectl users write it."""
    assert str(Key("team-a", "web")) == "team-a/web"
