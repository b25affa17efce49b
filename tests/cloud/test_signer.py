"""Signatures: the documented vectors, and whatever the official SDK's own signer computes."""

from __future__ import annotations

import hashlib
import importlib
import string
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cloud.kit import ID, NOW, PROJECT

from cce_simulator import signatures
from cce_simulator.testing import DEFAULT_KEY
from imagecache_operator.cloud.signer import authorization, canonical_request, format_date

HOST = "cce.cn-north-4.myhuaweicloud.com"
DATE = "20261123T000000Z"
HEADERS = {"content-type": "application/json", "host": HOST, "x-project-id": PROJECT, "x-sdk-date": DATE}

VECTORS = [
    pytest.param(
        "DELETE",
        f"/v5/imagecaches/{ID}",
        "",
        {},
        b"",
        "0755cff796c28849e1eb0249d3e6e144e3113b2c0d365f8ec6905c798905b1bb",
        "6410c3746c08860cb57b90547af53f1a0f78186ba8b87f44a40aaa0bd7311e64",
        id="DELETE of one cache",
    ),
    pytest.param(
        "GET",
        "/v5/imagecaches",
        "name=test-imagecache",
        {"x-security-token": "STOKEN"},
        b"",
        "40e5c814d8971ed0fbac06fc31d723ceec954551906ee50f619f61a8a1e11a57",
        "1c6759462a0a6ccd6bf16ccbdca260d7fe1af044c5205b47c49154154e320259",
        id="LIST by name with a temporary key",
    ),
    pytest.param(
        "POST",
        "/v5/imagecaches",
        "",
        {},
        b'{"name":"a"}',
        "6393a7927974e69166d70d011b1be9bd5ef90dd39abad24b590650245bde4986",
        "4dd179425f7e0645445749f3fc64076b277e47b3f05c35f2fa876b0e7180e07e",
        id="POST with a body",
    ),
]


