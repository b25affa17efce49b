"""Requests signed with an access key: what stands in their headers, and that nothing shows the secret."""

from __future__ import annotations

import re

import httpx
import pytest
from pydantic import SecretStr
from tests.cloud.kit import KEY, NOW, PROJECT, TurnedClock

from cce_simulator import signatures
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.auth import SignatureAuth
from imagecache_operator.cloud.credentials import AccessKey

URL = "https://cce.cn-north-4.myhuaweicloud.com/v5/imagecaches"
TEMPORARY = AccessKey(KEY.access_key, KEY.secret_key, SecretStr("STOKEN/with+signs=="))


async def _sent(auth: httpx.Auth, url: str = URL, method: str = "GET", body: bytes = b"") -> httpx.Request:
    """The request as it would go out."""
    sent: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(take), auth=auth) as http:
        await http.request(method, url, content=body, headers={"Content-Type": "application/json"})
    assert len(sent) == 1
    return sent[0]


def _check(request: httpx.Request, clock: Clock) -> None:
    """Let the simulator judge the signature."""
    read = signatures.read_authorization(request.headers["Authorization"])
    assert read is not None
    assert read.access_key == KEY.access_key
    signatures.verify(
        read,
        KEY.secret_key.get_secret_value(),
        method=request.method,
        path=request.url.raw_path.decode().partition("?")[0],
        query=request.url.query.decode(),
        headers=request.headers,
        body=request.content,
        now=clock.now().timestamp(),
    )


async def test_the_headers_of_a_signed_request() -> None:
    """Date, project and signature are there; no token of either kind is."""
    headers = (await _sent(SignatureAuth(KEY, PROJECT, TurnedClock()))).headers
    assert headers["X-Sdk-Date"] == "20261123T000000Z"
    assert headers["X-Project-Id"] == PROJECT
    assert headers["Host"] == "cce.cn-north-4.myhuaweicloud.com"
    assert re.fullmatch(
        r"SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000, SignedHeaders=content-type;host;x-project-id;x-sdk-date, "
        r"Signature=[0-9a-f]{64}",
        headers["Authorization"],
    )
    assert "X-Security-Token" not in headers
    assert "X-Auth-Token" not in headers


async def test_calls_to_iam_name_no_project() -> None:
    """Without a project the header is left out, as the official SDK does for IAM."""
    headers = (await _sent(SignatureAuth(KEY, None, TurnedClock()))).headers
    assert "X-Project-Id" not in headers
    assert "x-project-id" not in headers["Authorization"]


async def test_a_temporary_key_brings_its_security_token() -> None:
    """The security token goes along, and is signed."""
    headers = (await _sent(SignatureAuth(TEMPORARY, PROJECT, TurnedClock()))).headers
    assert headers["X-Security-Token"] == "STOKEN/with+signs=="
    assert ";x-security-token," in headers["Authorization"]


@pytest.mark.parametrize(
    ("url", "method", "body"),
    [
        pytest.param(URL, "GET", b"", id="a list"),
        pytest.param(f"{URL}?name=a%20b&name=%2B", "GET", b"", id="a query with a blank, a plus and a key twice"),
        pytest.param(f"{URL}/a%20b%C3%A4", "DELETE", b"", id="a path with a blank and an umlaut"),
        pytest.param(URL, "POST", b'{"name":"\xc3\xa4"}', id="a body"),
        pytest.param("http://127.0.0.1:8123/v5/imagecaches", "GET", b"", id="a port of its own"),
        pytest.param("http://[::1]:8123/v5/imagecaches", "GET", b"", id="an IPv6 address"),
        pytest.param("https://cce.example.com:443/v5/imagecaches", "GET", b"", id="the default port, written"),
    ],
)
async def test_the_signature_fits_what_goes_out(url: str, method: str, body: bytes) -> None:
    """The gateway computes the signature from the bytes on the wire and finds it right."""
    clock = TurnedClock()
    _check(await _sent(SignatureAuth(KEY, PROJECT, clock), url, method, body), clock)


async def test_the_host_is_signed_with_its_port() -> None:
    """A port other than the default one belongs to the host that is sent and signed."""
    request = await _sent(SignatureAuth(KEY, PROJECT, TurnedClock()), "http://127.0.0.1:8123/v5/imagecaches")
    assert request.headers["Host"] == "127.0.0.1:8123"


async def test_each_request_is_dated_anew() -> None:
    """The date follows the injected clock, so a request after an hour is not signed with the old date."""
    clock = TurnedClock()
    auth = SignatureAuth(KEY, PROJECT, clock)
    first = await _sent(auth)
    clock.advance(3600)
    second = await _sent(auth)
    assert (first.headers["X-Sdk-Date"], second.headers["X-Sdk-Date"]) == ("20261123T000000Z", "20261123T010000Z")
    assert first.headers["Authorization"] != second.headers["Authorization"]
    _check(second, clock)


async def test_what_the_caller_put_there_does_not_stay() -> None:
    """A request that is sent again carries one date, one project and one signature: the new ones."""
    clock = TurnedClock(NOW)
    headers = {"X-Sdk-Date": "20010101T000000Z", "X-Project-Id": "other", "Authorization": "none"}
    request = httpx.Request("GET", URL, headers=headers)
    list(SignatureAuth(KEY, PROJECT, clock).auth_flow(request))
    assert request.headers.get_list("X-Sdk-Date") == ["20261123T000000Z"]
    assert request.headers.get_list("X-Project-Id") == [PROJECT]
    _check(request, clock)


async def test_no_secret_is_printed_or_sent() -> None:
    """Neither the secret key nor the security token is in any repr; the secret key is in no header either."""
    auth = SignatureAuth(TEMPORARY, PROJECT, TurnedClock())
    request = await _sent(auth)
    for text in (repr(auth), str(auth), repr(TEMPORARY), str(TEMPORARY), repr(request)):
        assert KEY.secret_key.get_secret_value() not in text
        assert "STOKEN" not in text
    assert all(KEY.secret_key.get_secret_value() not in value for value in request.headers.values())
