"""Who may come in with AK/SK: the signature, the clock window, the lock-out, the project."""

from __future__ import annotations

import calendar
import dataclasses
import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from cce_simulator import signatures
from cce_simulator.scenario import AccessKeySeed
from cce_simulator.testing import DEFAULT_KEY, DEFAULT_PROJECT, ManualClock, Reply, RunningSimulator, running

HOST = "cce.cn-north-4.myhuaweicloud.com"
DATE = "20261123T000000Z"
WRONG_SECRET = dataclasses.replace(DEFAULT_KEY, secret_key="SKWRONG")
OTHER_ACCOUNT = {
    "domain_id": "d2",
    "domain_name": "other-domain",
    "access_keys": [{"access_key": "AKOTHER", "secret_key": "SKOTHER"}],
    "projects": [{"id": "p-other", "name": "cn-north-4"}],
}
TWO_PROJECTS = {
    "domain_id": "d1",
    "domain_name": "example-domain",
    "access_keys": [{"access_key": DEFAULT_KEY.access_key, "secret_key": DEFAULT_KEY.secret_key}],
    "projects": [{"id": "p-first", "name": "cn-north-4"}, {"id": "p-second", "name": "cn-north-4_sub"}],
}


def _list(cloud: RunningSimulator, **how: Any) -> Reply:
    return cloud.signed("GET", "/v5/imagecaches", **how)


def _refusal(reply: Reply) -> str:
    """The sentence of a 401 of the gateway."""
    assert reply.status == 401
    assert reply.json["error_code"] == "APIGW.0301"
    assert len(reply.json["request_id"]) == 32
    return str(reply.json["error_msg"]).removeprefix("Incorrect IAM authentication information: ")


@pytest.mark.parametrize(
    ("method", "path", "query", "extra", "body", "canonical_hash", "signature"),
    [
        (
            "DELETE",
            "/v5/imagecaches/c271e39e-1a6e-4d3d-8fa8-2a36329c68d2",
            "",
            {},
            b"",
            "0755cff796c28849e1eb0249d3e6e144e3113b2c0d365f8ec6905c798905b1bb",
            "6410c3746c08860cb57b90547af53f1a0f78186ba8b87f44a40aaa0bd7311e64",
        ),
        (
            "GET",
            "/v5/imagecaches",
            "name=test-imagecache",
            {"x-security-token": "STOKEN"},
            b"",
            "40e5c814d8971ed0fbac06fc31d723ceec954551906ee50f619f61a8a1e11a57",
            "1c6759462a0a6ccd6bf16ccbdca260d7fe1af044c5205b47c49154154e320259",
        ),
        (
            "POST",
            "/v5/imagecaches",
            "",
            {},
            b'{"name":"a"}',
            "6393a7927974e69166d70d011b1be9bd5ef90dd39abad24b590650245bde4986",
            "4dd179425f7e0645445749f3fc64076b277e47b3f05c35f2fa876b0e7180e07e",
        ),
    ],
)
def test_the_vectors_of_the_fact_sheet(
    method: str, path: str, query: str, extra: dict[str, str], body: bytes, canonical_hash: str, signature: str
) -> None:
    """The three documented requests give the documented hashes and pass; one changed byte of the body does not."""
    headers = {
        "content-type": "application/json",
        "host": HOST,
        "x-project-id": DEFAULT_PROJECT.id,
        "x-sdk-date": DATE,
    } | extra
    names = tuple(sorted(headers))
    content = hashlib.sha256(body).hexdigest()
    canonical = signatures.canonical_request(method, path, query, headers, names, content)
    assert hashlib.sha256(canonical.encode()).hexdigest() == canonical_hash
    text = f"SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000, SignedHeaders={';'.join(names)}, Signature={signature}"
    authorization = signatures.read_authorization(text)
    assert authorization is not None
    now = calendar.timegm(time.strptime(DATE, "%Y%m%dT%H%M%SZ"))
    request: dict[str, Any] = {"method": method, "path": path, "query": query, "headers": headers, "now": now}
    signatures.verify(authorization, DEFAULT_KEY.secret_key, body=body, **request)
    with pytest.raises(signatures.SignatureError, match="verify aksk signature fail"):
        signatures.verify(authorization, DEFAULT_KEY.secret_key, body=body + b" ", **request)


@pytest.mark.parametrize("seconds", [-900, 0, 900])
def test_inside_the_clock_window(cloud: RunningSimulator, seconds: float) -> None:
    """A date up to 15 minutes off is taken."""
    cloud.clock.advance(-cloud.clock.wall() % 1)
    assert _list(cloud, skew=seconds).status == 200


