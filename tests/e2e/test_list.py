"""`imagecache-operator list` as a process: a tenant is taken over in two commands, and nothing is wrongly unheld."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from tests.e2e.commands import run

from imagecache_playground.cloud import ACCESS_KEY, PROJECT, REGION, SECRET_KEY
from imagecache_playground.cluster import Cluster
from imagecache_playground.surroundings import Surroundings


def objects(world: Surroundings) -> dict[str, str | None]:
    """The names of caches, and which object holds each."""
    done = run(world, "list", "--output", "json")
    assert (done.status, done.err) == (0, "")
    return {cache["name"]: cache["object"] for cache in done.json["caches"]}


def test_each_cache_has_a_row_with_its_object(world: Surroundings) -> None:
    """Held by one object, watched by another, and named by none."""
    held = world.bind("held")
    watched = world.cloud.add_cache("watched", retention_days=7)
    free = world.cloud.add_cache("free", status="Failed", image_cache_size=40)
    world.cluster.create(world.namespace, "watcher", imageCacheID=watched, managementPolicy="Observe")
    world.operator()
    world.wait_reason("Available", name="held")
    world.wait_reason("Observed", name="watcher")
    done = run(world, "list")
    assert (done.status, done.err) == (0, "")
    head, *rows = [line.split(maxsplit=6) for line in done.lines]
    assert head == ["ID", "NAME", "STATUS", "SIZE", "CREATED", "EXPIRES", "OBJECT"]
    assert [row[1] for row in rows] == ["free", "held", "watched"]
    table = {row[0]: row for row in rows}
    assert table[held][6] == f"{world.namespace}/held"
    assert table[free][2:4] == ["Failed", "40Gi"]
    assert table[free][5:] == ["never", "none"]
    assert table[watched][6].startswith("none;")
    assert f"{world.namespace}/watcher" in table[watched][6]
    assert table[watched][5] > table[watched][4]
    assert objects(world) == {"held": f"{world.namespace}/held", "free": None, "watched": None}


def test_a_tenant_is_taken_over_in_two_commands(world: Surroundings) -> None:
    """`list --manifests | kubectl apply -f -`: afterwards each cache has its object; doing it again changes nothing."""
    ids = {name: world.cloud.add_cache(name) for name in ("a", "b", "c")}
    world.bind("kept")
    world.cluster.create(world.namespace, "a", name="nowhere")  # whose name a cache has
    manifests = run(world, "list", "--manifests", "--namespace", world.namespace)
    assert manifests.status == 0
    said = world.cluster.kubectl("apply", "-f", "-", stdin=manifests.out)
    assert said.count("created") == 3
    # Before any operator has looked, they are not offered a second time.
    again = run(world, "list", "--manifests", "--namespace", world.namespace)
    assert list(yaml.safe_load_all(again.out)) == []
    assert "nothing to bind" in again.err
    world.operator()
    names = {"a": f"a-{ids['a'][:8]}", "b": "b", "c": "c"}
    for name in names.values():
        world.wait_reason("Available", name=name)
    assert objects(world) == {
        "kept": f"{world.namespace}/kept",
        **{name: f"{world.namespace}/{own}" for name, own in names.items()},
    }
    for name in names.values():  # Retain: letting go of them takes nothing along
        world.delete(name)
        world.wait_gone(name)
    assert ids.keys() == {cache["name"] for cache in world.cloud.caches().values()} - {"kept"}


def test_the_account_of_a_secret_is_listed_with_its_credentials(world: Surroundings) -> None:
    """The manifests name the Secret, and what it may not name is refused."""
    data = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY, "projectID": PROJECT, "region": REGION}
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "cce.huaweicloud.com/credentials",
        "metadata": {"name": "cloud", "namespace": world.namespace},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }
    world.cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(secret))
    cache_id = world.cloud.add_cache("web")
    admin = world.cluster.plane.kubeconfig
    none: dict[str, Any] = {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}
    which = ("list", "--namespace", world.namespace, "--secret")
    listed = run(world, *which, "cloud", kubeconfig=admin, **none)
    assert listed.status == 0
    assert cache_id in listed.out
    [manifest] = yaml.safe_load_all(run(world, *which, "cloud", "--manifests", kubeconfig=admin, **none).out)
    assert manifest["spec"]["credentialsSecretRef"] == {"name": "cloud"}
    assert manifest["metadata"]["namespace"] == world.namespace
    missing = run(world, *which, "other", kubeconfig=admin, **none)
    assert (missing.status, missing.out) == (1, "")
    assert f"There is no Secret {world.namespace}/other" in missing.err
    unread = run(world, *which, "cloud", **none)
    assert unread.status == 1
    assert "cannot list Secrets" in unread.err


def test_a_cloud_that_refuses_is_asked_once(world: Surroundings) -> None:
    """One sentence, the status 1, one 401, and nothing that looks like an empty account."""
    done = run(world, "list", HUAWEICLOUD_SDK_SK="SKWRONG")
    assert (done.status, done.out) == (1, "")
    assert "does not accept" in done.err
    assert sum(call["status"] == 401 for call in world.cloud.calls()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--secret", "cloud"), "--namespace"),
        (("--namespace", "team"), "--manifests"),
        (("--manifests", "--output", "json"), "YAML"),
        (("--deletion-policy", "Delete"), "--manifests"),
        (("--manifests",), "IMAGECACHE_NAMESPACES"),
        (("--manifests", "--namespace", "Team_A"), "the name of a namespace"),
    ],
)
def test_a_command_line_that_contradicts_itself_is_the_status_2(
    world: Surroundings, arguments: tuple[str, ...], says: str
) -> None:
    """Nothing is asked of anybody."""
    done = run(world, "list", *arguments)
    assert (done.status, done.out) == (2, "")
    assert says in done.err
    assert not world.cloud.calls()


def test_a_cloud_that_is_not_reached_is_explained(world: Surroundings) -> None:
    """In a sentence that says at which step the way ends, and what to look at, as doctor does."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = run(world, "list", IMAGECACHE_CCE_ENDPOINT=f"http://127.0.0.1:{port}")
    assert (done.status, done.out) == (1, "")
    [sentence] = done.err.splitlines()
    assert sentence == (
        f"imagecache-operator: 127.0.0.1:{port} refuses connections. Check host and port of the endpoint."
    )


