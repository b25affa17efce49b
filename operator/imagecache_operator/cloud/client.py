"""The image cache calls of CCE as four verbs. No retries here: what comes next is decided elsewhere.

None of the verbs raises for anything that the cloud or the network does. A DELETE MUST be sent once at most per call;
the others go out a second time when their token had ended.
Facts: cce-api sections 1, 3 and 4.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import aiohttp
import httpx

from imagecache_operator.answers import (
    Accepted,
    CreateAnswer,
    Created,
    DeleteAnswer,
    Gone,
    Lost,
    NotCreated,
    NotDone,
    Refusal,
    Refused,
)
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.auth import TokenEndedError
from imagecache_operator.cloud.credentials import CredentialsError
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.cloud.iam import IamError
from imagecache_operator.cloud.responses import (
    clip,
    is_error,
    read_created_id,
    read_error,
    read_json,
    read_list,
    read_one,
    refusal_of,
    request_id,
    retry_after,
    trouble_of,
)
from imagecache_operator.cloud.transport import certainly_not_sent, fetch
from imagecache_operator.observation import Cache, Trouble, TroubleKind

PATH = "/v5/imagecaches"

Meter = Callable[[Operation, str, float], None]
"""Told of each request: operation, HTTP status or what came instead, seconds."""


@dataclass(frozen=True, slots=True)
class NotThere:
    """The cloud's own 404 to a GET."""


@dataclass(frozen=True, slots=True)
class TokenEnded(NotDone):
    """401 to a token that has ended: not carried out, but a write that the cloud has seen. Goes again with a fresh one.

    No trouble of the credentials: that is only what is wrong with the fresh token, too.
    """


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    """No usable answer; `sent` unless the request certainly never left."""

    trouble: Trouble
    sent: bool


