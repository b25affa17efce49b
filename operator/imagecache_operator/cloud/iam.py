"""What is asked of IAM: tokens, the project of a region, the account of a key (cce-api sections 5 and 6.1)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import quote

import aiohttp
import httpx
from pydantic import SecretStr

from imagecache_operator.clock import read_http_date
from imagecache_operator.cloud.credentials import UserPassword
from imagecache_operator.cloud.responses import clip, read_error, read_json, trouble_of
from imagecache_operator.cloud.transport import fetch
from imagecache_operator.observation import Trouble, TroubleKind

TOKEN_LIFE_UNKNOWN = 3600.0
"""Seconds for which a token is taken to live when its answer does not say."""

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


class IamError(Exception):
    """IAM did not give what was asked for; `trouble` says why, as for calls to CCE."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Token:
    """A project-scoped token. `project_id` and `account_id` are None where its answer does not tell them."""

    value: SecretStr = field(repr=False)
    issued_at: datetime
    expires_at: datetime | None
    project_id: str | None
    account_id: str | None


async def issue_token(
    http: httpx.AsyncClient,
    endpoint: str,
    user: UserPassword,
    *,
    scope: dict[str, str],
    now: datetime,
    within: float,
) -> Token:
    """A token for a user; `scope` is `{"id": project}` or `{"name": region}`. Raises IamError."""
    password = {
        "user": {
            "name": user.username,
            "password": user.password.get_secret_value(),
            "domain": {"name": user.domain_name},
        }
    }
    body = {"auth": {"identity": {"methods": ["password"], "password": password}, "scope": {"project": scope}}}
    request = http.build_request("POST", f"{endpoint}/v3/auth/tokens?nocatalog=true", headers=_HEADERS, json=body)
    who = f"the user {user.username} of {user.domain_name}"
    response = await _ask(http, request, None, who=who, action="a token for the project", within=within)
    value = response.headers.get("X-Subject-Token", "")
    if response.status_code != 201 or not value:
        _unreadable(endpoint)
    token = _inner(_inner(response), "token")
    return Token(
        value=SecretStr(value),
        issued_at=told_at(response, now),
        expires_at=parse_time(token.get("expires_at")),
        project_id=_text(_inner(token, "project").get("id")),
        account_id=_text(_inner(_inner(token, "user"), "domain").get("id")),
    )


async def find_project_id(
    http: httpx.AsyncClient, endpoint: str, auth: httpx.Auth, region: str, *, who: str, within: float
) -> str:
    """The id of the region's own project, which bears the region's name. Raises IamError, also when there is none."""
    url = f"{endpoint}/v3/projects?name={quote(region, safe='')}"
    request = http.build_request("GET", url, headers=_HEADERS)
    response = await _ask(http, request, auth, who=who, action="iam:projects:listProjects", within=within)
    projects = _inner(response).get("projects")
    if response.status_code != 200 or not isinstance(projects, list):
        _unreadable(endpoint)
    ids = [found for project in projects if isinstance(project, dict) and (found := _text(project.get("id")))]
    if len(ids) != 1:
        number = "no project" if not ids else f"{len(ids)} projects"
        raise IamError(
            Trouble(
                TroubleKind.REQUEST_REJECTED,
                f"IAM shows {number} named {region} to {who}: check the region, or set spec.projectID, or "
                "IMAGECACHE_PROJECT_ID for the operator.",
            )
        )
    return ids[0]


async def find_account_id(
    http: httpx.AsyncClient, iam: str, sts: str | None, auth: httpx.Auth, *, who: str, within: float
) -> str | None:
    """The IAM domain id that an access key belongs to; None when neither IAM nor STS tells it.

    Raises:
        IamError: the key is not accepted, and another failure would only bring it nearer to its lock-out; or one of the
            two that may know did not answer.
    """
    sources = [(f"{iam}/v3/auth/domains", _only_domain)]
    if sts is not None:
        sources.append((f"{sts}/v5/caller-identity", _account_of_caller))
    unanswered: IamError | None = None
    for url, read in sources:
        try:
            request = http.build_request("GET", url, headers=_HEADERS)
            response = await _ask(http, request, auth, who=who, action="the account", within=within)
        except IamError as error:
            if error.trouble.kind is TroubleKind.CREDENTIALS_INVALID:
                raise
            unanswered = error if error.trouble.passing else unanswered
        else:
            if (found := read(_inner(response))) is not None:
                return found
    if unanswered is not None:
        raise unanswered
    return None


def _only_domain(answer: dict[str, Any]) -> str | None:
    domains = answer.get("domains")
    if not isinstance(domains, list) or len(domains) != 1 or not isinstance(domains[0], dict):
        return None
    return _text(domains[0].get("id"))


def _account_of_caller(answer: dict[str, Any]) -> str | None:
    return _text(answer.get("account_id"))


async def _ask(
    http: httpx.AsyncClient, request: httpx.Request, auth: httpx.Auth | None, *, who: str, action: str, within: float
) -> httpx.Response:
    """Send; anything but a success becomes IamError."""
    host = request.url.host
    try:
        async with asyncio.timeout(within):
            response = await fetch(http, request, auth)
    except TimeoutError:
        trouble = Trouble(TroubleKind.CLOUD_UNAVAILABLE, f"IAM ({host}) did not answer within {within:g} s.")
        raise IamError(trouble) from None
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
        reason = clip(str(error), 256) or type(error).__name__
        trouble = Trouble(TroubleKind.CLOUD_UNAVAILABLE, f"IAM ({host}) could not be reached: {reason}")
        raise IamError(trouble) from None
    if response.is_success:
        return response
    raise IamError(trouble_of(read_error(response), who=who, action=action, api="IAM API"))


def _unreadable(endpoint: str) -> NoReturn:
    raise IamError(
        Trouble(
            TroubleKind.ENDPOINT_INVALID,
            f"The answer from {endpoint} is not IAM's: check region, IMAGECACHE_IAM_ENDPOINT and proxies.",
        )
    )


def _inner(source: httpx.Response | dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """The object in a body, or under a name; an empty one where there is none."""
    found = read_json(source) if isinstance(source, httpx.Response) else source.get(name or "")
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return clip(value, 128) or None


def told_at(response: httpx.Response, now: datetime) -> datetime:
    """When an answer was given, by its own `Date`; `now` where it has none that can be read.

    What ends is measured against it: with our clock minutes behind, it would be used past its end.
    """
    moment = read_http_date(response.headers.get("Date"))
    # It has whole seconds, so up to one more may have passed.
    return now if moment is None else moment + timedelta(seconds=1)


def parse_time(value: object) -> datetime | None:
    """A moment as IAM and STS write it; None when it cannot be read."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment is not None else None