@pytest.mark.parametrize("seconds", [-901, 901])
def test_outside_the_clock_window(cloud: RunningSimulator, seconds: float) -> None:
    """One second more is refused, though the signature is right."""
    cloud.clock.advance(-cloud.clock.wall() % 1)
    assert _refusal(_list(cloud, skew=seconds)) == "x-sdk-date is too far from the time of the gateway"


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({}, "x-auth-token not found"),
        ({"Authorization": "Basic abc"}, "Authorization format error"),
        ({"Authorization": "SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000"}, "Authorization format error"),
    ],
)
def test_no_signature_at_all(cloud: RunningSimulator, headers: dict[str, str], sentence: str) -> None:
    """Without credentials, or with others than these, nobody comes in."""
    assert _refusal(cloud.send("GET", "/v5/imagecaches", headers=headers)) == sentence


@pytest.mark.parametrize(
    ("signed", "headers", "sentence"),
    [
        ("host;x-sdk-date", {}, "x-sdk-date is missing or malformed"),
        ("host;x-sdk-date", {"X-Sdk-Date": "20269999T000000Z"}, "verify aksk signature fail"),
        ("host", {"X-Sdk-Date": DATE}, "x-sdk-date is not signed"),
        ("x-other;x-sdk-date", {"X-Sdk-Date": DATE}, "signed header x-other is missing"),
    ],
)
def test_a_signature_with_missing_parts(
    cloud: RunningSimulator, signed: str, headers: dict[str, str], sentence: str
) -> None:
    """The date must be there, must be signed, and whatever is said to be signed must be there."""
    value = f"SDK-HMAC-SHA256 Access={DEFAULT_KEY.access_key}, SignedHeaders={signed}, Signature={'0' * 64}"
    reply = cloud.send("GET", "/v5/imagecaches", headers=headers | {"Authorization": value})
    assert _refusal(reply) == sentence


def test_a_changed_request_is_refused(cloud: RunningSimulator) -> None:
    """A wrong secret, an unknown key and a disabled key are all refused."""
    assert _refusal(_list(cloud, key=WRONG_SECRET)) == "verify aksk signature fail"
    assert _refusal(_list(cloud, key=AccessKeySeed(access_key="AKNO", secret_key="x"))) == "ak AKNO not exist"
    cloud.set(access_keys={DEFAULT_KEY.access_key: {"enabled": False}})
    assert _refusal(_list(cloud)) == f"ak {DEFAULT_KEY.access_key} not exist"


def test_a_temporary_key_needs_its_security_token(cloud: RunningSimulator) -> None:
    """Right secret, but no or another security token: refused; with the token: taken."""
    cloud.set(access_keys={DEFAULT_KEY.access_key: {"security_token": "STOKEN"}})
    for token in (None, "OTHER"):
        key = dataclasses.replace(DEFAULT_KEY, security_token=token)
        assert _refusal(_list(cloud, key=key)) == "the security token is missing or wrong"
    assert _list(cloud, key=dataclasses.replace(DEFAULT_KEY, security_token="STOKEN")).status == 200


def test_five_failures_are_borne(cloud: RunningSimulator) -> None:
    """After five failures in a row the right signature is still good, and the row begins anew."""
    for _ in range(2):
        for _ in range(5):
            assert _refusal(_list(cloud, key=WRONG_SECRET)) == "verify aksk signature fail"
        assert _list(cloud).status == 200


def test_more_than_five_failures_lock_the_key(cloud: RunningSimulator) -> None:
    """The sixth failure locks the key for everybody for 300 s; what comes meanwhile does not make it longer."""
    for _ in range(6):
        assert _refusal(_list(cloud, key=WRONG_SECRET)) == "verify aksk signature fail"
    assert _refusal(_list(cloud)) == "AK access failed to reach the limit,forbidden"
    state = cloud.control("GET", "state")["access_keys"][DEFAULT_KEY.access_key]
    assert (state["locked"], state["locked_for_seconds"], state["times_locked"]) == (True, 300.0, 1)
    cloud.clock.advance(299.9)
    assert _refusal(_list(cloud)) == "AK access failed to reach the limit,forbidden"
    cloud.clock.advance(0.1)
    assert _list(cloud).status == 200
    assert cloud.control("GET", "state")["access_keys"][DEFAULT_KEY.access_key]["locked"] is False


def test_a_lock_follows_the_time_scale_and_can_be_lifted(cloud: RunningSimulator) -> None:
    """With a scale of 60 the lock lasts 5 s; `unlock` ends it at once; `lockout: false` lets nothing lock."""
    cloud.set(timing={"time_scale": 60})
    for unlock in (False, True):
        for _ in range(6):
            _list(cloud, key=WRONG_SECRET)
        assert _list(cloud).status == 401
        cloud.set(access_keys={DEFAULT_KEY.access_key: {"unlock": unlock}})
        cloud.clock.advance(0 if unlock else 5)
        assert _list(cloud).status == 200
    cloud.set(lockout=False)
    for _ in range(7):
        _list(cloud, key=WRONG_SECRET)
    assert _list(cloud).status == 200


