"""IAM and STS, as far as clients of the image-cache calls need them (sections 5 and 6.1)."""

from __future__ import annotations

import hmac
import json
from typing import Any

from cce_simulator import errors
from cce_simulator.answers import Answer, RefusedError, json_answer
from cce_simulator.clock import Clock
from cce_simulator.documents import created_at
from cce_simulator.gate import Caller
from cce_simulator.identity import Directory, Token
from cce_simulator.incoming import Incoming
from cce_simulator.journal import Call
from cce_simulator.scenario import AccountSeed, ProjectSeed


class Iam:
    """Token issue and the three look-ups."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def create_token(self, incoming: Incoming, call: Call) -> Answer:
        """Section 5: password in, token out in X-Subject-Token. Raises RefusedError in the Keystone shape."""
        identity, scope = _read_token_request(incoming.body)
        name, password, domain = identity
        call.credential = name
        account = self._directory.account_named(domain)
        user = self._directory.user(domain, name)
        good = user is not None and user.enabled and hmac.compare_digest(user.password.encode(), password.encode())
        if account is None or not good:
            raise RefusedError(errors.keystone(401, "The username or password is wrong."))
        project = _scoped_project(account, scope)
        call.project = project.id if project else None
        text, token = self._directory.issue_token(account, name, project)
        call.work_done = True
        body = self._token_body(token, catalog=incoming.parameter("nocatalog") is None)
        return json_answer(201, body, {"X-Subject-Token": text})

    def look_up(self, incoming: Incoming, caller: Caller, call: Call) -> Answer:
        """Section 6.1: projects by name, the caller's domain, the caller's account."""
        call.work_done = True
        account = caller.account
        match incoming.operation:
            case "ListProjects":
                name = incoming.parameter("name")
                found = [project for project in account.projects if name is None or project.name == name]
                return json_answer(200, {"projects": [_project(account, each) for each in found], "links": {}})
            case "ListDomains":
                domain = {"id": account.domain_id, "name": account.domain_name, "enabled": True}
                return json_answer(200, {"domains": [domain], "links": {}})
            case _:
                urn = f"iam::{account.domain_id}:user:{caller.name}"
                return json_answer(
                    200, {"account_id": account.domain_id, "principal_id": caller.name, "principal_urn": urn}
                )

    def _token_body(self, token: Token, *, catalog: bool) -> dict[str, Any]:
        domain = {"id": token.account.domain_id, "name": token.account.domain_name}
        body: dict[str, Any] = {
            "methods": ["password"],
            "expires_at": created_at(token.expires_wall, "rfc3339"),
            "issued_at": created_at(self._clock.wall(), "rfc3339"),
            "user": {"name": token.user, "id": token.user, "domain": domain},
            "roles": [{"id": "0", "name": "te_admin"}],
        }
        if token.project is None:
            body["domain"] = domain
        else:
            body["project"] = {"id": token.project.id, "name": token.project.name, "domain": domain}
        if catalog:
            body["catalog"] = []
        return {"token": body}


def _project(account: AccountSeed, project: ProjectSeed) -> dict[str, Any]:
    return {"id": project.id, "name": project.name, "domain_id": account.domain_id, "enabled": True}


def _read_token_request(body: bytes) -> tuple[tuple[str, str, str], dict[str, Any]]:
    """Name, password and domain name, and the scope."""
    try:
        auth = json.loads(body)["auth"]
        identity = auth["identity"]
        user = identity["password"]["user"]
        given = (user["name"], user["password"], user["domain"]["name"])
        scope = auth.get("scope") or {}
        if "password" not in identity["methods"] or not all(isinstance(text, str) for text in given):
            raise TypeError  # noqa: TRY301 (one answer for every way of being malformed)
        return given, dict(scope)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RefusedError(errors.keystone(400, "Request body is invalid.")) from None


def _scoped_project(account: AccountSeed, scope: dict[str, Any]) -> ProjectSeed | None:
    """The project of the scope; None for a domain scope or none at all."""
    wanted = scope.get("project")
    if not isinstance(wanted, dict):
        return None
    for project in account.projects:
        if wanted.get("id", project.id) == project.id and wanted.get("name", project.name) == project.name:
            return project
    raise RefusedError(errors.keystone(404, f"Could not find project: {wanted.get('id') or wanted.get('name')}."))
