"""What a cache shall be made of, and when two of them are the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decision.builders import ID, resource

from imagecache_operator.conditions import Verdict
from imagecache_operator.desired import Desired, desired, full_reference, made_of, spec_hash
from imagecache_operator.observation import Cache, CacheStatus
from imagecache_operator.placement import Defaults

CLUSTER = "c271e39f-1a6e-4d3d-8fa8-2a36329c68d2"
OTHER = "d271e39f-1a6e-4d3d-8fa8-2a36329c68d2"
SPEC: dict[str, Any] = {"images": ["nginx", "busybox:1.36"], "sizeGiB": 40, "build": {"clusterID": CLUSTER}}


def wanted(spec: dict[str, Any], defaults: Defaults | None = None) -> Desired:
    """What an object with that spec wants."""
    found = desired(resource(spec=spec, status={}), defaults or Defaults())
    assert isinstance(found, Desired)
    return found


def cache(**fields: Any) -> Cache:
    """A cache that was made of SPEC, but for the fields."""
    made: dict[str, Any] = {
        "id": ID,
        "name": "web",
        "status": CacheStatus.AVAILABLE,
        "images": ("nginx", "busybox:1.36"),
        "size_gib": 40,
        "cluster_id": CLUSTER,
    }
    return Cache(**(made | fields))


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx:latest", "docker.io/library/nginx:latest"),
        ("bitnami/redis:7", "docker.io/bitnami/redis:7"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("swr.eu-west-101.myhuaweicloud.eu/team/app:v1", "swr.eu-west-101.myhuaweicloud.eu/team/app:v1"),
        ("nginx@sha256:abc", "docker.io/library/nginx@sha256:abc"),
        ("registry.example.com:443/a/b:v1@sha256:abc", "registry.example.com:443/a/b@sha256:abc"),
    ],
)
def test_references_are_completed_as_runtimes_do(image: str, full: str) -> None:
    """Registry, `library/` and `latest` are added where they are not written; completing twice changes nothing."""
    assert full_reference(image) == full
    assert full_reference(full) == full


def test_the_body_of_the_post() -> None:
    """All fields, defaults written out, images and Secrets as the cloud names them."""
    spec = SPEC | {"retentionDays": 7, "name": "other-name"}
    spec["build"] = {"clusterID": CLUSTER, "pullSecretRefs": [{"name": "a"}, {"name": "b", "namespace": "shared"}]}
    body = wanted(spec, Defaults(pull_secret_namespaces=frozenset({"shared"}))).to_body()
    assert body == {
        "name": "other-name",
        "images": ["nginx", "busybox:1.36"],
        "image_cache_size": 40,
        "retention_days": 7,
        "building_config": {"cluster": CLUSTER, "image_pull_secrets": ["team-a:a", "shared:b"]},
    }


def test_the_settings_fill_in_what_the_spec_leaves_open() -> None:
    """Size 20, for ever, the cluster of the settings, no Secrets."""
    found = wanted({"images": ["nginx"]}, Defaults(cluster_id=OTHER))
    assert found == Desired("web", ("nginx",), 20, 0, OTHER, ())
    assert "image_pull_secrets" not in found.to_body()["building_config"]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        pytest.param({"images": ["nginx"]}, "spec.build.clusterID, or IMAGECACHE_CLUSTER_ID", id="no cluster"),
        pytest.param(
            {"images": ["nginx"], "credentialsSecretRef": {"name": "cloud"}},
            "spec.build.clusterID, clusterID in the Secret team-a/cloud, or IMAGECACHE_CLUSTER_ID",
            id="no cluster, and a Secret that could name one",
        ),
        pytest.param(
            SPEC | {"build": {"clusterID": CLUSTER, "pullSecretRefs": [{"name": "a", "namespace": "other"}]}},
            "IMAGECACHE_PULL_SECRET_NAMESPACES",
            id="a Secret of another namespace",
        ),
    ],
)
def test_what_cannot_be_asked_for(spec: dict[str, Any], names: str) -> None:
    """A sentence says which setting would allow it."""
    refused = desired(resource(spec=spec, status={}), Defaults())
    assert isinstance(refused, Verdict)
    assert names in refused.message


@pytest.mark.parametrize(
    ("fields", "differs"),
    [
        ({}, []),
        ({"images": ("docker.io/library/busybox:1.36", "docker.io/library/nginx:latest")}, []),
        ({"images": ("nginx",)}, ["images"]),
        ({"size_gib": 20}, ["sizeGiB"]),
        ({"size_gib": None}, ["sizeGiB"]),
        ({"retention_days": 1}, ["retentionDays"]),
        ({"cluster_id": OTHER}, ["build.clusterID"]),
        ({"cluster_id": None}, ["build.clusterID"]),
        ({"pull_secrets": ("team-a:a",)}, ["build.pullSecretRefs"]),
        ({"size_gib": 20, "images": ()}, ["images", "sizeGiB"]),
    ],
)
def test_differences_name_the_fields_of_the_spec(fields: dict[str, Any], differs: list[str]) -> None:
    """Order and short forms are no difference; what cannot be read is one."""
    assert list(wanted(SPEC).differences(cache(**fields))) == differs
    assert made_of(cache(**fields), spec_hash(resource(spec=SPEC, status={})), None) is (not differs)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"images": ["busybox:1.36", "docker.io/library/nginx:latest"]}, True),
        ({"retentionDays": 0}, True),
        ({"build": {"clusterID": CLUSTER, "pullSecretRefs": []}}, True),
        ({"recreateOn": ["SpecChanged"], "deletionPolicy": "Retain"}, True),
        ({"images": ["nginx"]}, False),
        ({"sizeGiB": 41}, False),
        ({"retentionDays": 1}, False),
        ({"build": {"clusterID": OTHER}}, False),
        ({"build": {}}, False),
        ({"build": {"clusterID": CLUSTER, "pullSecretRefs": [{"name": "a"}]}}, False),
    ],
)
def test_the_hash_covers_what_the_cache_is_made_of(change: dict[str, Any], same: bool) -> None:
    """What means the same has the same hash; policies do not count."""
    before, after = resource(spec=SPEC, status={}), resource(spec=SPEC | change, status={})
    assert (spec_hash(before) == spec_hash(after)) is same


@pytest.mark.parametrize(("default", "ours"), [(CLUSTER, True), (OTHER, False), (None, False)])
def test_where_the_spec_named_no_cluster_that_of_the_settings_counts(default: str | None, ours: bool) -> None:
    """The hash says nothing of it, so it is compared beside the hash."""
    hashed = spec_hash(resource(spec={key: SPEC[key] for key in ("images", "sizeGiB")}, status={}))
    assert made_of(cache(), hashed, default) is ours


REFERENCES = st.from_regex(
    r"\A((localhost|[a-z]{1,5}\.[a-z]{2}(:[0-9]{1,4})?)/)?[a-z]{1,5}(/[a-z]{1,5})?(:[a-z0-9]{1,5})?\Z"
)


@given(st.sets(REFERENCES, min_size=1, max_size=20))
def test_a_cloud_that_completes_and_sorts_images_makes_no_difference(images: set[str]) -> None:
    """Whatever is asked for is found again in its full form, in any order."""
    spec = SPEC | {"images": sorted(images)}
    shown = cache(images=tuple(sorted(map(full_reference, images), reverse=True)))
    assert not list(wanted(spec).differences(shown))
    assert made_of(shown, spec_hash(resource(spec=spec, status={})), None)