def test_caches_of_another_account_are_out_of_reach(start: Callable[[dict[str, Any]], RunningSimulator]) -> None:
    """A live cache is a CCE 404 to another account, and its project may not be named by that account."""
    cloud = start({"accounts": [TWO_PROJECTS, OTHER_ACCOUNT], "caches": [{"name": "a", "id": "id-a"}]})
    other = AccessKeySeed(access_key="AKOTHER", secret_key="SKOTHER")
    assert cloud.show("id-a").status == 200
    for method in ("GET", "DELETE"):
        reply = cloud.signed(method, "/v5/imagecaches/id-a", key=other)
        assert (reply.status, reply.json["errorCode"]) == (404, "CCE.01404001")
    refused = _list(cloud, key=other, project="p-first")
    assert (refused.status, refused.json["error_code"]) == (403, "APIGW.0310")


def test_the_project_header_chooses_among_own_projects(start: Callable[[dict[str, Any]], RunningSimulator]) -> None:
    """Without the header it is the first project; with it, the named one; caches do not show in the other."""
    cloud = start({"accounts": [TWO_PROJECTS], "caches": [{"name": "a", "project": "p-second"}]})
    assert _list(cloud).json == {"image_caches": []}
    assert [cache["name"] for cache in _list(cloud, project="p-second").json["image_caches"]] == ["a"]
    assert _list(cloud, project="p-nobody").json["error_code"] == "APIGW.0310"


@pytest.mark.parametrize(
    ("action", "method", "path"),
    [
        ("cce:imageCache:list", "GET", "/v5/imagecaches"),
        ("cce:imageCache:get", "GET", "/v5/imagecaches/x"),
        ("cce:imageCache:delete", "DELETE", "/v5/imagecaches/x"),
        ("cce:imageCache:create", "POST", "/v5/imagecaches"),
    ],
)
def test_a_denied_action(cloud: RunningSimulator, action: str, method: str, path: str) -> None:
    """Each action can be denied to a key or to all; the 403 names it; the other calls go on."""
    of_the_key = {"access_keys": {DEFAULT_KEY.access_key: {"denied_actions": [action]}}}
    for denial in (of_the_key, {"denied_actions": [action]}):
        cloud.set(**denial)
        reply = cloud.signed(method, path)
        assert (reply.status, reply.json["errorCode"]) == (403, "CCE.01403001")
        assert action in reply.json["errorMessage"]
        other = cloud.list() if method != "GET" or path.endswith("/x") else cloud.show("x")
        assert other.status in {200, 404}
        cloud.set(access_keys={DEFAULT_KEY.access_key: {"denied_actions": []}}, denied_actions=[])


def test_a_long_body_and_odd_bytes(cloud: RunningSimulator) -> None:
    """Over 12 MiB is the gateway's 413; header bytes that are no UTF-8 are a wrong signature, not a crash."""
    too_long = cloud.send("POST", "/v5/imagecaches", b"x" * (12 * 1024 * 1024 + 1))
    assert (too_long.status, too_long.json["error_code"]) == (413, "APIGW.0201")
    signed = "x-odd;x-sdk-date"
    value = f"SDK-HMAC-SHA256 Access={DEFAULT_KEY.access_key}, SignedHeaders={signed}, Signature={'0' * 64}"
    headers = {"Authorization": value, "X-Sdk-Date": DATE, "X-Odd": "\xff\xfe"}
    assert _refusal(cloud.send("GET", "/v5/imagecaches", headers=headers)) == "verify aksk signature fail"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v5/imagecaches", b"", 401, id="a refusal"),
        pytest.param("/v1/credentials", b"{}", 401, id="a refusal of keys"),
        pytest.param("/nowhere", b"", 404, id="no such path"),
        pytest.param("/v5/imagecaches", b" " * (13 * 2**20), 413, id="a body that is too large"),
    ],
)
def test_each_answer_tells_the_time_that_signatures_are_judged_by(path: str, body: bytes, status: int) -> None:
    """The clock of the simulator, and not that of the machine."""
    with running(clock=ManualClock(wall=1_000_000_000.9)) as cloud:
        cloud.clock.advance(60)
        reply = cloud.send("POST" if body else "GET", path, body)
    assert (reply.status, reply.headers["Date"]) == (status, "Sun, 09 Sep 2001 01:47:40 GMT")
