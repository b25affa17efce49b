"""The ways to authenticate a request, as `httpx.Auth`: a signature, a token, a signature with a temporary key."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Generic, TypeVar

import httpx

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.credentials import AccessKey
from imagecache_operator.cloud.iam import TOKEN_LIFE_UNKNOWN, IamError, Token
from imagecache_operator.cloud.renewal import Renewed
from imagecache_operator.cloud.signer import DATE_HEADER, authorization, format_date
from imagecache_operator.cloud.temporary_keys import TemporaryKey
from imagecache_operator.observation import Trouble, TroubleKind

T = TypeVar("T")


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
        _sign(request, self._key, self._project_id, self._clock)
        yield request


def _sign(request: httpx.Request, key: AccessKey, project_id: str | None, clock: Clock) -> None:
    headers = request.headers
    headers[DATE_HEADER] = format_date(clock.now())
    headers["Host"] = request.url.netloc.decode("ascii")
    if project_id is not None:
        headers["X-Project-Id"] = project_id
    if key.security_token is not None:
        headers["X-Security-Token"] = key.security_token.get_secret_value()
    headers["Authorization"] = authorization(
        access_key=key.access_key,
        secret_key=key.secret_key.get_secret_value(),
        method=request.method,
        path=request.url.raw_path.partition(b"?")[0].decode("ascii"),
        query=request.url.query.decode("ascii"),
        headers=headers,
        body=request.content,
    )


class TokenEndedError(Exception):
    """The cloud does not take the token or key of a write any more; the next request goes out with a fresh one."""


class _RenewedAuth(httpx.Auth, Generic[T]):
    """Sends what is renewed before its end, and once when the cloud does not take it any more.

    A request that was answered with 401 was not carried out, so it may go out again. One that reads does so at once.
    A write does not, because the cloud limits writes and counts each (cce-api section 4.3): it ends with
    `TokenEndedError`, and whoever sends it again has to ask the limiter again.
    """

    def __init__(self, renewed: Renewed[T]) -> None:
        self._renewed = renewed

    @abstractmethod
    def _put(self, request: httpx.Request, value: T) -> None:
        """Authenticate the request with it."""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See `httpx.Auth`."""
        held = await self._renewed.current()
        self._put(request, held.value)
        response = yield request
        self._renewed.learn(held, response)
        if request.method != "GET":
            if self._renewed.write_may_go_again(held, response):
                raise TokenEndedError
            return
        if response.status_code != 401 or held.on_trial:
            return
        held = await self._renewed.current()
        self._put(request, held.value)
        self._renewed.learn(held, (yield request))

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:  # noqa: ARG002 (httpx calls it so)
        """Not offered: renewing takes a request of its own, and everything here is asynchronous."""
        raise RuntimeError(f"{type(self).__name__} works with httpx.AsyncClient only")


class TokenAuth(_RenewedAuth[Token]):
    """Sends a token.

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
        super().__init__(Renewed("tokens", issue, _life_of, clock, first=token))
        self._project_id = project_id

    def _put(self, request: httpx.Request, value: Token) -> None:
        request.headers["X-Auth-Token"] = value.value.get_secret_value()
        if self._project_id is not None:
            request.headers["X-Project-Id"] = self._project_id


def _life_of(token: Token) -> float:
    if token.expires_at is None:
        return TOKEN_LIFE_UNKNOWN
    return (token.expires_at - token.issued_at).total_seconds()


class TemporaryKeyAuth(_RenewedAuth[TemporaryKey]):
    """Signs each request with a temporary key.

    Args:
        keys: shared by all who use the same agency.
        name: whose keys they must be. What is seen under another identity proves nothing (docs/architecture.md), so
            keys of another one are not used here; `Sessions.version` then tells that a new session is due.
        project_id: sent as `X-Project-Id`; None for calls to IAM.
        clock: see `SignatureAuth`.
    """

    def __init__(self, keys: Renewed[TemporaryKey], name: str, project_id: str | None, clock: Clock) -> None:
        super().__init__(keys)
        self._name = name
        self._project_id = project_id
        self._clock = clock

    def _put(self, request: httpx.Request, value: TemporaryKey) -> None:
        if value.name != self._name:
            message = f"The operator's keys are now those of {value.name}, no longer of {self._name}: it looks anew."
            raise IamError(Trouble(TroubleKind.CLOUD_UNAVAILABLE, message, unsent=True))
        _sign(request, value.key, self._project_id, self._clock)
