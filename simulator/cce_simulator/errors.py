"""The error shapes of section 4.1 and the codes of section 4.2."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Literal, assert_never

from cce_simulator.answers import JSON_TYPE, NO_HEADERS, Answer, json_answer

ErrorShape = Literal["gateway", "errorCode", "error_code", "iam", "keystone", "kubernetes", "empty", "html"]

NOT_FOUND = "CCE.01404001"
BAD_REQUEST = "CCE.01400001"
BAD_CONTENT_TYPE = "CCE.01400006"
FORBIDDEN = "CCE.01403001"
DUPLICATE = "CCE.01409001"
LOCKED = "CCE.01429002"

BAD_AUTHENTICATION = "APIGW.0301"
TOKEN_MUST_BE_UPDATED = "APIGW.0307"  # noqa: S105 (a code)
THROTTLED = "APIGW.0308"
PROJECT_UNAVAILABLE = "APIGW.0310"
NOT_PUBLISHED = "APIGW.0101"
TOO_LARGE = "APIGW.0201"

# The codes of section 4.2 that a CCE answer of that HTTP status most likely carries.
_CCE_CODES = {
    400: BAD_REQUEST,
    401: "CCE.01401001",
    403: FORBIDDEN,
    404: NOT_FOUND,
    409: "CCE.01409002",
    429: LOCKED,
    500: "CCE.01500001",
}
_GATEWAY_CODES = {
    400: "APIGW.0106",
    401: BAD_AUTHENTICATION,
    403: "APIGW.0302",
    404: NOT_PUBLISHED,
    413: TOO_LARGE,
    429: THROTTLED,
    500: "APIGW.0601",
    502: "APIGW.0202",
    503: "APIGW.0202",
    504: "APIGW.0203",
}


def code_for(status: int, shape: ErrorShape) -> str:
    """The usual code; unlisted ones follow the anatomy of section 4.2 (component, HTTP status, serial)."""
    if shape == "gateway":
        return _GATEWAY_CODES.get(status, "APIGW.0605")
    return _CCE_CODES.get(status, f"CCE.01{status:03d}001")


def error(
    status: int, shape: ErrorShape, *, code: str, message: str, headers: Mapping[str, str] = NO_HEADERS
) -> Answer:
    """An error answer in one of the shapes of section 4.1."""
    match shape:
        case "gateway":
            body = {"error_msg": message, "error_code": code, "request_id": uuid.uuid4().hex}
            return json_answer(status, body, headers)
        case "errorCode":
            return json_answer(status, {"errorCode": code, "errorMessage": message}, headers)
        case "error_code" | "iam":
            return json_answer(status, {"error_code": code, "error_msg": message}, headers)
        case "keystone":
            title = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}.get(status, "Error")
            return json_answer(status, {"error": {"code": status, "message": message, "title": title}}, headers)
        case "kubernetes":
            reason = {403: "Forbidden", 404: "NotFound", 409: "Conflict"}.get(status, "InternalError")
            body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
            return json_answer(status, body | {"code": status}, headers)
        case "empty":
            return Answer(status, b"", None, headers)
        case "html":
            return html(status, message, headers)
        case _:
            assert_never(shape)


def html(status: int, message: str, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """The page of a proxy or load balancer."""
    text = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><p>{message}</p></body></html>"
    return Answer(status, text.encode(), "text/html", headers)


def gateway(status: int, code: str, message: str, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """An error of the API gateway."""
    return error(status, "gateway", code=code, message=message, headers=headers)


def cce(status: int, code: str, message: str) -> Answer:
    """An error of CCE, in the documented spelling."""
    return error(status, "errorCode", code=code, message=message)


def keystone(status: int, message: str) -> Answer:
    """An error of IAM's /v3 calls."""
    return error(status, "keystone", code="", message=message)


def not_published(headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """The gateway's 404, which says nothing about any cache (section 3)."""
    return gateway(404, NOT_PUBLISHED, "API not found", headers)


def garbage() -> Answer:
    """A body that claims to be JSON and is not."""
    return Answer(200, b"\x00<<<upstream sent nonsense>>>", JSON_TYPE)
