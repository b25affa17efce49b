"""Endpoints that a Secret of a user's namespace names: https to allowed hosts, and never the operator's machine."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from tests.cloud.kit import BY_KEY, HERE, Source, no_meter, no_session
from tests.runtime.virtual_time import LoopClock

from imagecache_operator.cloud.endpoints import EndpointNotAllowedError, Endpoints
from imagecache_operator.cloud.hosts import EndpointError
from imagecache_operator.cloud.session import Sessions
from imagecache_operator.observation import TroubleKind

OURS = Endpoints(region="cn-north-4", cce_template="http://127.0.0.1:8443", allowed=("*.example.com", "one.test"))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://cce.example.com", id="http"),
        pytest.param("https://127.0.0.1:8443", id="the operator's machine, though its own endpoint is there"),
        pytest.param("https://[::1]", id="the same in IPv6"),
        pytest.param("https://localhost", id="by its name"),
        pytest.param("https://evil.test", id="a host that nobody allowed"),
        pytest.param("https://example.com.evil.test", id="one that looks like an allowed one"),
        pytest.param("https://one.test.{region}.evil.test", id="a region in a host that nobody allowed"),
        pytest.param("https://two.test", id="another host"),
    ],
)
@pytest.mark.parametrize("which", ["cce", "iam"])
def test_what_a_secret_may_not_name(url: str, which: str) -> None:
    """Neither as the endpoint of CCE nor as that of IAM."""
    named = {"cce": None, "iam": None} | {which: url}
    with pytest.raises(EndpointNotAllowedError, match="in the Secret"):
        OURS.named_by_secret(region="cn-north-4", **named)


@pytest.mark.parametrize("url", ["no url at all?", "https://user@cce.example.com", "https://{region}.com"])
def test_what_is_no_endpoint(url: str) -> None:
    """By its form."""
    with pytest.raises(EndpointError):
        OURS.named_by_secret(region=None, cce=url, iam=None)


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://cce.example.com", "https://cce.example.com"),
        ("https://cce.{region}.example.com", "https://cce.cn-north-4.example.com"),
        ("https://one.test:8443", "https://one.test:8443"),
    ],
)
def test_what_it_may_name_is_used(url: str, leads: str) -> None:
    """And what it leaves open is the operator's."""
    endpoints = OURS.named_by_secret(region="cn-north-4", cce=url, iam=None)
    assert endpoints.cce("cn-north-4") == leads
    assert OURS.named_by_secret(region=None, cce=None, iam=None) == OURS


@pytest.mark.parametrize(("trusted", "kind"), [(False, TroubleKind.NOT_ALLOWED), (True, None)])
async def test_no_request_leaves_for_it(trusted: bool, kind: TroubleKind | None) -> None:
    """The object shows NotAllowed; in the administrator's own directory the same endpoint is taken."""
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(500)

    credentials = replace(BY_KEY, cce_endpoint="https://evil.test", iam_endpoint="https://evil.test")
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        sessions = Sessions(
            http, OURS, Source(credentials), trusted=trusted, request_timeout=5.0, clock=LoopClock(), meter=no_meter
        )
        if kind is None:
            await sessions.open(HERE)
            assert "evil.test" in hosts
        else:
            trouble = await no_session(sessions)
            assert (trouble.kind, hosts) == (kind, [])
