"""POST against the simulator: what every answer proves, what exactly is sent, and that it is sent once."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from tests.cloud.kit import ID, PROJECT, WHO, WRONG_KEY, Measured, SimulatorsClock, TurnedClock, cloud_client, no_meter
from tests.cloud.test_client_with_token import reached, token_auth

from cce_simulator.testing import RunningSimulator
from imagecache_operator.answers import CreateAnswer, Created, Lost, NotCreated, NotDone, Refusal
from imagecache_operator.cloud.auth import SignatureAuth
from imagecache_operator.cloud.client import CloudClient, TokenEnded
from imagecache_operator.cloud.credentials import AccessKey, CredentialsError
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.desired import Desired
from imagecache_operator.observation import TroubleKind

THROTTLED = TroubleKind.THROTTLED
UNAVAILABLE = TroubleKind.CLOUD_UNAVAILABLE
INVALID = TroubleKind.CREDENTIALS_INVALID
DENIED = TroubleKind.ACCESS_DENIED
ENDPOINT = TroubleKind.ENDPOINT_INVALID
REJECTED = TroubleKind.REQUEST_REJECTED

WANTED = Desired(
    name="web",
    images=("nginx", "swr.example.com/team/app:1"),
    size_gib=40,
    retention_days=7,
    cluster_id="c-1",
    pull_secrets=("team-a:registry", "shared:mirror"),
)
BODY = WANTED.to_body()
FULL = {"image_cache": {"id": ID, "name": "web", "status": "Creating"}}
KEY = AccessKey("AKAKAKAKAKAKAKAKAKAK", SecretStr("a-made-up-secret"))


class CloudInMemory:
    """A cloud with one answer; it keeps what was sent."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self._answer = answer
        self.requests: list[httpx.Request] = []
        clock = TurnedClock()
        self.client = CloudClient(
            httpx.AsyncClient(transport=httpx.MockTransport(self._handle)),
            "https://cce.example.com",
            SignatureAuth(KEY, PROJECT, clock),
            who=WHO,
            request_timeout=5.0,
            clock=clock,
            meter=no_meter,
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def create(self) -> CreateAnswer:
        """Send the POST; it must go out once."""
        answer = await self.client.create(BODY)
        assert len(self.requests) == 1
        return answer


def _answer(status: int, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content, headers={"X-Request-Id": "request-7"} | headers)


# --- what is sent


async def test_the_body_is_that_of_the_api() -> None:
    """Exactly the documented fields under their names, as JSON, to the path without a project."""
    cloud = CloudInMemory(_answer(201, FULL))
    await cloud.create()
    (request,) = cloud.requests
    assert (request.method, str(request.url)) == ("POST", "https://cce.example.com/v5/imagecaches")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Project-Id"] == PROJECT
    assert json.loads(request.content) == {
        "name": "web",
        "images": ["nginx", "swr.example.com/team/app:1"],
        "image_cache_size": 40,
        "retention_days": 7,
        "building_config": {"cluster": "c-1", "image_pull_secrets": ["team-a:registry", "shared:mirror"]},
    }


def test_without_pull_secrets_the_field_is_left_out() -> None:
    """An empty list might be read as one."""
    least = Desired("web", ("nginx",), 20, 0, "c-1", ())
    assert least.to_body()["building_config"] == {"cluster": "c-1"}


async def test_a_creation_makes_the_cache(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """The simulator takes the body, signs no error, and lists what was asked for under the id that was told."""
    client = cloud_client(http, cloud)
    answer = await client.create(BODY)
    assert isinstance(answer, Created)
    caches = await client.list()
    assert isinstance(caches, tuple)
    (cache,) = caches
    assert (cache.id, list(WANTED.differences(cache))) == (answer.cache_id, [])
    calls = cloud.control("GET", "calls")["calls"]
    assert (calls[0]["operation"], calls[0]["project"]) == ("CreateImageCache", PROJECT)
    assert answer.request_id == calls[0]["request_id"]


# --- successes

BODIES = [
    pytest.param(FULL, ID, id="full"),
    pytest.param({"image_cache": {"id": ID}}, ID, id="an id alone"),
    pytest.param({"image_cache": {"name": "web"}}, None, id="without an id"),
    pytest.param({"image_cache": {"id": ""}}, None, id="an empty id"),
    pytest.param({"image_cache": {"id": "../x"}}, None, id="an id that is none"),
    pytest.param({"image_cache": {"id": 7}}, None, id="a number for the id"),
    pytest.param({"image_cache": None}, None, id="null"),
    pytest.param({}, None, id="an empty object"),
    pytest.param([], None, id="an array"),
    pytest.param(b"", None, id="empty"),
    pytest.param(b"<html>Welcome</html>", None, id="HTML"),
    pytest.param(b'{"image_cache":{"id":"' + ID.encode(), None, id="cut off"),
    pytest.param(FULL | {"error_code": "CCE.01400001"}, None, id="with an error's code"),
    pytest.param({"kind": "Status", "status": "Failure"} | FULL, None, id="a Status"),
]


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(("body", "cache_id"), BODIES)
async def test_any_success_is_accepted(status: int, body: Any, cache_id: str | None) -> None:
    """Whatever the body: where it does not tell the id, the cache is looked up."""
    assert await CloudInMemory(_answer(status, body)).create() == Created(cache_id, "request-7")


@pytest.mark.parametrize("code", [200, 201, 202])
@pytest.mark.parametrize(("form", "told"), [("full", True), ("without_id", False), ("empty", False)])
async def test_the_switches_of_the_simulator(
    cloud: RunningSimulator, http: httpx.AsyncClient, code: int, form: str, told: bool
) -> None:
    """Each success code with each body; the cache is there in any case."""
    cloud.switch(create_code=code, create_body=form)
    client = cloud_client(http, cloud)
    answer = await client.create(BODY)
    assert isinstance(answer, Created)
    assert (answer.cache_id is not None) is told
    assert len(cloud.list().json["image_caches"]) == 1


# --- refusals


@pytest.mark.parametrize("code", [409, 400])
async def test_a_name_that_is_taken(cloud: RunningSimulator, http: httpx.AsyncClient, code: int) -> None:
    """Whatever the code for it, the words tell; no second cache is there."""
    cloud.seed("web")
    cloud.switch(duplicate_name=code)
    answer = await cloud_client(http, cloud).create(BODY)
    assert isinstance(answer, NotCreated)
    assert answer.why is Refusal.NAME_TAKEN
    assert str(code) in answer.message
    assert answer.request_id is not None
    assert len(cloud.list().json["image_caches"]) == 1


@pytest.mark.parametrize("code", [400, 403])
async def test_a_full_tenant(cloud: RunningSimulator, http: httpx.AsyncClient, code: int) -> None:
    """Neither the object's fault nor a missing permission."""
    cloud.set(quota=1)
    cloud.switch(quota_answer=code)
    cloud.seed("other")
    answer = await cloud_client(http, cloud).create(BODY)
    assert isinstance(answer, NotCreated)
    assert answer.why is Refusal.QUOTA
    assert "quota" in answer.message


REFUSED = [
    pytest.param(400, {"errorCode": "CCE.01400001", "errorMessage": "no such cluster"}, Refusal.OTHER, id="400"),
    pytest.param(
        400,
        {"errorCode": "CCE.01400001", "errorMessage": "image_cache_size exceeds the maximum of 400"},
        Refusal.OTHER,
        id="400 for a size that exceeds",
    ),
    pytest.param(400, {"errorCode": "CCE.01400007", "errorMessage": "full"}, Refusal.OTHER_QUOTA, id="another's code"),
    pytest.param(
        400, {"errorCode": "CCE.01400007", "errorMessage": "too many image caches"}, Refusal.QUOTA, id="its words"
    ),
    pytest.param(400, {"errorCode": "CCE.01400099", "errorMessage": "quota"}, Refusal.QUOTA, id="an unknown code"),
    pytest.param(
        400,
        {"errorCode": "CCE.01400010", "errorMessage": "Insufficient EVS volume quota in cluster c-1"},
        Refusal.OTHER_QUOTA,
        id="the quota of volumes",
    ),
    pytest.param(
        403,
        {"errorCode": "CCE.01403099", "errorMessage": "cannot build the image cache: ECS quota exceeded"},
        Refusal.OTHER_QUOTA,
        id="the quota of servers",
    ),
    pytest.param(
        403, {"errorCode": "CCE.01403001", "errorMessage": "limit exceeded"}, Refusal.QUOTA, id="403 for a limit"
    ),
    pytest.param(409, {"errorCode": "CCE.01409001", "errorMessage": "no"}, Refusal.NAME_TAKEN, id="409"),
    pytest.param(409, b"", Refusal.NAME_TAKEN, id="409 without a body"),
    pytest.param(422, {"error_code": "CCE.x", "error_msg": "odd"}, Refusal.OTHER, id="422"),
    pytest.param(423, {"error_code": "CCE.x", "error_msg": "locked"}, Refusal.OTHER, id="423"),
    pytest.param(404, {"errorCode": "CCE.01404001", "errorMessage": "no cluster"}, Refusal.OTHER, id="CCE's own 404"),
    pytest.param(404, b"", Refusal.OTHER, id="404 without a body"),
]


@pytest.mark.parametrize(("status", "body", "why"), REFUSED)
async def test_what_the_cloud_refuses(status: int, body: Any, why: Refusal) -> None:
    """A 4xx in CCE's own words: nothing was made, and why."""
    answer = await CloudInMemory(_answer(status, body)).create()
    assert isinstance(answer, NotCreated)
    assert (answer.why, answer.request_id) == (why, "request-7")


NOT_DONE = [
    pytest.param(403, {"errorCode": "CCE.01403001", "errorMessage": "Forbidden"}, DENIED, id="403"),
    pytest.param(403, {"error_code": "APIGW.0302", "error_msg": "quota"}, DENIED, id="403 of the gateway"),
    pytest.param(401, {"error_code": "APIGW.0301", "error_msg": "ak not exist"}, INVALID, id="401"),
    pytest.param(404, {"error_code": "APIGW.0101", "error_msg": "no api"}, ENDPOINT, id="404 of the gateway"),
    pytest.param(404, {"error_code": "APIG.0101", "error_msg": "no api"}, ENDPOINT, id="404 of the gateway, APIG"),
    pytest.param(404, b"<html></html>", ENDPOINT, id="404 of a proxy"),
    pytest.param(405, b"", ENDPOINT, id="405"),
    pytest.param(302, b"", ENDPOINT, id="a redirect"),
    pytest.param(413, b"", REJECTED, id="413"),
    pytest.param(429, {"error_code": "APIGW.0308", "error_msg": "exceeded ratelimit"}, THROTTLED, id="429"),
]


@pytest.mark.parametrize(("status", "body", "kind"), NOT_DONE)
async def test_what_never_reached_cce(status: int, body: Any, kind: TroubleKind) -> None:
    """Certainly not carried out, and who must act."""
    answer = await CloudInMemory(_answer(status, body)).create()
    assert isinstance(answer, NotDone)
    assert (answer.trouble.kind, answer.request_id) == (kind, "request-7")


async def test_a_denied_action_is_named(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Whoever grants permissions reads which one."""
    cloud.set(denied_actions=["cce:imageCache:create"])
    answer = await cloud_client(http, cloud).create(BODY)
    assert isinstance(answer, NotDone)
    assert answer.trouble.kind is DENIED
    assert "cce:imageCache:create" in answer.trouble.message


@pytest.mark.parametrize(("text", "wait"), [("56.818", 56.818), ("7", 7.0), ("soon", None), (None, None)], ids=str)
async def test_a_write_too_many(text: str | None, wait: float | None) -> None:
    """Retry-After may be a decimal; one that cannot be read is none."""
    headers = {} if text is None else {"Retry-After": text}
    answer = await CloudInMemory(_answer(429, {"error_code": "APIGW.0308"}, **headers)).create()
    assert isinstance(answer, NotDone)
    assert (answer.trouble.kind, answer.trouble.retry_after) == (THROTTLED, wait)


# --- nobody knows


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html></html>", {"errorCode": "CCE.01500001", "errorMessage": "quota"}])
async def test_what_may_have_been_carried_out(status: int, body: Any) -> None:
    """Whatever such an answer says of itself, a cache may have come of it."""
    answer = await CloudInMemory(_answer(status, body)).create()
    assert isinstance(answer, Lost)
    assert answer.request_id == "request-7"


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.WriteError("cut")]
)
async def test_a_post_that_was_cut_is_lost(error: Exception) -> None:
    """It had gone out."""
    assert isinstance(await CloudInMemory(error).create(), Lost)


async def test_a_connection_that_never_was() -> None:
    """Nothing has gone out, so nothing was made."""
    answer = await CloudInMemory(httpx.ConnectError("refused")).create()
    assert isinstance(answer, NotDone)
    assert answer.trouble.kind is UNAVAILABLE


@pytest.mark.parametrize(("kind", "made"), [("lost_answer", 1), ("hang", 0), ("refused", 0), ("truncated", 1)])
async def test_lost_on_the_wire(cloud: RunningSimulator, http: httpx.AsyncClient, kind: str, made: int) -> None:
    """The answer is the same whether a cache came of it or not, and the POST is sent once."""
    cloud.fault(kind, operation="CreateImageCache")
    measured = Measured()
    client = cloud_client(http, cloud, request_timeout=0.5, meter=measured)
    answer = await client.create(BODY)
    assert isinstance(answer, Lost if kind != "truncated" else Lost | Created)
    assert not (isinstance(answer, Created) and answer.cache_id)
    assert [operation for operation, _, _ in measured.calls] == [Operation.CREATE]
    assert len(cloud.list().json["image_caches"]) == made


async def test_nobody_listens(http: httpx.AsyncClient, cloud: RunningSimulator) -> None:
    """A port that nobody has opened: certainly not carried out."""
    answer = await cloud_client(http, cloud, endpoint="http://127.0.0.1:9").create(BODY)
    assert isinstance(answer, NotDone)
    assert answer.trouble.kind is UNAVAILABLE


async def test_a_kept_connection_that_the_cloud_cuts(http: httpx.AsyncClient, cloud: RunningSimulator) -> None:
    """No library below sends the POST a second time."""
    client = cloud_client(http, cloud)
    await client.list()
    cloud.fault("lost_answer", operation="CreateImageCache", times=1)
    assert isinstance(await client.create(BODY), Lost)
    posts = [call for call in cloud.control("GET", "calls")["calls"] if call["operation"] == "CreateImageCache"]
    assert len(posts) == 1


# --- credentials


async def test_a_wrong_key(http: httpx.AsyncClient, cloud: RunningSimulator) -> None:
    """401 once; no secret is in what is told."""
    auth = SignatureAuth(WRONG_KEY, PROJECT, SimulatorsClock(cloud))
    answer = await cloud_client(http, cloud, auth=auth).create(BODY)
    assert isinstance(answer, NotDone)
    assert answer.trouble.kind is INVALID
    assert WRONG_KEY.secret_key.get_secret_value() not in repr(answer)
    assert reached(cloud) == [("CreateImageCache", 401)]


async def test_credentials_that_cannot_be_read(http: httpx.AsyncClient, cloud: RunningSimulator) -> None:
    """Nothing goes out."""

    class Unreadable(httpx.Auth):
        async def async_auth_flow(self, request: httpx.Request) -> Any:
            raise CredentialsError("the Secret is gone")
            yield request

    answer = await cloud_client(http, cloud, auth=Unreadable()).create(BODY)
    assert isinstance(answer, NotDone)
    assert answer.trouble.kind is INVALID
    assert reached(cloud) == []


async def test_a_token_that_has_ended(http: httpx.AsyncClient, cloud: RunningSimulator) -> None:
    """One write per call: the next brings one fresh token with it, and makes the only cache."""
    client = cloud_client(http, cloud, auth=token_auth(http, cloud))
    await client.list()
    cloud.set(revoke_tokens=True)
    ended = await client.create(BODY)
    assert isinstance(ended, TokenEnded)
    assert ended.trouble.kind is UNAVAILABLE
    assert "POST" in ended.trouble.message
    assert reached(cloud)[2:] == [("CreateImageCache", 401)]
    assert isinstance(await client.create(BODY), Created)
    assert reached(cloud)[3:] == [("CreateToken", 201), ("CreateImageCache", 201)]


async def test_no_secret_is_shown() -> None:
    """Neither by what is wanted, nor by an answer, nor by the client."""
    cloud = CloudInMemory(_answer(401, {"error_code": "APIGW.0301", "error_msg": "no"}))
    shown = f"{await cloud.create()!r} {WANTED!r} {cloud.client!r} {KEY!r}"
    assert "a-made-up-secret" not in shown
