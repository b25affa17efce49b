"""Which hosts see our credentials: host patterns, http, and what leaves whatever a tenant writes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from tests.cloud.kit import EVIL_REGIONS, KEY, PROJECT, Source, TurnedClock, no_meter

from imagecache_operator.cloud.credentials import AccessKey, Credentials
from imagecache_operator.cloud.endpoints import Endpoints
from imagecache_operator.cloud.hosts import (
    EndpointError,
    check_host_pattern,
    host_allowed,
    host_pattern,
    is_loopback,
    require_allowed,
)
from imagecache_operator.cloud.session import Session, Sessions
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.placement import Placement

# --- host patterns

COVERS: list[Any] = [
    pytest.param("cce.example.com", "cce.example.com", True, id="the very host"),
    pytest.param("cce.example.com", "x.cce.example.com", False, id="below a plain host"),
    pytest.param("*.example.com", "a.example.com", True, id="one label below"),
    pytest.param("*.example.com", "a.b.example.com", True, id="two labels below"),
    pytest.param("*.example.com", "example.com", False, id="the domain itself"),
    pytest.param("*.example.com", "evilexample.com", False, id="a name that ends alike"),
    pytest.param("*.example.com", "example.com.evil.net", False, id="the domain in front of another"),
    pytest.param("*.example.com", "a.exampleXcom", False, id="the dots are dots"),
    pytest.param("cce.*.example.com", "cce.cn-north-4.example.com", True, id="a region"),
    pytest.param("cce.*.example.com", "cce.a.b.example.com", False, id="two labels for a region"),
    pytest.param("cce.*.example.com", "cce..example.com", False, id="nothing for a region"),
    pytest.param("cce-*.example.com", "cce-x.example.com", True, id="a part of a label"),
    pytest.param("10.1.2.3", "10.1.2.3", True, id="an address"),
    pytest.param("10.1.2.3", "10.1.2.33", False, id="another address"),
]


@pytest.mark.parametrize(("pattern", "host", "covered"), COVERS)
def test_which_hosts_a_pattern_covers(pattern: str, host: str, covered: bool) -> None:
    """A leading `*.` covers any depth below a domain, another `*` one label or a part of it, all else only itself."""
    assert host_allowed(host, ["unrelated.net", pattern]) is covered


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("https://cce.{region}.example.com/x", "cce.*.example.com"),
        ("https://{region}.example.com", "*.example.com"),
        ("https://Example.com:8443/{region}", "example.com"),
        ("http://[::1]:80", "::1"),
    ],
)
def test_the_pattern_of_a_template(template: str, pattern: str) -> None:
    """A template allows the hosts that it leads to."""
    assert host_pattern(template) == pattern


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (" CCE.Example.com ", "cce.example.com"),
        ("*.example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("10.1.2.3", "10.1.2.3"),
        ("[FD00::1]", "fd00::1"),
    ],
)
def test_hosts_that_may_be_allowed(text: str, pattern: str) -> None:
    """A name, an address, or everything below a domain."""
    assert check_host_pattern(text) == pattern


@pytest.mark.parametrize(
    "text", ["", "*", "*.*", "*.com", "a.*.com", "*example.com", "https://example.com", "example.com:443", "a/b", "a b"]
)
def test_hosts_that_may_not_be_allowed(text: str) -> None:
    """A star that lets a whole top level or everything through is refused, and so is what is no host."""
    with pytest.raises(EndpointError, match="must be a comma list of hosts"):
        check_host_pattern(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.io", False),
    ],
)
def test_what_is_this_machine(host: str, loopback: bool) -> None:
    """Loopback is told by the exact name or the address, never by how a name begins or ends."""
    assert is_loopback(host) is loopback


# --- http


@pytest.mark.parametrize(
    ("url", "allow_http", "allowed"),
    [
        pytest.param("https://cce.example.com", False, True, id="https"),
        pytest.param("http://cce.example.com", False, False, id="http to another machine"),
        pytest.param("http://cce.example.com", True, True, id="http to another machine, allowed by a setting"),
        pytest.param("http://127.0.0.1:8080", False, True, id="http to this machine"),
        pytest.param("http://[::1]:8080", False, True, id="http to this machine by IPv6"),
        pytest.param("http://localhost", False, True, id="http to this machine by name"),
        pytest.param("http://169.254.169.254", False, False, id="http to the metadata service"),
        pytest.param("https://evil.example", True, False, id="a host that nobody named"),
        pytest.param("http://127.0.0.2", False, False, id="an address of this machine that nobody named"),
    ],
)
def test_http_and_unnamed_hosts(url: str, allow_http: bool, allowed: bool) -> None:
    """Http only to this machine or by a setting, and no host that no pattern covers."""
    patterns = ["cce.example.com", "127.0.0.1", "::1", "localhost", "169.254.169.254"]
    if allowed:
        assert require_allowed(url, patterns, allow_http) == url
        return
    with pytest.raises(EndpointError, match=r"is http, which would show|is not among those"):
        require_allowed(url, patterns, allow_http)


@pytest.mark.parametrize("service", ["cce", "iam"])
def test_a_directory_of_the_operator_is_trusted_like_its_settings(service: str) -> None:
    """Its endpoints are allowed by themselves, also on this machine, and http elsewhere still takes the setting."""

    def endpoint(url: str) -> str:
        named: dict[str, str | None] = {"cce": None, "iam": None} | {service: url}
        found = Endpoints(region="cn-north-4", allowed=()).overridden(region=None, **named)
        return found.cce("cn-north-4") if service == "cce" else found.iam("cn-north-4")

    for url in ("https://private.example", "http://127.0.0.1:8080"):
        assert endpoint(url) == url
    with pytest.raises(EndpointError, match="is http, which would show"):
        endpoint("http://private.example")


# --- what leaves


_TENANTS = [*EVIL_REGIONS, "cn-north-4", "eu-west-101", "evil", "a" * 63]


async def _hosts_reached(endpoints: Endpoints, region: str, token: str | None) -> tuple[set[str], Session | Trouble]:
    """Open a session and use it, over a network that answers anything and redirects nowhere."""
    seen: set[str] = set()

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"]
        seen.add(request.url.host)
        return httpx.Response(302, headers={"Location": "https://evil.example/steal"})

    key = AccessKey(KEY.access_key, KEY.secret_key, None if token is None else SecretStr(token))
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), trust_env=False) as http:
        sessions = Sessions(
            http, endpoints, Source(Credentials(key)), request_timeout=5.0, clock=TurnedClock(), meter=no_meter
        )
        opened = await sessions.open(Placement(region, PROJECT))
        if isinstance(opened, Session):
            await opened.client.list()
            await opened.client.get("../../evil")
            await opened.client.delete("https://evil.example/")
    return seen, opened


@pytest.mark.parametrize("region", _TENANTS)
async def test_no_request_of_ours_leaves_for_another_host(region: str) -> None:
    """Whatever a tenant writes as a region, and wherever the cloud redirects: only allowed hosts see our signature."""
    endpoints = Endpoints(
        cce_template="https://cce.{region}.private.example", iam_template="https://iam.private.example"
    )
    for place in (Endpoints(), endpoints):
        seen, opened = await _hosts_reached(place, region, "STOKEN")
        assert all(host_allowed(host, place.hosts()) for host in seen)
        assert "evil.example" not in seen
        if isinstance(opened, Trouble):
            assert (opened.kind, seen) == (TroubleKind.ENDPOINT_INVALID, set())
        else:
            assert any(region in host for host in seen)


async def test_a_forbidden_endpoint_is_not_asked_at_all() -> None:
    """When one address of a place is forbidden, none of the others is asked, and the sentence names the host."""
    seen, opened = await _hosts_reached(Endpoints(allowed=("*.private.example",)), "cn-north-4", None)
    assert isinstance(opened, Trouble)
    assert opened.kind is TroubleKind.ENDPOINT_INVALID
    assert "cce.cn-north-4.myhuaweicloud.com" in opened.message
    assert seen == set()


async def test_sts_is_left_out_where_it_is_forbidden() -> None:
    """STS only helps to tell the account: where its host is not allowed, the session opens without asking it."""
    private = Endpoints(
        cce_template="https://cce.{region}.private.example", iam_template="https://iam.private.example", allowed=()
    )
    seen, opened = await _hosts_reached(private, "north", None)
    assert isinstance(opened, Session)
    assert opened.identity.account_id is None
    assert seen == {"cce.north.private.example", "iam.private.example"}
