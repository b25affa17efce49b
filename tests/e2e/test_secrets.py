"""Credentials in Secrets of users' namespaces, with real programs and the permission of the component alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from imagecache_playground.cloud import ACCESS_KEY, BUILDER, SECRET_KEY
from imagecache_playground.cluster import Cluster, condition
from imagecache_playground.operator_process import Operator
from imagecache_playground.surroundings import Surroundings

COMPONENT = Path(__file__).resolve().parents[2] / "deploy/kustomize/components/namespaced-credentials/role.yaml"
PAIR = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
REF = {"credentialsSecretRef": {"name": "cloud"}}


@pytest.fixture
def world(surroundings: Callable[..., Surroundings], cluster: Cluster) -> Surroundings:
    """An operator of them may list the Secrets of its namespace."""
    made = surroundings(cluster, {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}, "writes_per_minute": 0})
    role, binding = yaml.safe_load_all(COMPONENT.read_text(encoding="utf-8"))
    # In this namespace alone, so that the other tests go without.
    binding |= {"kind": "RoleBinding", "metadata": {"name": "credentials", "namespace": made.namespace}}
    made.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([role, binding]))
    return made


@pytest.fixture
def operator(world: Surroundings) -> Operator:
    """It has no credentials of its own."""
    return world.operator(
        IMAGECACHE_NAMESPACED_CREDENTIALS="true",
        IMAGECACHE_CLUSTER_ID=BUILDER,
        HUAWEICLOUD_SDK_AK="",
        HUAWEICLOUD_SDK_SK="",
    )


def put(world: Surroundings, data: Mapping[str, str], kind: str = "cce.huaweicloud.com/credentials") -> None:
    """Create or replace the Secret."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": "cloud", "namespace": world.namespace},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }
    drop(world)
    world.cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(secret))


def drop(world: Surroundings) -> None:
    """Delete the Secret."""
    world.cluster.kubectl("-n", world.namespace, "delete", "secret", "cloud", "--ignore-not-found")


@pytest.mark.usefixtures("operator")
def test_the_whole_life_with_a_secret(world: Surroundings) -> None:
    """Created, and, after the Secret is gone, still deleted: with the copy that was used."""
    put(world, PAIR)
    world.cluster.create(world.namespace, "web", images=["nginx"], **REF)
    world.wait_reason("Available")
    drop(world)
    world.delete()
    world.wait_gone()
    assert world.cloud.caches() == {}


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        pytest.param(None, "", "There is no Secret", id="no Secret"),
        pytest.param(PAIR, "Opaque", "no other type is read", id="another type"),
        pytest.param({"accessKey": ACCESS_KEY}, "", "secretKey missing", id="half of it"),
        pytest.param(PAIR | {"cceEndpoint": "https://evil.example"}, "", "IMAGECACHE_ALLOWED_ENDPOINTS", id="evil"),
        pytest.param(PAIR | {"cceEndpoint": "https://127.0.0.1:1"}, "", "must be https", id="loopback"),
    ],
)
def test_a_bad_secret_has_its_sentence(world: Surroundings, data: dict[str, str] | None, kind: str, says: str) -> None:
    """Nothing is lost: with the right Secret it goes on by itself, within 10 s."""
    if data is not None:
        put(world, data, kind or "cce.huaweicloud.com/credentials")
    cache_id = world.cloud.add_cache("web")
    world.cluster.create(world.namespace, "web", imageCacheID=cache_id, **REF)
    world.wait(lambda it: says in condition(it, "Stalled").get("message", ""), what=says, seconds=20)
    assert SECRET_KEY not in world.cluster.kubectl("-n", world.namespace, "get", "imagecache", "web", "-o", "yaml")
    put(world, PAIR)
    world.wait_reason("Available", seconds=10)


@pytest.mark.usefixtures("operator")
def test_a_typing_error_takes_no_working_copy_along(world: Surroundings) -> None:
    """Told while it stands in the Secret; when that is gone, what worked before deletes the cache."""
    put(world, PAIR)
    world.cluster.create(world.namespace, "web", images=["nginx"], **REF)
    world.wait_reason("Available")
    put(world, PAIR | {"secretKey": "TYPO"})
    world.wait_stalled("CredentialsInvalid")
    drop(world)
    world.delete()
    world.wait_gone()
    assert world.cloud.caches() == {}


def test_a_namespace_that_ends_after_a_restart_without_the_secret(world: Surroundings, operator: Operator) -> None:
    """The API server takes no Secret there any more; the message names what it takes, and that lets go."""
    put(world, PAIR)
    world.cluster.create(world.namespace, "web", images=["nginx"], **REF)
    world.wait_reason("Available")
    operator.program.kill()
    drop(world)
    world.cluster.kubectl("delete", "namespace", world.namespace, "--wait=false")
    operator.start()
    told = ("There is no Secret", "remove spec.credentialsSecretRef", "spec.deletionPolicy to Retain")
    world.wait(
        lambda it: all(words in condition(it, "Stalled").get("message", "") for words in told), what="the ways out"
    )
    world.set_spec(deletionPolicy="Retain")
    world.cluster.kubectl("wait", "--for=delete", "namespace", world.namespace, "--timeout=60s")
    assert len(world.cloud.caches()) == 1


@pytest.mark.usefixtures("operator")
def test_a_namespace_with_secret_and_objects_terminates(world: Surroundings) -> None:
    """Whatever order Kubernetes deletes them in; the caches go, too."""
    put(world, PAIR)
    for name in ("web", "db"):
        world.cluster.create(world.namespace, name, images=["nginx"], **REF)
    for name in ("web", "db"):
        world.wait_reason("Available", name=name)
    world.cluster.kubectl("delete", "namespace", world.namespace, "--timeout=60s")
    assert world.cloud.caches() == {}
