"""What the four calls take and give: fields, names, quota, filter, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from cce_simulator.testing import DEFAULT_KEY, RunningSimulator

PATH = "/v5/imagecaches"


def test_a_creation_echoes_what_was_asked_for(cloud: RunningSimulator) -> None:
    """201 with every field of the request, an id of the UUID's shape, and the status Creating."""
    building: dict[str, Any] = {"cluster": "c-9", "image_pull_secrets": ["default:a", "kube-system:b"]}
    given = {"images": ["x/y:1", "z:2"], "image_cache_size": 400, "retention_days": 10_000, "building_config": building}
    reply = cloud.create("name-1", **given)
    assert reply.status == 201
    cache = reply.json["image_cache"]
    assert re.fullmatch(r"[0-9a-z]{8}(-[0-9a-z]{4}){3}-[0-9a-z]{12}", cache.pop("id"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC", cache.pop("created_at"))
    assert cache == {"name": "name-1", "status": "Creating"} | given


def test_defaults_of_a_creation(cloud: RunningSimulator) -> None:
    """Without size and days: 20 GiB and for ever; secrets are absent, not null."""
    cache = cloud.create("a").json["image_cache"]
    assert (cache["image_cache_size"], cache["retention_days"], cache["building_config"]) == (20, 0, {"cluster": "c-1"})
    assert "message" not in cache


@pytest.mark.parametrize("name", ["a", "a1", "a-b", "a--b", "a" * 128])
def test_names_that_are_taken(cloud: RunningSimulator, name: str) -> None:
    """Lowercase letter first, then letters, digits and hyphens, at most 128."""
    assert cloud.create(name).status == 201


NO_BUILDING: tuple[object, ...] = (None, [], {}, {"cluster": ""})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *(({"name": name}, "name must") for name in ("", "A", "1a", "-a", "a-", "a_b", "a" * 129, 3, None)),
        *(({"images": images}, "images must") for images in (None, [], "a", [""], [3], ["i"] * 21)),
        *(({"image_cache_size": size}, "image_cache_size must") for size in (0, 19, 401, "20", True, 20.5)),
        *(({"retention_days": days}, "retention_days must") for days in (-1, 10_001, "1", True)),
        *(({"building_config": building}, "building_config") for building in NO_BUILDING),
        ({"building_config": {"cluster": "c", "image_pull_secrets": "s"}}, "image_pull_secrets must"),
    ],
)
def test_a_bad_creation(cloud: RunningSimulator, change: dict[str, Any], reason: str) -> None:
    """400 in CCE's shape with the reason, and nothing is created."""
    body = {"name": "a", "images": ["i"], "building_config": {"cluster": "c"}} | change
    reply = cloud.signed("POST", PATH, body)
    assert (reply.status, reply.json["errorCode"]) == (400, "CCE.01400001")
    assert reason in reply.json["errorMessage"]
    assert cloud.list().json == {"image_caches": []}


def test_bodies_that_are_no_creation(cloud: RunningSimulator) -> None:
    """A list instead of an object is 400; so is a content type that is not on the list."""
    assert cloud.signed("POST", PATH, []).json["errorCode"] == "CCE.01400001"
    body = b"not JSON"
    key = _token(cloud)
    refused = cloud.send("POST", PATH, body, {"X-Auth-Token": key, "Content-Type": "application/json"})
    assert refused.json["errorMessage"] == "Invalid request: the body is not JSON."
    refused = cloud.send("POST", PATH, body, {"X-Auth-Token": key, "Content-Type": "text/plain"})
    assert (refused.status, refused.json["errorCode"]) == (400, "CCE.01400006")


def _token(cloud: RunningSimulator) -> str:
    body = (
        b'{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"example-user",'
        b'"password":"example-password","domain":{"name":"example-domain"}}}},'
        b'"scope":{"project":{"name":"cn-north-4"}}}}'
    )
    return str(cloud.send("POST", "/v3/auth/tokens", body).headers["X-Subject-Token"])


def test_only_the_clusters_of_the_project_build(start: Callable[[dict[str, Any]], RunningSimulator]) -> None:
    """A project may say which clusters it has; by default any will do."""
    key = {"access_key": DEFAULT_KEY.access_key, "secret_key": DEFAULT_KEY.secret_key}
    project = {"id": "p", "name": "cn-north-4", "clusters": ["c-9"]}
    account = {"domain_id": "d", "domain_name": "n", "access_keys": [key], "projects": [project]}
    cloud = start({"accounts": [account]})
    refused = cloud.create("a", building_config={"cluster": "c-8"})
    assert refused.json["errorMessage"] == "Invalid request: cluster c-8 cannot build image caches."
    assert cloud.create("a", building_config={"cluster": "c-9"}).status == 201


