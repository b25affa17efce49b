"""What a refusal of the cloud means: error shapes, whose 404 it is, who must act, Retry-After, foreign words."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cloud.kit import ID, NOW

from imagecache_operator.cloud.responses import (
    MESSAGE_BYTES_MAX,
    RETRY_AFTER_MAX,
    clip,
    read_error,
    request_id,
    retry_after,
    trouble_of,
)
from imagecache_operator.observation import TroubleKind

HTML = b"<html><body><h1>404 Not Found</h1></body></html>"
STATUS = {"kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound", "message": "gone"}


def _answer(status: int, body: Any = b"", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.Response(status, content=content, headers=named, request=httpx.Request("GET", "https://cce.example"))


# --- error shapes


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param({"errorCode": "CCE.01400001", "errorMessage": "bad"}, "CCE.01400001", "bad", id="CCE, documented"),
        pytest.param({"error_code": "CCE_CM.0004", "error_msg": "bad"}, "CCE_CM.0004", "bad", id="CCE, other spelling"),
        pytest.param(
            {"error_msg": "ak not exist", "error_code": "APIGW.0301", "request_id": "r"},
            "APIGW.0301",
            "ak not exist",
            id="the gateway",
        ),
        pytest.param({"error_msg": "no", "error_code": "IAM.0001"}, "IAM.0001", "no", id="IAM"),
        pytest.param({"error": {"code": 401, "message": "no", "title": "Unauthorized"}}, "", "no", id="Keystone"),
        pytest.param(STATUS, "", "gone", id="Kubernetes"),
        pytest.param({"errorCode": "X", "errorMsg": "m"}, "X", "m", id="a third spelling of the message"),
        pytest.param({"error_code": "A", "errorCode": "B", "error_msg": "a", "errorMessage": "b"}, "A", "a", id="both"),
        pytest.param({"error_code": 7, "error_msg": ["x"]}, "", "", id="values that are no text"),
        pytest.param({"error": "text"}, "", "", id="an error that is no object"),
        pytest.param({"error": {"message": None}}, "", "", id="Keystone without a message"),
        pytest.param([{"errorCode": "X"}], "", "", id="an array"),
        pytest.param(None, "", "", id="null"),
        pytest.param(HTML, "", "", id="HTML"),
        pytest.param(b"", "", "", id="nothing"),
        pytest.param(b'{"errorCode":"X"', "", "", id="half an object"),
        pytest.param(b"\xff\xfe\x00{", "", "", id="bytes that are no text"),
        pytest.param(b"[" * 100_000, "", "", id="an endless nest"),
        pytest.param(b"9" * 10_000, "", "", id="an endless number"),
    ],
)
def test_every_error_shape_is_read(body: Any, code: str, message: str) -> None:
    """Code and message come out of every documented shape; of anything else nothing does, without an exception."""
    error = read_error(_answer(500, body))
    assert (error.status, error.code, error.message) == (500, code, message)
    assert str(error).startswith("500")


def test_an_error_reads_as_a_line() -> None:
    """Status, code, message; what is missing leaves no trace."""
    shown = [
        str(read_error(_answer(404, body)))
        for body in ({"errorCode": "C", "errorMessage": "m"}, {"errorCode": "C"}, {"error": {"message": "m"}}, b"")
    ]
    assert shown == ["404 C: m", "404 C", "404: m", "404"]


def test_the_request_id_is_kept() -> None:
    """CCE's header first, IAM's else; an odd one is clipped; none is None."""
    assert request_id(_answer(200, X_Request_Id="r-1", X_IAM_Trace_Id="t-1")) == "r-1"
    assert request_id(_answer(200, X_IAM_Trace_Id="t-1")) == "t-1"
    assert request_id(_answer(200, X_Request_Id="r" * 1000)) == "r" * 128
    assert request_id(_answer(200)) is None
    assert read_error(_answer(404, X_Request_Id="r-1")).request_id == "r-1"


# --- whose 404


@pytest.mark.parametrize(
    ("body", "own"),
    [
        pytest.param({"errorCode": "CCE.01404001", "errorMessage": "not found"}, True, id="CCE, documented"),
        pytest.param({"error_code": "CCE.02404001", "error_msg": "not found"}, True, id="CCE, other spelling"),
        pytest.param({"errorCode": "CCE.99999999"}, True, id="CCE with a code that we do not know"),
        pytest.param({"errorCode": "SOMETHING"}, True, id="a code of nobody we know"),
        pytest.param({"errorCode": "APIGWX.1"}, True, id="a code that only begins like the gateway's"),
        pytest.param(STATUS, True, id="Kubernetes"),
        pytest.param(b"", True, id="zero bytes"),
        pytest.param({"error_code": "APIGW.0101", "error_msg": "API not found"}, False, id="the gateway"),
        pytest.param({"error_code": "APIG.0101", "error_msg": "API not found"}, False, id="the gateway's other name"),
        pytest.param(
            {"error_code": "apigw.0101", "error_msg": "API not found"}, False, id="the gateway, in small letters"
        ),
        pytest.param({"errorCode": "APIGW.0101"}, False, id="the gateway in CCE's spelling"),
        pytest.param({"errorCode": " APIG.0101"}, False, id="the gateway with a blank in front"),
        pytest.param(STATUS | {"errorCode": "APIGW.0101"}, False, id="the gateway in Kubernetes' clothes"),
        pytest.param(STATUS | {"reason": "Forbidden"}, False, id="Kubernetes with another reason"),
        pytest.param({"kind": "Pod", "reason": "NotFound"}, False, id="a kind that is no Status"),
        pytest.param({"error": {"code": 404, "message": "Not Found", "title": "Not Found"}}, False, id="Keystone"),
        pytest.param({"errorMessage": "not found"}, False, id="a message without a code"),
        pytest.param({"errorCode": ""}, False, id="an empty code"),
        pytest.param({"errorCode": 404}, False, id="a code that is no text"),
        pytest.param({"errorCode": ["CCE.01404001"]}, False, id="a list of codes"),
        pytest.param({}, False, id="an empty object"),
        pytest.param({"image_cache": {"id": ID, "status": "Available"}}, False, id="a cache"),
        pytest.param([], False, id="an array"),
        pytest.param(None, False, id="null"),
        pytest.param("CCE.01404001", False, id="a text"),
        pytest.param(HTML, False, id="HTML"),
        pytest.param(b"404 page not found", False, id="plain text"),
        pytest.param(b" ", False, id="a blank"),
        pytest.param(b'{"errorCode":"CCE.01404001"', False, id="cut off"),
    ],
)
def test_whose_404_it_is(body: Any, own: bool) -> None:
    """Only CCE's own 404 says that a cache is gone: never the gateway's, a proxy's, or one that cannot be read."""
    assert read_error(_answer(404, body)).own_404 is own