def _sign(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> str:
    return authorization(
        access_key=DEFAULT_KEY.access_key,
        secret_key=DEFAULT_KEY.secret_key,
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=body,
    )


@pytest.mark.parametrize(("method", "path", "query", "extra", "body", "canonical_hash", "signature"), VECTORS)
def test_the_documented_vectors(
    method: str, path: str, query: str, extra: dict[str, str], body: bytes, canonical_hash: str, signature: str
) -> None:
    """The three documented requests give the documented hash of the canonical request and the signature."""
    headers = HEADERS | extra
    canonical = canonical_request(method, path, query, headers, body)
    assert hashlib.sha256(canonical.encode()).hexdigest() == canonical_hash
    assert _sign(method, path, query, headers, body) == (
        f"SDK-HMAC-SHA256 Access={DEFAULT_KEY.access_key}, SignedHeaders={';'.join(sorted(headers))}, "
        f"Signature={signature}"
    )


def test_a_date_is_written_as_the_cloud_wants_it() -> None:
    """X-Sdk-Date has no separators but the T, and is in UTC."""
    assert format_date(NOW.replace(hour=3, minute=4, second=5)) == "20261123T030405Z"


def test_headers_that_proxies_may_change_are_not_signed() -> None:
    """User-Agent, Accept and tracing headers take no part; those that matter do, whatever the case of their names."""
    odd = {"Content-TYPE": " application/json ", "HOST": HOST, "X-Project-ID": PROJECT, "X-Sdk-Date": DATE}
    plain = _sign("GET", "/v5/imagecaches", "", HEADERS, b"")
    assert _sign("GET", "/v5/imagecaches", "", odd | {"User-Agent": "x", "X-Request-Id": "1"}, b"") == plain


# --- generated requests


class _Case(SimpleNamespace):
    """One generated request."""

    method: str
    segments: list[str]
    pairs: list[tuple[str, str]]
    plus: bool
    body: bytes
    project: str | None
    token: str | None


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_NASTY = st.sampled_from(
    ["", " ", "+", "~", "a b", "a+b", "ä", "日本", "%", "%2F", "=", "&", "/", ":", "-", "🐳", "A", "_."]
)
_WORD = st.one_of(_NASTY, _TEXT)
_TOKEN = st.text(string.ascii_letters + string.digits + "+/=-_.", min_size=1, max_size=40)
_CASES = st.builds(
    _Case,
    method=st.sampled_from(["GET", "DELETE", "POST", "PUT"]),
    segments=st.lists(_WORD, min_size=1, max_size=4),
    pairs=st.lists(st.tuples(_WORD, _WORD), max_size=5),
    plus=st.booleans(),
    body=st.binary(max_size=40),
    project=st.one_of(st.none(), st.just(PROJECT)),
    token=st.one_of(st.none(), _TOKEN),
)


@dataclass(frozen=True)
class _Sdk:
    """The official signer and its request."""

    signer: Any
    request: Any


@pytest.fixture(scope="module")
def sdk() -> _Sdk:
    """Imported only now, when HOME is a temporary folder."""
    signer = importlib.import_module("huaweicloudsdkcore.signer.signer")
    request = importlib.import_module("huaweicloudsdkcore.sdk_request")
    key = SimpleNamespace(ak=DEFAULT_KEY.access_key, sk=DEFAULT_KEY.secret_key)
    return _Sdk(signer.Signer(key), request.SdkRequest)


def _headers(case: _Case) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Host": HOST, "X-Sdk-Date": DATE}
    if case.project is not None:
        headers["X-Project-Id"] = case.project
    if case.token is not None:
        headers["X-Security-Token"] = case.token
    return headers


def _wire(case: _Case) -> tuple[str, str]:
    """Path and query as they go out; a blank in the query may be a plus."""
    encode = quote_plus if case.plus else quote
    path = "/" + "/".join(quote(segment, safe="") for segment in case.segments)
    return path, "&".join(f"{encode(name, safe='')}={encode(value, safe='')}" for name, value in case.pairs)


@given(case=_CASES)
def test_the_official_signer_computes_the_same(sdk: _Sdk, case: _Case) -> None:
    """Any path, query, body, project and security token: character for character the official Authorization."""
    path, query = _wire(case)
    official = sdk.request(
        method=case.method,
        schema="https",
        host=HOST,
        resource_path=path,
        query_params=list(case.pairs),
        header_params=_headers(case),
        body=case.body,
    )
    sdk.signer.sign(official)
    assert _sign(case.method, path, query, _headers(case), case.body) == official.header_params["Authorization"]


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        pytest.param("b=2&a=1&b=1", [("a", "1"), ("b", "1"), ("b", "2")], id="repeated keys are sorted by value"),
        pytest.param("a=&b", [("a", ""), ("b", "")], id="a key alone has an empty value"),
        pytest.param("&&a=1&", [("a", "1")], id="stray ampersands are nothing"),
        pytest.param("a=x+y&c=x%2By", [("a", "x y"), ("c", "x+y")], id="a plus is a blank, an encoded plus a plus"),
        pytest.param("a%3A=1&a-=2", [("a-", "2"), ("a:", "1")], id="sorted by what is meant, not by how it is encoded"),
        pytest.param("a=b=c", [("a", "b=c")], id="only the first equals sign divides"),
    ],
)
def test_queries_as_they_are_on_the_wire(sdk: _Sdk, query: str, pairs: list[tuple[str, str]]) -> None:
    """However a query is written, it is signed as the official signer signs its meaning."""
    official = sdk.request(
        method="GET", schema="https", host=HOST, resource_path="/v5/imagecaches", query_params=pairs, header_params={}
    )
    line = canonical_request("GET", "/v5/imagecaches", query, HEADERS, b"").split("\n")[2]
    assert line == sdk.signer.process_canonical_query_string(official)


@given(case=_CASES)
def test_the_simulator_takes_what_we_sign(case: _Case) -> None:
    """The simulator's check, which shares no code with the signer, takes every request whose path has no odd slash."""
    case.segments = [segment.replace("/", "") for segment in case.segments]
    path, query = _wire(case)
    headers = {name.lower(): value for name, value in _headers(case).items()}
    read = signatures.read_authorization(_sign(case.method, path, query, headers, case.body))
    assert read is not None
    canonical = signatures.canonical_request(
        case.method, path, query, headers, read.signed_headers, hashlib.sha256(case.body).hexdigest()
    )
    assert signatures.sign(DEFAULT_KEY.secret_key, DATE, canonical) == read.signature
