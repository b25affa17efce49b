"""Every position of every switch for what the documents leave open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cce_simulator.switches import Switches, allowed_values
from cce_simulator.testing import DEFAULT_KEY, Reply, RunningSimulator

# Filled by `position`: what the tests below try out.
TRIED: dict[str, list[Any]] = {}


def position(switch: str, *outcomes: tuple[Any, Any]) -> pytest.MarkDecorator:
    """Parametrize a test with positions of one switch and what each leads to."""
    TRIED.setdefault(switch, []).extend(value for value, _ in outcomes)
    return pytest.mark.parametrize(("value", "outcome"), outcomes)


def _gist(reply: Reply) -> tuple[int, str | None]:
    """Status, and the error code of CCE if there is one."""
    return reply.status, reply.json.get("errorCode") if reply.body else None


@position("create_code", (200, 200), (201, 201), (202, 202))
def test_create_code(cloud: RunningSimulator, value: int, outcome: int) -> None:
    """Question 1: the success code of POST."""
    cloud.switch(create_code=value)
    reply = cloud.create("a")
    assert (reply.status, reply.json["image_cache"]["name"]) == (outcome, "a")


@position("create_body", ("full", True), ("without_id", False), ("empty", None))
def test_create_body(cloud: RunningSimulator, value: str, outcome: bool | None) -> None:
    """A POST may succeed and not tell the id; the cache is there all the same."""
    cloud.switch(create_body=value)
    reply = cloud.create("a")
    assert reply.status == 201
    assert ("id" in reply.json["image_cache"] if reply.body else None) is outcome
    assert [cache["name"] for cache in cloud.list("?name=a").json["image_caches"]] == ["a"]


@position(
    "delete_answer",
    ("202", (202, "Deleting")),
    ("204", (204, "gone")),
    ("204_still_there", (204, "Deleting")),
)
def test_delete_answer(cloud: RunningSimulator, value: str, outcome: tuple[int, str]) -> None:
    """Question 2: whether 204 means that nothing is left."""
    cloud.switch(delete_answer=value)
    cache_id = cloud.seed("a")
    reply, then = cloud.delete(cache_id), cloud.show(cache_id)
    assert bool(reply.body) is (reply.status == 202)
    assert (reply.status, "gone" if then.status == 404 else then.json["image_cache"]["status"]) == outcome
    cloud.clock.advance(3)
    assert cloud.show(cache_id).status == 404


@position("delete_unknown", (404, (404, "CCE.01404001")), (204, (204, None)))
def test_delete_unknown(cloud: RunningSimulator, value: int, outcome: tuple[int, str | None]) -> None:
    """Question 3: DELETE of an id that is not there."""
    cloud.switch(delete_unknown=value)
    assert _gist(cloud.delete("nobody")) == outcome


@position(
    "delete_deleting",
    (202, (202, None)),
    (204, (204, None)),
    (404, (404, "CCE.01404001")),
    (409, (409, "CCE.01409002")),
    (429, (429, "CCE.01429002")),
)
def test_delete_deleting(cloud: RunningSimulator, value: int, outcome: tuple[int, str | None]) -> None:
    """Question 3: DELETE while Deleting; whatever the answer, the deletion goes on as it was."""
    cloud.switch(delete_deleting=value)
    cache_id = cloud.seed("a")
    cloud.delete(cache_id)
    cloud.clock.advance(2)
    assert _gist(cloud.delete(cache_id)) == outcome
    assert cloud.show(cache_id).json["image_cache"]["status"] == "Deleting"
    cloud.clock.advance(1)
    assert cloud.show(cache_id).status == 404


REFUSALS = (
    ("accepted", (202, None, "Deleting")),
    (400, (400, "CCE.01400001", "kept")),
    (409, (409, "CCE.01409002", "kept")),
    (423, (423, "CCE.01423001", "kept")),
)


@position("delete_creating", *REFUSALS)
def test_delete_creating(cloud: RunningSimulator, value: Any, outcome: tuple[int, str | None, str]) -> None:
    """Deletion during the build may be refused; afterwards it is not."""
    cloud.switch(delete_creating=value)
    cache_id = cloud.create("a").json["image_cache"]["id"]
    reply, then = cloud.delete(cache_id), cloud.show(cache_id).json["image_cache"]["status"]
    assert (*_gist(reply), "kept" if then == "Creating" else then) == outcome
    cloud.clock.advance(5)
    assert cloud.delete(cache_id).status in {202, 404}


@position("delete_in_use", *REFUSALS)
def test_delete_in_use(cloud: RunningSimulator, value: Any, outcome: tuple[int, str | None, str]) -> None:
    """Deletion of a cache in use may be refused; it works when nobody uses it any more."""
    cloud.switch(delete_in_use=value)
    cache_id = cloud.seed("a", in_use=True)
    reply, then = cloud.delete(cache_id), cloud.show(cache_id).json["image_cache"]["status"]
    assert (*_gist(reply), "kept" if then == "Available" else then) == outcome
    cloud.control("PATCH", f"caches/{cache_id}", {"in_use": False})
    assert cloud.delete(cache_id).status == 202


@position(
    "not_found_shape",
    ("errorCode", ["errorCode", "errorMessage"]),
    ("error_code", ["error_code", "error_msg"]),
    ("kubernetes", ["apiVersion", "code", "kind", "message", "reason", "status"]),
    ("empty", None),
)
def test_not_found_shape(cloud: RunningSimulator, value: str, outcome: list[str] | None) -> None:
    """Question 4: the body of the 404, for GET and for DELETE."""
    cloud.switch(not_found_shape=value)
    for reply in (cloud.show("nobody"), cloud.delete("nobody")):
        assert reply.status == 404
        assert (sorted(reply.json) if reply.body else None) == outcome


@position("not_found_code", *((code, code) for code in ("CCE.01404001", "CCE.02404001", "CCE.03404001")))
def test_not_found_code(cloud: RunningSimulator, value: str, outcome: str) -> None:
    """Question 4: the code of the 404."""
    cloud.switch(not_found_code=value)
    assert _gist(cloud.show("nobody")) == (404, outcome)


@position("duplicate_name", (409, (409, "CCE.01409001")), (400, (400, "CCE.01400001")))
def test_duplicate_name(cloud: RunningSimulator, value: int, outcome: tuple[int, str]) -> None:
    """Question 5: a name that is taken."""
    cloud.switch(duplicate_name=value)
    cloud.seed("a")
    assert _gist(cloud.create("a")) == outcome


@position("quota_answer", (400, (400, "CCE.01400007")), (403, (403, "CCE.01403001")))
def test_quota_answer(cloud: RunningSimulator, value: int, outcome: tuple[int, str]) -> None:
    """Question 5: the quota is used up."""
    cloud.set(quota=1, switches={"quota_answer": value})
    cloud.seed("a")
    assert _gist(cloud.create("b")) == outcome


@position("quota_scope", ("project", 201), ("account", 403))
def test_quota_scope(start: Callable[[dict[str, Any]], RunningSimulator], value: str, outcome: int) -> None:
    """Question 15: whether caches of the account's other projects count."""
    key = {"access_key": DEFAULT_KEY.access_key, "secret_key": DEFAULT_KEY.secret_key}
    projects = [{"id": "p-1", "name": "cn-north-4"}, {"id": "p-2", "name": "cn-east-3"}]
    account = {"domain_id": "d", "domain_name": "n", "access_keys": [key], "projects": projects}
    caches = [{"name": "a", "project": "p-2"}]
    cloud = start({"accounts": [account], "caches": caches, "quota": 1, "switches": {"quota_scope": value}})
    assert cloud.create("b").status == outcome