class _Departure(httpx.Auth):
    """The client's auth, for one request: notes when that goes out. Before, a token may have to be fetched for long."""

    def __init__(self, auth: httpx.Auth) -> None:
        self._auth = auth
        self.gone = False

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See `httpx.Auth`."""
        async with aclosing(self._auth.async_auth_flow(request)) as flow:
            try:
                ready = await anext(flow)
                while True:
                    self.gone = True
                    ready = await flow.asend((yield ready))
            except StopAsyncIteration:
                return


class CloudClient:
    """Calls one endpoint with one set of credentials.

    Args:
        http: see `transport.open_client`.
        endpoint: base URL without a trailing slash, already found allowed.
        auth: signs each request.
        who: how to name the credentials to a person; never a secret.
        request_timeout: seconds for one request as a whole.
        clock: where time comes from.
        meter: told of each request.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        endpoint: str,
        auth: httpx.Auth,
        *,
        who: str,
        request_timeout: float,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._http = http
        self._endpoint = endpoint
        self._auth = auth
        self._who = who
        self._timeout = request_timeout
        self._clock = clock
        self._meter = meter

    async def list(self) -> tuple[Cache, ...] | Trouble:
        """All caches of the location; there is no paging (cce-api section 1.2)."""
        response = await self._call(Operation.LIST, "GET", PATH)
        if isinstance(response, _NoAnswer):
            return response.trouble
        if response.status_code != 200:
            return self._trouble(Operation.LIST, response)
        caches = read_list(response)
        return self._unreadable(response) if caches is None else caches

    async def get(self, cache_id: str) -> Cache | NotThere | Trouble:
        """One cache; `NotThere` only for the cloud's own 404 (cce-api section 3)."""
        response = await self._call(Operation.GET, "GET", f"{PATH}/{quote(cache_id, safe='')}")
        if isinstance(response, _NoAnswer):
            return response.trouble
        if response.status_code == 404 and read_error(response).own_404:
            return NotThere()
        if response.status_code != 200:
            return self._trouble(Operation.GET, response)
        cache = read_one(response, cache_id)
        return self._unreadable(response) if cache is None else cache

    async def delete(self, cache_id: str) -> DeleteAnswer:
        """Ask for the deletion of one cache; what the answer proves is in its type."""
        response = await self._write(Operation.DELETE, "DELETE", f"{PATH}/{quote(cache_id, safe='')}")
        if not isinstance(response, httpx.Response):
            return response
        request = request_id(response)
        if response.status_code in {202, 204}:
            return Accepted(self._clock.now(), request)
        if response.is_success:
            body = read_json(response)
            if not isinstance(body, dict) or is_error(body):
                return Lost("The answer is not CCE's.", request)
            return Accepted(self._clock.now(), request)
        error = read_error(response)
        match response.status_code:
            case 404 if error.own_404:
                return Gone(str(error), request)
            case 400 | 409 | 423:
                return Refused(str(error), request)
            case 408 | 425:
                return Lost(str(error), request)
            case status if status >= 500:
                return Lost(str(error), request)
            case _:
                return NotDone(self._trouble(Operation.DELETE, response), request)

    async def create(self, body: Mapping[str, Any]) -> CreateAnswer:
        """Ask for a cache. Any 2xx counts as accepted, whatever the body (cce-api section 1)."""
        response = await self._write(Operation.CREATE, "POST", PATH, body)
        if not isinstance(response, httpx.Response):
            return response
        request = request_id(response)
        if response.is_success:
            return Created(read_created_id(response), request)
        error = read_error(response)
        match response.status_code:
            case status if status >= 500 or status in {408, 425}:
                return Lost(str(error), request)
            case 400 | 403 | 409 | 422 if refusal_of(error) is not Refusal.OTHER:
                return NotCreated(refusal_of(error), str(error), request)
            case 400 | 409 | 422 | 423:
                return NotCreated(Refusal.OTHER, str(error), request)
            case 404 if error.own_404:
                return NotCreated(Refusal.OTHER, str(error), request)
            case _:
                return NotDone(self._trouble(Operation.CREATE, response), request)

    async def _write(
        self, operation: Operation, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx.Response | Lost | NotDone:
        """The response to a write; or what its lack proves: that it may have been carried out, or was not."""
        try:
            response = await self._call(operation, method, path, body)
        except TokenEndedError:
            message = f"The cloud does not take the token or key any more. The {method} goes again with a fresh one."
            return TokenEnded(Trouble(TroubleKind.CLOUD_UNAVAILABLE, message))
        if isinstance(response, _NoAnswer):
            return Lost(response.trouble.message) if response.sent else NotDone(response.trouble)
        return response

    def _trouble(self, operation: Operation, response: httpx.Response) -> Trouble:
        trouble = trouble_of(read_error(response), who=self._who, action=operation.value)
        wait = retry_after(response, self._clock.now())
        return trouble if wait is None else replace(trouble, retry_after=wait)

    def _unreadable(self, response: httpx.Response) -> Trouble:
        """A 200 that is not what it should be: cut off on the way, or not CCE at all."""
        if response.content.lstrip()[:1] in {b"{", b"["}:
            kind, message = TroubleKind.CLOUD_UNAVAILABLE, "The cloud's answer could not be read: it is not complete."
        else:
            kind = TroubleKind.ENDPOINT_INVALID
            message = "The answer is not CCE's (no JSON): check region, endpoint and proxies."
        return Trouble(kind, message, request_id=request_id(response))

    async def _call(
        self, operation: Operation, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx.Response | _NoAnswer:
        """Raises TokenEndedError, for writes only."""
        started = self._clock.monotonic()
        outcome = "error"
        departure = _Departure(self._auth)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._send(method, path, body, departure)
            outcome = str(response.status_code)
            return response
        except TokenEndedError:
            outcome = "401"
            raise
        except CredentialsError as error:
            outcome = "credentials"
            return _NoAnswer(Trouble(TroubleKind.CREDENTIALS_INVALID, str(error)), sent=False)
        except IamError as error:
            outcome = "iam"
            return _NoAnswer(error.trouble, sent=False)
        except TimeoutError:
            outcome, who = ("timeout", "The cloud") if departure.gone else ("iam", "IAM")
            message = f"{who} did not answer within {self._timeout:g} s."
            return _NoAnswer(Trouble(TroubleKind.CLOUD_UNAVAILABLE, message), sent=departure.gone)
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
            message = f"The cloud could not be reached: {clip(str(error), 256) or type(error).__name__}"
            trouble = Trouble(TroubleKind.CLOUD_UNAVAILABLE, message)
            return _NoAnswer(trouble, sent=departure.gone and not certainly_not_sent(error))
        finally:
            self._meter(operation, outcome, self._clock.monotonic() - started)

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None, auth: httpx.Auth) -> httpx.Response:
        request = self._http.build_request(
            method,
            self._endpoint + path,
            json=body,
            headers={"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"},
        )
        return await fetch(self._http, request, auth)
