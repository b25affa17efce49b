"""Requests with a token: renewed in time, once after a 401, once for all who wait."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr
from tests.cloud.kit import PROJECT, TurnedClock

from imagecache_operator.cloud.auth import TokenAuth, TokenEndedError
from imagecache_operator.cloud.iam import IamError, Token
from imagecache_operator.cloud.renewal import PAUSE_FIRST
from imagecache_operator.observation import Trouble, TroubleKind

URL = "https://cce.cn-north-4.myhuaweicloud.com/v5/imagecaches"
DAY = 24 * 3600.0
IAM_DOWN = IamError(Trouble(TroubleKind.CLOUD_UNAVAILABLE, "IAM could not be reached."))


class Iam:
    """Issues token-1, token-2 and so on; holds them back while `open` is not set."""

    def __init__(self, clock: TurnedClock, life: float | None = DAY) -> None:
        self.clock = clock
        self.life = life
        self.issued = 0
        self.failure: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def issue(self) -> Token:
        """A token from now on."""
        self.issued += 1
        number = self.issued
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return self.token(f"token-{number}")

    def token(self, value: str) -> Token:
        """A token of that value."""
        now = self.clock.now()
        return Token(SecretStr(value), now, self._end(now), PROJECT, "account-1")

    def _end(self, now: datetime) -> datetime | None:
        return None if self.life is None else now + timedelta(seconds=self.life)


class Gateway:
    """Remembers the tokens that came, and answers 401 to those that it does not take, or not for writes."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.bad: set[str] = set()
        self.no_writes = False
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.MockTransport`."""
        token = request.headers["X-Auth-Token"]
        self.seen.append(token)
        self.requests.append(request)
        refused = token in self.bad or (self.no_writes and request.method != "GET")
        return httpx.Response(401 if refused else 200, json={"error_code": "APIGW.0307"})


async def _get(auth: httpx.Auth, gateway: Gateway) -> int:
    return await _send("GET", auth, gateway)


async def _send(method: str, auth: httpx.Auth, gateway: Gateway) -> int:
    async with httpx.AsyncClient(transport=httpx.MockTransport(gateway.answer)) as http:
        return (await http.request(method, URL, auth=auth)).status_code


@pytest.fixture
def gateway() -> Gateway:
    """A gateway that takes every token."""
    return Gateway()


@pytest.fixture
async def iam(clock: TurnedClock) -> Iam:
    """An IAM that gives tokens of 24 h."""
    return Iam(clock)


async def test_the_headers_of_a_request_with_a_token(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """Token and project are there, nothing of signatures is."""
    await _get(TokenAuth(iam.issue, clock, project_id=PROJECT), gateway)
    headers = gateway.requests[0].headers
    assert (headers["X-Auth-Token"], headers["X-Project-Id"]) == ("token-1", PROJECT)
    assert "Authorization" not in headers
    assert "X-Sdk-Date" not in headers


async def test_the_token_at_hand_is_used_first(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """Who has a token already does not ask for another one."""
    await _get(TokenAuth(iam.issue, clock, token=iam.token("first")), gateway)
    assert (gateway.seen, iam.issued) == (["first"], 0)
    assert "X-Project-Id" not in gateway.requests[0].headers


@pytest.mark.parametrize(
    ("life", "renewed_at"),
    [
        pytest.param(DAY, 0.8 * DAY, id="a day: five hours before its end"),
        pytest.param(900.0, 720.0, id="a quarter of an hour: three minutes before its end"),
        pytest.param(None, 2880.0, id="an end that is not told: taken for an hour"),
    ],
)
async def test_a_token_is_renewed_before_its_end(
    clock: TurnedClock, gateway: Gateway, life: float | None, renewed_at: float
) -> None:
    """After four fifths of its life the next request brings a new token; a moment before it does not."""
    iam = Iam(clock, life)
    auth = TokenAuth(iam.issue, clock)
    await _get(auth, gateway)
    clock.advance(renewed_at - 0.1)
    await _get(auth, gateway)
    clock.advance(0.1)
    await _get(auth, gateway)
    assert gateway.seen == ["token-1", "token-1", "token-2"]


async def test_a_refused_token_is_renewed_once(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """A 401 brings one new token and sends the request once more; the caller sees the good answer."""
    gateway.bad = {"token-1"}
    auth = TokenAuth(iam.issue, clock, project_id=PROJECT)
    assert await _get(auth, gateway) == 200
    assert gateway.seen == ["token-1", "token-2"]
    assert gateway.requests[1].headers.get_list("X-Auth-Token") == ["token-2"]
    assert await _get(auth, gateway) == 200
    assert iam.issued == 2


async def test_a_second_401_reaches_the_caller(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """When the fresh token is refused, too, nothing is sent a third time."""
    gateway.bad = {"token-1", "token-2", "token-3"}
    assert await _get(TokenAuth(iam.issue, clock), gateway) == 401
    assert (gateway.seen, iam.issued) == (["token-1", "token-2"], 2)


@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_a_write_is_not_sent_again(iam: Iam, clock: TurnedClock, gateway: Gateway, method: str) -> None:
    """It was one write that the cloud counts; the next request, whatever it is, brings the one new token."""
    gateway.bad = {"old"}
    auth = TokenAuth(iam.issue, clock, token=iam.token("old"))
    with pytest.raises(TokenEndedError):
        await _send(method, auth, gateway)
    assert (gateway.seen, iam.issued) == (["old"], 0)
    assert [await _send(method, auth, gateway), await _get(auth, gateway)] == [200, 200]
    assert (gateway.seen, iam.issued) == (["old", "token-1", "token-1"], 1)


async def test_a_fresh_token_that_a_write_brought_may_end_as_well(
    iam: Iam, clock: TurnedClock, gateway: Gateway
) -> None:
    """The write that the cloud took it with proves it, so its end is another mere end."""
    auth = TokenAuth(iam.issue, clock, token=iam.token("old"))
    for ended in ("old", "token-1"):
        gateway.bad.add(ended)
        with pytest.raises(TokenEndedError):
            await _send("DELETE", auth, gateway)
        assert await _send("DELETE", auth, gateway) == 200
    assert gateway.seen == ["old", "token-1", "token-1", "token-2"]


async def test_a_fresh_token_that_reads_but_does_not_write_is_tried_once(
    iam: Iam, clock: TurnedClock, gateway: Gateway
) -> None:
    """However often reading goes well in between: the second 401 to a write reaches the caller, until one is taken."""
    auth = TokenAuth(iam.issue, clock, token=iam.token("old"))
    gateway.no_writes = True
    with pytest.raises(TokenEndedError):
        await _send("DELETE", auth, gateway)
    for _ in range(3):
        assert await _get(auth, gateway) == 200
        assert await _send("DELETE", auth, gateway) == 401
    gateway.no_writes = False
    assert await _send("DELETE", auth, gateway) == 200
    gateway.no_writes = True
    with pytest.raises(TokenEndedError):
        await _send("DELETE", auth, gateway)


@pytest.mark.parametrize("method", ["DELETE", "GET"])
async def test_after_a_second_401_each_request_has_one_token(
    iam: Iam, clock: TurnedClock, gateway: Gateway, method: str
) -> None:
    """A fresh token that was refused is not sent again, and none that follows it is renewed within the request."""
    gateway.bad = {f"token-{number}" for number in range(9)}
    auth = TokenAuth(iam.issue, clock)
    assert await _get(auth, gateway) == 401
    assert [await _send(method, auth, gateway) for _ in range(2)] == [401, 401]
    assert gateway.seen == ["token-1", "token-2", "token-3", "token-4"]


async def test_a_fresh_token_that_was_taken_may_end_as_well(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """Each token that the cloud took is renewed once when it does not take it any more."""
    auth = TokenAuth(iam.issue, clock)
    for number in range(1, 4):
        gateway.bad.add(f"token-{number}")
        assert await _get(auth, gateway) == 200
    assert gateway.seen == ["token-1", "token-2", "token-2", "token-3", "token-3", "token-4"]


@pytest.mark.parametrize(
    ("status", "taken"),
    [(200, True), (202, True), (403, True), (302, False), (404, False), (429, False), (500, False), (503, False)],
)
async def test_what_shows_that_a_fresh_token_was_taken(iam: Iam, clock: TurnedClock, status: int, taken: bool) -> None:
    """Success, and a denial to somebody who is known; a gateway may say the rest before it looks at the token."""
    answers = iter([401, status, 401, 200])

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(next(answers))

    auth = TokenAuth(iam.issue, clock)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        replies = [(await http.get(URL, auth=auth)).status_code for _ in range(2)]
    assert replies == [status, 200 if taken else 401]


@pytest.mark.parametrize("status", [403, 404, 429, 500])
async def test_other_refusals_renew_nothing(iam: Iam, clock: TurnedClock, status: int) -> None:
    """Only a 401 says that the token is bad; any other answer goes to the caller as it is, after one request."""
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["X-Auth-Token"])
        return httpx.Response(status)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        response = await http.get(URL, auth=TokenAuth(iam.issue, clock))
    assert (response.status_code, sent, iam.issued) == (status, ["token-1"], 1)


async def test_many_requests_share_the_first_token(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """20 requests at once cause one token, not 20, and all of them get it."""
    auth = TokenAuth(iam.issue, clock)
    iam.open.clear()
    waiting = [asyncio.create_task(_get(auth, gateway)) for _ in range(20)]
    for _ in range(50):
        await asyncio.sleep(0)
    iam.open.set()
    assert await asyncio.gather(*waiting) == [200] * 20
    assert (iam.issued, gateway.seen) == (1, ["token-1"] * 20)


async def test_many_refused_requests_share_one_renewal(iam: Iam, clock: TurnedClock) -> None:
    """20 requests in flight with the same refused token cause one new token, and each is sent again once."""
    auth = TokenAuth(iam.issue, clock, token=iam.token("old"))
    seen: list[str] = []
    all_here = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["X-Auth-Token"])
        if len(seen) == 20:
            all_here.set()
        await all_here.wait()
        return httpx.Response(401 if request.headers["X-Auth-Token"] == "old" else 200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        replies = await asyncio.gather(*(http.get(URL, auth=auth) for _ in range(20)))
    assert [reply.status_code for reply in replies] == [200] * 20
    assert (seen, iam.issued) == (["old"] * 20 + ["token-1"] * 20, 1)


async def test_a_late_401_does_not_throw_a_newer_token_away(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """Who learns of the refusal after another one has renewed takes the renewed token."""
    auth = TokenAuth(iam.issue, clock, token=iam.token("old"))
    gateway.bad = {"old"}
    late = auth.async_auth_flow(httpx.Request("GET", URL))
    request = await anext(late)
    assert request.headers["X-Auth-Token"] == "old"
    assert await _get(auth, gateway) == 200
    again = await late.asend(httpx.Response(401))
    assert again.headers["X-Auth-Token"] == "token-1"
    assert iam.issued == 1
    await late.aclose()


@pytest.mark.parametrize("at", ["the first token", "the renewal in time", "the renewal after a 401"])
async def test_failures_of_iam_reach_the_caller(iam: Iam, clock: TurnedClock, gateway: Gateway, at: str) -> None:
    """Whoever needs a token that IAM does not give gets IAM's error; after a pause IAM is asked again."""
    auth = TokenAuth(iam.issue, clock, token=None if at == "the first token" else iam.token("old"))
    gateway.bad = {"old"} if at == "the renewal after a 401" else set()
    clock.advance(DAY if at == "the renewal in time" else 0.0)
    iam.failure = IAM_DOWN
    with pytest.raises(IamError) as caught:
        await _get(auth, gateway)
    assert caught.value.trouble.kind is TroubleKind.CLOUD_UNAVAILABLE
    assert gateway.seen == (["old"] if at == "the renewal after a 401" else [])
    iam.failure = None
    clock.advance(PAUSE_FIRST)
    assert await _get(auth, gateway) == 200


async def test_while_iam_is_down_the_old_token_serves(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """A renewal that fails in time costs no request anything; only when the token has ended does IAM's error show."""
    auth = TokenAuth(iam.issue, clock, token=iam.token("old"))
    iam.failure = IAM_DOWN
    clock.advance(0.9 * DAY)
    assert await _get(auth, gateway) == 200
    clock.advance(0.1 * DAY)
    with pytest.raises(IamError):
        await _get(auth, gateway)
    assert gateway.seen == ["old"]


async def test_a_wall_clock_that_jumps_changes_nothing(iam: Iam, gateway: Gateway) -> None:
    """Only monotonic time decides on the renewal."""

    class Jumping(TurnedClock):
        def now(self) -> datetime:
            return super().now() + timedelta(days=400)

    auth = TokenAuth(iam.issue, Jumping(), token=iam.token("first"))
    await _get(auth, gateway)
    assert gateway.seen == ["first"]


def test_it_is_for_asynchronous_clients_only(clock: TurnedClock) -> None:
    """A synchronous client gets an error instead of a request without a token."""

    async def never() -> Token:
        raise AssertionError

    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as http,
        pytest.raises(RuntimeError, match=r"httpx\.AsyncClient only"),
    ):
        http.get(URL, auth=TokenAuth(never, clock))


async def test_no_token_is_printed(iam: Iam, clock: TurnedClock, gateway: Gateway) -> None:
    """The token is in no repr: not the value's, not that of the class that holds it, not the request's."""
    token = iam.token("very-secret")
    auth = TokenAuth(iam.issue, clock, token=token, project_id=PROJECT)
    await _get(auth, gateway)
    assert gateway.seen == ["very-secret"]
    for text in (repr(token), str(token), repr(auth), str(auth), repr(gateway.requests[0])):
        assert "very-secret" not in text
