"""Temporary keys of the operator's own pod: by CCE pod identity, or of a trust agency by OIDC (cce-api section 7).

Whichever way: a token file that the kubelet replaces goes in, and an access key with a security token and an end comes
out. The file is read again at each renewal, because the token in it ends, too.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, assert_never

import aiohttp
import httpx
from pydantic import SecretStr

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.credentials import AccessKey, OidcAgency, PodIdentity
from imagecache_operator.cloud.credentials_keys import (
    check_access_key,
    check_secret_key,
    check_security_token,
    check_token,
)
from imagecache_operator.cloud.files import read_small_file, stamp_of, why_unreadable
from imagecache_operator.cloud.iam import IamError, parse_time, told_at
from imagecache_operator.cloud.renewal import Renewed
from imagecache_operator.cloud.responses import clip, is_error, read_error, read_json
from imagecache_operator.cloud.transport import fetch
from imagecache_operator.observation import Trouble, TroubleKind

LIFE_UNKNOWN = 900.0
"""Seconds for which a key is taken to live when its answer does not say; no key lives shorter."""

EARLY_MAX = 0.2
"""A renewal comes up to this part of a life earlier, at random: operators that began together do not stay together."""

RENEWAL_TIMEOUT_MAX = 10.0
"""Seconds for one renewal, at most."""

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """A key that ends after `life` seconds. `name` says whose it is, the same for each that follows it."""

    key: AccessKey
    name: str
    life: float


@dataclass(frozen=True, slots=True)
class _Question:
    """One request for keys, and the words for what may go wrong with it."""

    request: httpx.Request
    token: str = field(repr=False)
    whom: str
    setting: str
    remedy: str


def temporary_keys(
    http: httpx.AsyncClient,
    source: PodIdentity | OidcAgency,
    sts: str,
    clock: Clock,
    *,
    request_timeout: float,
) -> Renewed[TemporaryKey]:
    """The keys of the operator's pod, to be shared by all who use them.

    Args:
        http: see `transport.open_client`: no redirects, no proxies.
        source: where they come from.
        sts: base URL of STS, already found allowed; for the trust agency only.
        clock: monotonic time measures how long a key still lives; wall time counts where its answer has no `Date`.
        request_timeout: seconds.
    """
    within = min(request_timeout, RENEWAL_TIMEOUT_MAX)
    match source:
        case PodIdentity():
            fetch_key = partial(_of_pod, http, source, clock, within)
        case OidcAgency():
            fetch_key = partial(_of_agency, http, source, sts, clock, within)
        case _:
            assert_never(source)
    return Renewed(
        "temporary keys",
        fetch_key,
        lambda key: key.life,
        clock,
        early=lambda: random.uniform(0.0, EARLY_MAX),  # noqa: S311 (jitter)
        watch=lambda: stamp_of(source.token_file),
    )


async def _of_pod(http: httpx.AsyncClient, pod: PodIdentity, clock: Clock, within: float) -> TemporaryKey:
    token = _read_token(pod)
    # The token stands there as it is in the file, without a word before it.
    request = http.build_request("POST", pod.uri, headers=_HEADERS | {"Authorization": token}, json={})
    question = _Question(
        request,
        token,
        whom=f"The pod identity endpoint {pod.uri}",
        setting=pod.uri_setting,
        remedy="check in CCE that an agency is bound to the namespace and service account of the operator, and that "
        f"the token in {pod.token_file} is current",
    )
    answer, moment = await _ask(http, question, within, clock)
    found = _inner(answer, "credentials")
    name = f"pod-identity/{clip(answer.get('podIdentityAssociationId'), 128) or _subject(answer)}"
    names = ("accessKeyId", "secretAccessKey", "securityToken")
    return TemporaryKey(_key_in(found, names, question), name, _life_in(found, moment))


async def _of_agency(
    http: httpx.AsyncClient, agency: OidcAgency, sts: str, clock: Clock, within: float
) -> TemporaryKey:
    token = _read_token(agency)
    body: dict[str, Any] = {
        "provider_urn": agency.provider_urn,
        "agency_urn": agency.agency_urn,
        "agency_session_name": agency.session_name,
        "id_token": token,
        "duration_seconds": agency.duration,
    }
    body |= {"policy": agency.policy} if agency.policy else {}
    body |= {"policy_ids": list(agency.policy_ids)} if agency.policy_ids else {}
    question = _Question(
        http.build_request("POST", f"{sts}/v5/agencies/assume-with-oidc", headers=_HEADERS, json=body),
        token,
        whom=f"STS ({sts})",
        setting="region and IMAGECACHE_STS_ENDPOINT",
        remedy=f"check that the agency {agency.agency_urn} exists and trusts {agency.provider_urn} and the operator's "
        f"service account, that it allows {agency.duration} s, and that the token in {agency.token_file} is current "
        "and has the audience that the provider asks for",
    )
    answer, moment = await _ask(http, question, within, clock)
    found = _inner(answer, "credentials")
    names = ("access_key_id", "secret_access_key", "security_token")
    life = min(_life_in(found, moment), float(agency.duration))
    return TemporaryKey(_key_in(found, names, question), agency.agency_urn, life)


def _read_token(source: PodIdentity | OidcAgency) -> str:
    """The token as it is now. Raises IamError."""
    try:
        return check_token(read_small_file(source.token_file))
    except OSError as error:
        reason = why_unreadable(error)
    except ValueError as error:
        reason = str(error) or why_unreadable(error)
    message = (
        f"The token file {source.token_file} cannot be used ({reason}): mount the token of the operator's service "
        f"account there, or correct {source.token_file_setting}."
    )
    raise IamError(Trouble(TroubleKind.CREDENTIALS_INVALID, message, unsent=True))


async def _ask(
    http: httpx.AsyncClient, question: _Question, within: float, clock: Clock
) -> tuple[Mapping[str, Any], datetime]:
    """The JSON object of a good answer, and when it was given; anything else becomes IamError."""
    whom = question.whom
    try:
        async with asyncio.timeout(within):
            response = await fetch(http, question.request, None)
    except TimeoutError:
        raise _trouble(TroubleKind.CLOUD_UNAVAILABLE, f"{whom} did not answer within {within:g} s.") from None
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
        reason = clip(str(error), 256) or type(error).__name__
        raise _trouble(TroubleKind.CLOUD_UNAVAILABLE, f"{whom} could not be reached: {reason}") from None
    # Whoever answers has the token, and might say it.
    error_words = str(read_error(_without(question.token, response)))
    match response.status_code:
        case 408 | 425 | 429:
            raise _trouble(TroubleKind.CLOUD_UNAVAILABLE, f"{whom} is busy ({error_words}).")
        case status if status >= 500:
            raise _trouble(TroubleKind.CLOUD_UNAVAILABLE, f"{whom} has trouble of its own ({error_words}).")
        case status if 300 <= status < 400:
            message = f"{whom} redirects elsewhere, which is not followed: check {question.setting}."
            raise _trouble(TroubleKind.ENDPOINT_INVALID, message)
        case status if status >= 400:
            message = f"{whom} gives no keys ({error_words}): {question.remedy}."
            raise _trouble(TroubleKind.CREDENTIALS_INVALID, message)
    answer = read_json(response)
    if not isinstance(answer, dict) or is_error(answer):
        raise _unreadable(question)
    return answer, told_at(response, clock.now())


def _without(token: str, response: httpx.Response) -> httpx.Response:
    """Taken out before anything is cut to its length: a part of a token would not be found any more."""
    content = response.content.replace(token.encode(), b"...")
    told = {name: value for name in ("Date", "X-Request-Id") if (value := response.headers.get(name))}
    return httpx.Response(response.status_code, headers=told, content=content, request=response.request)


def _key_in(found: Mapping[str, Any], names: tuple[str, str, str], question: _Question) -> AccessKey:
    access_key, secret_key, token = (found.get(name) for name in names)
    if not (isinstance(access_key, str) and isinstance(secret_key, str) and isinstance(token, str)):
        raise _unreadable(question)
    try:
        return AccessKey(
            check_access_key(access_key),
            SecretStr(check_secret_key(secret_key)),
            SecretStr(check_security_token(token)),
        )
    except ValueError:
        raise _unreadable(question) from None


def _life_in(found: Mapping[str, Any], moment: datetime) -> float:
    end = parse_time(found.get("expiration"))
    return LIFE_UNKNOWN if end is None else (end - moment).total_seconds()


def _subject(answer: Mapping[str, Any]) -> str:
    """Namespace and service account; for an answer that does not name the association."""
    subject = _inner(answer, "subject")
    return f"{clip(subject.get('namespace'), 63)}/{clip(subject.get('serviceAccount'), 63)}"


def _inner(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = answer.get(name)
    return found if isinstance(found, dict) else {}


def _unreadable(question: _Question) -> IamError:
    message = f"The answer of {question.whom} has no keys in it: check {question.setting}."
    return _trouble(TroubleKind.ENDPOINT_INVALID, message)


def _trouble(kind: TroubleKind, message: str) -> IamError:
    return IamError(Trouble(kind, message, unsent=True))
