"""The two ways to authenticate a request, as `httpx.Auth`: a signature with an access key, or a token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

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


class TokenAuth(httpx.Auth):
    """Sends a token, which is renewed before its end, and once when the cloud does not take it any more.

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
        self._token: Token | None = None
        self._renew_at = float("-inf")
        self._lock = asyncio.Lock()
        self._project_id = project_id
        if token is not None:
            self._keep(token)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See `httpx.Auth`. A request that was answered with 401 was not carried out, so it may go out again."""
        token = await self._current()
        self._put(request, token)
        response = yield request
        if response.status_code == 401:
            self._put(request, await self._current(refused=token))
            yield request

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:  # noqa: ARG002 (httpx calls it so)
        """Not offered: renewing a token takes a request of its own, and everything here is asynchronous."""
        raise RuntimeError("TokenAuth works with httpx.AsyncClient only")

    def _put(self, request: httpx.Request, token: Token) -> None:
        request.headers["X-Auth-Token"] = token.value.get_secret_value()
        if self._project_id is not None:
            request.headers["X-Project-Id"] = self._project_id

    async def _current(self, refused: Token | None = None) -> Token:
        """A token that is not the refused one; many requests share one renewal."""
        async with self._lock:
            token = self._token
            if token is None or token is refused or self._clock.monotonic() >= self._renew_at:
                token = await self._issue()
                self._keep(token)
            return token

    def _keep(self, token: Token) -> None:
        life = TOKEN_LIFE_UNKNOWN
        if token.expires_at is not None:
            life = max((token.expires_at - token.issued_at).total_seconds(), 0.0)
        self._token, self._renew_at = token, self._clock.monotonic() + life * RENEW_AT