@position("list_deleting", ("yes", ["a", "b"]), ("no", ["b"]))
def test_list_deleting(cloud: RunningSimulator, value: str, outcome: list[str]) -> None:
    """Question 7: whether the list shows what is being deleted, fresh or stale; GET does in any case."""
    cloud.switch(list_deleting=value)
    first = cloud.seed("a")
    cloud.seed("b")
    cloud.delete(first)
    cloud.clock.advance(1)
    cloud.fault("stale_reads", seconds=0.5, times=1)
    for _ in range(2):
        assert [cache["name"] for cache in cloud.list().json["image_caches"]] == outcome
    assert bool(cloud.list("?name=a").json["image_caches"]) is ("a" in outcome)
    assert cloud.show(first).status == 200


@position("name_reuse", ("refused", 409), ("allowed", 201))
def test_name_reuse(cloud: RunningSimulator, value: str, outcome: int) -> None:
    """Question 8: whether the name is free while the old cache is being deleted."""
    cloud.switch(name_reuse=value)
    cloud.delete(cloud.seed("a"))
    assert cloud.create("a").status == outcome
    assert cloud.create("a").status == 409, "a name is never taken twice by caches that stay"


@position(
    "list_order",
    ("created", ["b", "c", "a"]),
    ("newest_first", ["a", "c", "b"]),
    ("name", ["a", "b", "c"]),
    ("random", None),
)
def test_list_order(cloud: RunningSimulator, value: str, outcome: list[str] | None) -> None:
    """The order of the list; `random` gives another one sooner or later."""
    cloud.switch(list_order=value)
    for name in ("b", "c", "a"):
        cloud.seed(name)
    seen = [[cache["name"] for cache in cloud.list().json["image_caches"]] for _ in range(2 if outcome else 60)]
    assert {"".join(sorted(names)) for names in seen} == {"abc"}
    if outcome is None:
        assert len({tuple(names) for names in seen}) > 1
    else:
        assert seen == [outcome, outcome]


