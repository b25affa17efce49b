"""The two ways to authenticate a request, as `httpx.Auth`: a signature with an access key, or a token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass

import httpx

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.credentials import AccessKey
from imagecache_operator.cloud.iam import TOKEN_LIFE_UNKNOWN, Token
from imagecache_operator.cloud.signer import DATE_HEADER, authorization, format_date

RENEW_AT = 0.8
"""The part of a token's life after which it is renewed: some five hours before a 24 h token ends."""


class SignatureAuth(httpx.Auth):
    """Signs each request with an access key.

    Args:
        key: access key, secret key, and a security token when the key is a temporary one.
        project_id: sent as `X-Project-Id`; None for calls to IAM.
        clock: its wall time goes into the signature; the cloud takes 15 minutes of difference.
    """

    requires_request_body = True

    def __init__(self, key: AccessKey, project_id: str | None, clock: Clock) -> None:
        self._key = key
        self._project_id = project_id
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See `httpx.Auth`."""
        headers = request.headers
        headers[DATE_HEADER] = format_date(self._clock.now())
        headers["Host"] = request.url.netloc.decode("ascii")
        if self._project_id is not None:
            headers["X-Project-Id"] = self._project_id
        if self._key.security_token is not None:
            headers["X-Security-Token"] = self._key.security_token.get_secret_value()
        headers["Authorization"] = authorization(
            access_key=self._key.access_key,
            secret_key=self._key.secret_key.get_secret_value(),
            method=request.method,
            path=request.url.raw_path.partition(b"?")[0].decode("ascii"),
            query=request.url.query.decode("ascii"),
            headers=headers,
            body=request.content,
        )
        yield request


class TokenEndedError(Exception):
    """The cloud does not take the token of a write any more; the next request goes out with a fresh one."""


@dataclass(slots=True, eq=False)
class _Held:
    """A token in use, until `renew_at` (monotonic seconds).

    `on_trial`: the one before it was refused, and the cloud has not taken this one yet. Should it be refused, too, then
    it is not the token that is bad but the user.
    """

    token: Token
    renew_at: float
    on_trial: bool


class TokenAuth(httpx.Auth):
    """Sends a token, which is renewed before its end, and once when the cloud does not take it any more.

    A request that was answered with 401 was not carried out, so it may go out again. One that reads does so at once.
    A write does not, because the cloud limits writes and counts each (cce-api section 4.3): it ends with
    `TokenEndedError`, and whoever sends it again has to ask the limiter again.

    Args:
        issue: asks IAM for a token; what it raises reaches the caller of the request.
        clock: monotonic time decides on the renewal, so a clock that jumps does not matter.
        token: the first token, when there is one already.
        project_id: sent as `X-Project-Id`.
    """

    def __init__(
        self,
        issue: Callable[[], Awaitable[Token]],
        clock: Clock,
        *,
        token: Token | None = None,
        project_id: str | None = None,
    ) -> None:
        self._issue = issue
        self._clock = clock
        self._lock = asyncio.Lock()
        self._project_id = project_id
        # A token was refused, and none was taken since.
        self._refused = False
        # The same of writes alone: that the cloud takes a fresh token for reading says nothing of writing.
        self._write_refused = False
        self._held = self._hold(token) if token is not None else None

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See `httpx.Auth`."""
        held = await self._current()
        self._put(request, held.token)
        response = yield request
        self._learn(held, response)
        if request.method != "GET":
            self._end_write(response, was_on_trial=held.on_trial)
            return
        if response.status_code != 401 or held.on_trial:
            return
        held = await self._current()
        self._put(request, held.token)
        self._learn(held, (yield request))

    def _end_write(self, response: httpx.Response, *, was_on_trial: bool) -> None:
        """Ask for one more attempt with a fresh token, and for no third one."""
        refused = response.status_code == 401
        first = refused and not self._write_refused and not was_on_trial
        if refused or response.is_success or response.status_code == 403:
            self._write_refused = refused
        if first:
            raise TokenEndedError

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:  # noqa: ARG002 (httpx calls it so)
        """Not offered: renewing a token takes a request of its own, and everything here is asynchronous."""
        raise RuntimeError("TokenAuth works with httpx.AsyncClient only")

    def _put(self, request: httpx.Request, token: Token) -> None:
        request.headers["X-Auth-Token"] = token.value.get_secret_value()
        if self._project_id is not None:
            request.headers["X-Project-Id"] = self._project_id

    async def _current(self) -> _Held:
        """A token that was not refused; many requests share one renewal."""
        async with self._lock:
            if self._held is None or self._clock.monotonic() >= self._held.renew_at:
                self._held = self._hold(await self._issue())
            return self._held

    def _hold(self, token: Token) -> _Held:
        life = TOKEN_LIFE_UNKNOWN
        if token.expires_at is not None:
            life = max((token.expires_at - token.issued_at).total_seconds(), 0.0)
        return _Held(token, self._clock.monotonic() + life * RENEW_AT, on_trial=self._refused)

    def _learn(self, held: _Held, response: httpx.Response) -> None:
        if held is not self._held:
            return  # a late answer to a former token says nothing of the one in use
        if response.status_code == 401:
            self._held, self._refused = None, True
        elif response.is_success or response.status_code == 403:
            self._refused = held.on_trial = False
