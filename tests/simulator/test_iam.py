"""Tokens, projects and accounts."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from cce_simulator.testing import DEFAULT_PROJECT, Reply, RunningSimulator

BY_NAME = {"project": {"name": DEFAULT_PROJECT.name}}


def _ask(
    cloud: RunningSimulator,
    scope: dict[str, Any] | None = None,
    *,
    password: str = "example-password",
    path: str = "/v3/auth/tokens",
) -> Reply:
    user = {"name": "example-user", "password": password, "domain": {"name": "example-domain"}}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if scope is not None:
        auth["scope"] = scope
    headers = {"Content-Type": "application/json;charset=utf8"}
    return cloud.send("POST", path, json.dumps({"auth": auth}).encode(), headers)


def _list(cloud: RunningSimulator, token: str) -> Reply:
    return cloud.send("GET", "/v5/imagecaches", headers={"X-Auth-Token": token})


@pytest.mark.parametrize("scope", [BY_NAME, {"project": {"id": DEFAULT_PROJECT.id}}])
def test_a_token_for_a_project(cloud: RunningSimulator, scope: dict[str, Any]) -> None:
    """201, the token of several KB in X-Subject-Token, its end 24 h later in the body; it opens the project."""
    cloud.seed("a")
    reply = _ask(cloud, scope)
    token, body = reply.headers["X-Subject-Token"], reply.json["token"]
    assert (reply.status, len(token)) == (201, 4096)
    assert body["project"]["id"] == DEFAULT_PROJECT.id
    issued, expires = (dt.datetime.fromisoformat(body[name]) for name in ("issued_at", "expires_at"))
    assert expires - issued == dt.timedelta(hours=24)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body["expires_at"])
    assert body["catalog"] == []
    assert [cache["name"] for cache in _list(cloud, token).json["image_caches"]] == ["a"]


def test_without_a_catalog(cloud: RunningSimulator) -> None:
    """`nocatalog` leaves the catalog out."""
    assert "catalog" not in _ask(cloud, BY_NAME, path="/v3/auth/tokens?nocatalog=true").json["token"]


def test_a_token_lives_a_day(cloud: RunningSimulator) -> None:
    """Good until 24 h are over, then 401 APIGW.0307; a new one does not end the old one."""
    old = _ask(cloud, BY_NAME).headers["X-Subject-Token"]
    cloud.clock.advance(24 * 3600 - 1)
    new = _ask(cloud, BY_NAME).headers["X-Subject-Token"]
    assert _list(cloud, old).status == 200
    cloud.clock.advance(1)
    refused = _list(cloud, old)
    assert (refused.status, refused.json["error_code"]) == (401, "APIGW.0307")
    assert _list(cloud, new).status == 200


def test_tokens_that_are_not_good(cloud: RunningSimulator) -> None:
    """Made up, revoked, of a disabled user: 401 APIGW.0307."""
    token = _ask(cloud, BY_NAME).headers["X-Subject-Token"]
    assert _list(cloud, "made-up").json["error_code"] == "APIGW.0307"
    cloud.set(users={"example-user": {"enabled": False}})
    assert _list(cloud, token).json["error_code"] == "APIGW.0307"
    cloud.set(users={"example-user": {"enabled": True}})
    assert _list(cloud, token).status == 200
    cloud.set(revoke_tokens=True)
    assert _list(cloud, token).json["error_code"] == "APIGW.0307"


@pytest.mark.parametrize("scope", [None, {"domain": {"name": "example-domain"}}])
def test_a_token_without_a_project(cloud: RunningSimulator, scope: dict[str, Any] | None) -> None:
    """It is issued, and opens no image caches."""
    reply = _ask(cloud, scope)
    assert (reply.status, "project" in reply.json["token"]) == (201, False)
    refused = _list(cloud, reply.headers["X-Subject-Token"])
    assert (refused.status, refused.json["error_code"]) == (403, "APIGW.0310")


def test_refusals_have_the_keystone_shape(cloud: RunningSimulator) -> None:
    """Wrong password 401, unknown project 404, malformed request 400."""
    wrong = _ask(cloud, BY_NAME, password="guess")
    assert (wrong.status, wrong.json["error"]["code"], wrong.json["error"]["title"]) == (401, 401, "Unauthorized")
    unknown = _ask(cloud, {"project": {"name": "nowhere"}})
    assert (unknown.status, unknown.json["error"]["title"]) == (404, "Not Found")
    for body in (b"", b"[]", b'{"auth": {}}', b'{"auth": {"identity": {"password": {"user": 3}}}}'):
        reply = cloud.send("POST", "/v3/auth/tokens", body)
        assert (reply.status, reply.json["error"]["title"]) == (400, "Bad Request")


def test_projects_by_name(start: Callable[[dict[str, Any]], RunningSimulator]) -> None:
    """GET /v3/projects gives one's own projects, filtered by name; an unknown name gives none."""
    projects = [{"id": "p-1", "name": "cn-north-4"}, {"id": "p-2", "name": "cn-east-3"}]
    key = {"access_key": "AKEXAMPLE0000000000", "secret_key": "SKEXAMPLE00000000000000000000000000000000"}
    account = {"domain_id": "d1", "domain_name": "one", "access_keys": [key], "projects": projects}
    stranger = {"domain_id": "d2", "domain_name": "two", "projects": [{"id": "p-3", "name": "cn-north-4"}]}
    cloud = start({"accounts": [account, stranger]})
    found = {
        query: [project["id"] for project in cloud.signed("GET", f"/v3/projects{query}").json["projects"]]
        for query in ("", "?name=cn-north-4", "?name=cn-east-3", "?name=nowhere")
    }
    assert found == {"": ["p-1", "p-2"], "?name=cn-north-4": ["p-1"], "?name=cn-east-3": ["p-2"], "?name=nowhere": []}


def test_projects_may_be_denied(cloud: RunningSimulator) -> None:
    """Without the right to list projects: IAM's 403."""
    cloud.set(denied_actions=["iam:projects:list"])
    reply = cloud.signed("GET", "/v3/projects?name=cn-north-4")
    assert (reply.status, reply.json["error"]["title"]) == (403, "Forbidden")


def test_whose_account_it_is(cloud: RunningSimulator) -> None:
    """GET /v3/auth/domains and STS's caller identity name the account; both need a good signature."""
    domains = cloud.signed("GET", "/v3/auth/domains").json["domains"]
    identity = cloud.signed("GET", "/v5/caller-identity").json
    assert domains[0]["id"] == identity["account_id"] == "d0123456789abcdef0123456789abcde"
    assert cloud.send("GET", "/v3/auth/domains").status == 401