def test_whoever_may_not_list_objects_learns_nothing_of_caches(world: Surroundings) -> None:
    """A service account without a role: refused before the cloud is asked."""
    plane = world.cluster.plane
    plane.request("POST", f"/api/v1/namespaces/{world.namespace}/serviceaccounts", {"metadata": {"name": "nobody"}})
    kubeconfig = plane.service_account_kubeconfig(world.directory / "nobody.kubeconfig", world.namespace, "nobody")
    world.cloud.add_cache("web")
    done = run(world, "list", kubeconfig=kubeconfig)
    assert (done.status, done.out) == (1, "")
    assert "does not allow" in done.err


def test_without_an_api_server_nothing_is_called_unheld(
    surroundings: Callable[..., Surroundings], own_cluster: Cluster
) -> None:
    """It says so, with the status 1; so it does when the definition is not there."""
    world = surroundings(own_cluster)
    world.cloud.add_cache("web")
    admin = own_cluster.plane.kubeconfig
    own_cluster.plane.stop_apiserver()
    done = run(world, "list", kubeconfig=admin)
    assert (done.status, done.out) == (1, "")
    assert "could not be reached" in done.err
    own_cluster.plane.start_apiserver()
    own_cluster.kubectl("delete", "crd", "imagecaches.cce.huaweicloud.com", "--wait", "--timeout=60s")
    done = run(world, "list", kubeconfig=admin)
    assert (done.status, done.out) == (1, "")
    assert "not installed" in done.err
    assert not world.cloud.calls()
