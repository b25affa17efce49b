"""Getting an answer, or the want of one, onto the wire."""

from __future__ import annotations

import asyncio

from aiohttp import web

from cce_simulator import errors
from cce_simulator.answers import JSON_TYPE, NO_HEADERS, Answer, json_answer
from cce_simulator.errors import code_for
from cce_simulator.faults import FaultSpec, Variant
from cce_simulator.gate import token_refused

_WATCH_SECONDS = 0.05


def whole(answer: Answer, request_id: str) -> web.Response:
    """The answer as it is."""
    headers = {"X-Request-Id": request_id, **answer.headers}
    if answer.content_type is not None:
        headers["Content-Type"] = answer.content_type
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def cut(request: web.BaseRequest) -> web.Response:
    """Nothing: the connection is closed without a byte. What is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def truncated(request: web.BaseRequest, answer: Answer, request_id: str) -> web.StreamResponse:
    """Head and half the body of the answer, then the end of the connection."""
    response = web.StreamResponse(status=answer.status, headers={"X-Request-Id": request_id, **answer.headers})
    response.content_type = answer.content_type or JSON_TYPE
    response.content_length = max(len(answer.body), 2)
    response.force_close()
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2] or b"{")
    if request.transport is not None:
        request.transport.close()
    return response


async def held(request: web.BaseRequest, seconds: float) -> web.Response:
    """Nothing, but slowly: keep the connection until the client leaves or the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds if seconds else float("inf")
    # aiohttp tells of a client that left only by taking the transport away.
    while request.transport is not None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_WATCH_SECONDS)
    return cut(request)


def instead(spec: FaultSpec) -> Answer | None:
    """The answer that a fault gives in the stead of the true one; None when it gives the true one."""
    match spec.kind:
        case "redirect":
            return Answer(302, b"", None, {"Location": spec.location})
        case "empty_200":
            return Answer(200, b"", JSON_TYPE)
        case "garbage":
            return errors.garbage()
        case "wrong_shape":
            return _misshapen(spec.variant)
        case _:
            return _refusal(spec)


def _refusal(spec: FaultSpec) -> Answer | None:
    headers = NO_HEADERS if spec.retry_after is None else {"Retry-After": spec.retry_after}
    message = spec.message or "A fault that was ordered."
    match spec.kind:
        case "status":
            code = spec.code or code_for(spec.status, spec.shape)
            return errors.error(spec.status, spec.shape, code=code, message=message, headers=headers)
        case "html":
            return errors.html(spec.status, message, headers)
        case "gateway_404":
            return errors.not_published(headers)
        case "unauthorized":
            return token_refused() if spec.code is None else errors.gateway(401, spec.code, message)
        case _:
            return None


def _misshapen(variant: Variant) -> Answer:
    match variant:
        case "missing_key":
            return json_answer(200, {"result": "ok"})
        case "error_in_200":
            return json_answer(200, {"error_code": code_for(500, "errorCode"), "error_msg": "An error, with 200."})
        case "array":
            return json_answer(200, [])
        case "null":
            return json_answer(200, None)
        case "wrong_types":
            return json_answer(200, {"image_cache": [], "image_caches": {}})