@position("empty_list", ("[]", {"image_caches": []}), ("null", {"image_caches": None}), ("absent", {}))
def test_empty_list(cloud: RunningSimulator, value: str, outcome: dict[str, Any]) -> None:
    """The three ways of having no caches; a cache shows in each position."""
    cloud.switch(empty_list=value)
    assert cloud.list().json == outcome
    assert cloud.list("?name=a").json == outcome
    cloud.seed("a")
    assert len(cloud.list().json["image_caches"]) == 1


@position("created_at", ("go", "2026-11-23 00:00:00.25 +0000 UTC"), ("rfc3339", "2026-11-23T00:00:00.250000Z"))
def test_created_at(cloud: RunningSimulator, value: str, outcome: str) -> None:
    """Go's time.String(), or RFC 3339."""
    cloud.switch(created_at=value)
    cloud.seed("a", age_seconds=cloud.clock.wall() - 1_795_392_000.25)
    assert cloud.list().json["image_caches"][0]["created_at"] == outcome


@position("size_zero", ("refused", (400, None)), ("default", (201, 20)))
def test_size_zero(cloud: RunningSimulator, value: str, outcome: tuple[int, int | None]) -> None:
    """Whether a size of 0 is the same as none."""
    cloud.switch(size_zero=value)
    reply = cloud.create("a", image_cache_size=0)
    assert (reply.status, reply.json.get("image_cache", {}).get("image_cache_size")) == outcome


@position(
    "images_echo",
    ("as_given", ["busybox", "x/y:1", "r.example/z@sha256:0", "localhost/q"]),
    (
        "canonical",
        ["docker.io/library/busybox:latest", "docker.io/x/y:1", "r.example/z@sha256:0", "localhost/q:latest"],
    ),
    ("reordered", ["localhost/q", "r.example/z@sha256:0", "x/y:1", "busybox"]),
)
def test_images_echo(cloud: RunningSimulator, value: str, outcome: list[str]) -> None:
    """Whether images come back as they were given, in full form, or in another order."""
    cloud.switch(images_echo=value)
    cloud.create("a", images=["busybox", "x/y:1", "r.example/z@sha256:0", "localhost/q"])
    assert cloud.list().json["image_caches"][0]["images"] == outcome


@position("retention_from", ("created", 86_400.0), ("available", 86_405.0))
def test_retention_from(cloud: RunningSimulator, value: str, outcome: float) -> None:
    """Whether the days count from the POST or from the end of the build."""
    cloud.switch(retention_from=value)
    cache_id = cloud.create("a", retention_days=1).json["image_cache"]["id"]
    cloud.clock.advance(outcome - 1)
    assert cloud.show(cache_id).json["image_cache"]["status"] == "Available"
    cloud.clock.advance(1)
    assert cloud.show(cache_id).json["image_cache"]["status"] == "Unavailable"


@position("unsigned_security_token", ("refused", 401), ("accepted", 200))
def test_unsigned_security_token(cloud: RunningSimulator, value: str, outcome: int) -> None:
    """Whether the right security token counts when it was added after signing."""
    cloud.switch(unsigned_security_token=value)
    cloud.set(access_keys={DEFAULT_KEY.access_key: {"security_token": "STOKEN"}})
    bare = {"X-Security-Token": "STOKEN"}
    assert cloud.signed("GET", "/v5/imagecaches", unsigned=bare).status == outcome


def test_every_position_has_a_test() -> None:
    """No switch and no position was forgotten above."""
    assert {name: sorted(map(str, values)) for name, values in TRIED.items()} == {
        name: sorted(map(str, values)) for name, values in allowed_values().items()
    }


def test_defaults_are_positions(cloud: RunningSimulator) -> None:
    """Settings show every switch in its default position."""
    shown = cloud.control("GET", "settings")["settings"]["switches"]
    assert shown == {name: getattr(Switches(), name) for name in allowed_values()}