def test_names_are_unique_until_the_cache_is_gone(cloud: RunningSimulator) -> None:
    """409 CCE.01409001 while the first one is there, Deleting included; then the name is free."""
    cache_id = cloud.create("a").json["image_cache"]["id"]
    for _ in range(2):
        refused = cloud.create("a")
        assert (refused.status, refused.json["errorCode"]) == (409, "CCE.01409001")
        cloud.delete(cache_id)
    cloud.clock.advance(3)
    assert cloud.create("a").status == 201


def test_the_quota(cloud: RunningSimulator) -> None:
    """The 51st cache is refused, and taken as soon as one is gone; 0 is no quota."""
    first, *_ = [cloud.seed(f"c-{number}") for number in range(50)]
    refused = cloud.create("one-more")
    assert (refused.status, refused.json["errorCode"]) == (403, "CCE.01403001")
    assert "quota of 50" in refused.json["errorMessage"]
    cloud.delete(first)
    assert cloud.create("one-more").status == 403
    cloud.clock.advance(3)
    assert cloud.create("one-more").status == 201
    cloud.set(quota=0)
    assert cloud.create("two-more").status == 201


def test_the_filter_of_the_list(cloud: RunningSimulator) -> None:
    """`name` is an exact match under the rules of names; other parameters are ignored."""
    for name in ("a", "ab", "b"):
        cloud.seed(name)
    names = {
        query: [cache["name"] for cache in cloud.list(query).json["image_caches"]]
        for query in ("", "?name=a", "?name=ab", "?name=c", "?limit=1")
    }
    assert names == {
        "": ["a", "ab", "b"],
        "?name=a": ["a"],
        "?name=ab": ["ab"],
        "?name=c": [],
        "?limit=1": ["a", "ab", "b"],
    }
    assert cloud.list("?name=A*").status == 400


def test_a_list_is_never_out_of_date(cloud: RunningSimulator) -> None:
    """Lists are kept encoded; each kind of change shows in the very next one."""
    cache_id = cloud.seed("a")

    def shown() -> list[tuple[str, str, str | None]]:
        caches = cloud.list().json["image_caches"]
        return [(cache["name"], cache["status"], cache.get("message")) for cache in caches]

    assert shown() == shown() == [("a", "Available", None)]
    cloud.seed("b")
    assert len(shown()) == 2
    cloud.control("PATCH", f"caches/{cache_id}", {"message": "hm"})
    assert shown()[0] == ("a", "Available", "hm")
    cloud.delete(cache_id)
    assert shown()[0] == ("a", "Deleting", None)
    cloud.clock.advance(3)
    assert shown() == [("b", "Available", None)]
    cloud.switch(created_at="rfc3339")
    assert "T" in cloud.list().json["image_caches"][0]["created_at"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_id_that_is_not_there(cloud: RunningSimulator, method: str) -> None:
    """404 with CCE's code, in the documented spelling."""
    reply = cloud.signed(method, f"{PATH}/c271e39e-1a6e-4d3d-8fa8-2a36329c68d2")
    assert (reply.status, sorted(reply.json)) == (404, ["errorCode", "errorMessage"])
    assert reply.json["errorCode"] == "CCE.01404001"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", f"{PATH}/"),
        ("GET", f"{PATH}/a/b"),
        ("PUT", f"{PATH}/a"),
        ("PATCH", PATH),
        ("GET", "/api/v3/projects/p/clusters"),
        ("GET", "/v5/imagecachesx"),
    ],
)
def test_what_is_not_published(cloud: RunningSimulator, method: str, path: str) -> None:
    """Other paths and methods are the gateway's 404 APIGW.0101, signed or not."""
    for reply in (cloud.signed(method, path), cloud.send(method, path)):
        assert (reply.status, reply.json["error_code"]) == (404, "APIGW.0101")
        assert reply.json["request_id"]


def test_every_answer_has_a_request_id(cloud: RunningSimulator) -> None:
    """X-Request-Id is the one of the log, on success and refusal."""
    ids = [cloud.list().headers["X-Request-Id"], cloud.show("x").headers["X-Request-Id"]]
    assert ids == [call["request_id"] for call in cloud.control("GET", "calls")["calls"]]