@pytest.mark.parametrize("status", [200, 204, 302, 400, 403, 410, 500, 502])
@pytest.mark.parametrize("body", [{"errorCode": "CCE.01404001"}, STATUS, b""], ids=["code", "Kubernetes", "empty"])
def test_no_other_status_says_that_it_is_gone(status: int, body: Any) -> None:
    """The words of a 404 under another status mean nothing."""
    assert read_error(_answer(status, body)).own_404 is False


# --- who must act


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (429, TroubleKind.THROTTLED, "The cloud's request limit is reached (429 C: m)."),
        (401, TroubleKind.CREDENTIALS_INVALID, "The cloud does not accept Ann (401 C: m): check"),
        (403, TroubleKind.ACCESS_DENIED, "The cloud does not allow cce:x:y to Ann (403 C: m): grant it in IAM."),
        (408, TroubleKind.CLOUD_UNAVAILABLE, "The cloud's image cache API did not answer (408 C: m)."),
        (425, TroubleKind.CLOUD_UNAVAILABLE, "The cloud's image cache API did not answer (425 C: m)."),
        (500, TroubleKind.CLOUD_UNAVAILABLE, "The cloud's image cache API has trouble of its own (500 C: m)."),
        (599, TroubleKind.CLOUD_UNAVAILABLE, "The cloud's image cache API has trouble of its own (599 C: m)."),
        (404, TroubleKind.ENDPOINT_INVALID, "There is no image cache API at this endpoint (404 C: m)"),
        (405, TroubleKind.ENDPOINT_INVALID, "There is no image cache API at this endpoint (405 C: m)"),
        (302, TroubleKind.ENDPOINT_INVALID, "There is no image cache API at this endpoint (302 C: m)"),
        (400, TroubleKind.REQUEST_REJECTED, "The cloud rejected the request (400 C: m)."),
        (409, TroubleKind.REQUEST_REJECTED, "The cloud rejected the request (409 C: m)."),
        (418, TroubleKind.REQUEST_REJECTED, "The cloud rejected the request (418 C: m)."),
    ],
)
def test_errors_are_sorted_by_who_must_act(status: int, kind: TroubleKind, sentence: str) -> None:
    """Each status has a reason, and a sentence that names identity, action and the cloud's own words."""
    trouble = trouble_of(
        read_error(_answer(status, {"errorCode": "C", "errorMessage": "m"})), who="Ann", action="cce:x:y"
    )
    assert trouble.kind is kind
    assert trouble.message.startswith(sentence)
    assert trouble.passing is (kind in {TroubleKind.THROTTLED, TroubleKind.CLOUD_UNAVAILABLE})


# --- Retry-After


def _date(seconds: float, zone: str = "GMT") -> str:
    return (NOW + timedelta(seconds=seconds)).strftime(f"%a, %d %b %Y %H:%M:%S {zone}")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("56.818", 56.818, id="a decimal"),
        pytest.param("7", 7.0, id="a whole number"),
        pytest.param(" 7 ", 7.0, id="with blanks"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param("-5", 0.0, id="in the past"),
        pytest.param("1e9", RETRY_AFTER_MAX, id="never: an hour at most"),
        pytest.param(_date(90), 90.0, id="a date"),
        pytest.param(_date(90, "+0000"), 90.0, id="a date with an offset"),
        pytest.param(_date(3690, "+0100"), 90.0, id="a date of another zone"),
        pytest.param(_date(90, "-0000"), 90.0, id="a date of no zone is taken for UTC"),
        pytest.param(_date(-90), 0.0, id="a date in the past"),
        pytest.param(_date(1e7), RETRY_AFTER_MAX, id="a date far away"),
        pytest.param("inf", None, id="infinity"),
        pytest.param("nan", None, id="no number"),
        pytest.param("soon", None, id="a word"),
        pytest.param("", None, id="empty"),
        pytest.param("1,5", None, id="a comma"),
        pytest.param("Mon, 99 Foo 2026 00:00:00 GMT", None, id="no date"),
        pytest.param("Mon, 01 Jan 99999999999 00:00:00 GMT", None, id="a year beyond all calendars"),
        pytest.param("Mon, 01 Jan 2026 00:00:00 +999999999999999", None, id="a zone beyond all maps"),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """Decimals and dates are understood, an hour is the most, and garbage is as if nothing were there."""
    found = retry_after(_answer(429, Retry_After=text), NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_no_retry_after() -> None:
    """Without the header there is no time."""
    assert retry_after(_answer(429), NOW) is None


_DATE_WORDS = ["Mon,", "Jan", "1", "-1", "2026", "9" * 20, "00:00:00", "24:61:99", "GMT", "+9999", "+" + "9" * 20, ","]


@given(st.lists(st.sampled_from(_DATE_WORDS), max_size=7).map(" ".join))
def test_no_retry_after_makes_us_stumble(text: str) -> None:
    """Whatever stands there, the answer is a time of at most an hour, or none."""
    found = retry_after(_answer(429, Retry_After=text), NOW)
    assert found is None or 0.0 <= found <= RETRY_AFTER_MAX


# --- foreign words


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("  two\r\n\tlines\x00\x1b[31m ", "two lines [31m", id="control characters"),
        pytest.param("a\u2028b\u2029c\x85d", "a b c d", id="line separators of Unicode"),
        pytest.param("\ud800x", "?x", id="half a surrogate pair"),
        pytest.param(7, "", id="no text"),
        pytest.param(None, "", id="nothing"),
    ],
)
def test_foreign_words_become_one_line(text: object, line: str) -> None:
    """No control character survives, and what is no text is empty."""
    assert clip(text) == line


@given(st.text(max_size=3000), st.integers(1, 2000))
def test_foreign_words_never_get_long(text: str, limit: int) -> None:
    """At most so many bytes, in whole characters, whatever the text."""
    line = clip(text, limit)
    assert len(line.encode()) <= limit
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u2029" for c in line)


def test_a_message_has_one_kibibyte() -> None:
    """The cloud's message ends in status; 10 KiB of it become 1 KiB, cut between characters."""
    message = read_error(_answer(500, {"errorCode": "C" * 500, "errorMessage": "ä" * 5000}))
    assert message.message == "ä" * (MESSAGE_BYTES_MAX // 2)
    assert len(message.code) == 64
