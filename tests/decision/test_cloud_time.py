"""Reading `created_at`, and when a cache expires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagecache_operator.model import format_time
from imagecache_operator.observation import Cache, CacheStatus, parse_cloud_time

MOMENT = datetime(2024, 11, 25, 6, 32, 34, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "2024-11-25 06:32:34.923248 +0000 UTC", MOMENT.replace(microsecond=923248), id="the vendor's page"
        ),
        pytest.param("2024-11-25 06:32:34 +0000 UTC", MOMENT, id="Go, whole seconds"),
        pytest.param("2024-11-25 06:32:34.9 +0000 UTC", MOMENT.replace(microsecond=900000), id="Go, one digit"),
        pytest.param(
            "2024-11-25 06:32:34.923248999 +0000 UTC", MOMENT.replace(microsecond=923248), id="Go, nanoseconds"
        ),
        pytest.param("2024-11-25 14:32:34 +0800 CST", MOMENT, id="Go, China"),
        pytest.param("2024-11-25 03:02:34 -0330 -0330", MOMENT, id="Go, a zone without a name"),
        pytest.param("2024-11-25 06:32:34 +0000 UTC m=+0.000000001", MOMENT, id="Go, with the monotonic clock"),
        pytest.param("2024-11-25T06:32:34Z", MOMENT, id="RFC 3339"),
        pytest.param("2024-11-25T06:32:34.5Z", MOMENT.replace(microsecond=500000), id="RFC 3339 with a fraction"),
        pytest.param("2024-11-25T07:32:34+01:00", MOMENT, id="RFC 3339 with a zone"),
        pytest.param("2024-11-25 06:32:34", MOMENT, id="no zone: UTC"),
        pytest.param("  2024-11-25T06:32:34Z\n", MOMENT, id="spaces around it"),
        pytest.param("", None, id="empty"),
        pytest.param("yesterday", None, id="a word"),
        pytest.param("2024-11-25", None, id="a day"),
        pytest.param("2024-13-25 06:32:34 +0000 UTC", None, id="month 13"),
        pytest.param("2024-11-25 25:32:34 +0000 UTC", None, id="hour 25"),
        pytest.param("2024-11-25 06:32:34 +9900 X", None, id="a zone that cannot be"),
        pytest.param("0001-01-01 00:00:00 +0800 CST", None, id="Go's zero time, before the year 1 in UTC"),
        pytest.param("9999-12-31 23:59:59 -0800 PST", None, id="after the year 9999 in UTC"),
        pytest.param("2024-11-25x06:32:34Z", None, id="another separator"),
        pytest.param("٢٠٢٤-11-25 06:32:34", None, id="digits of another script"),
        pytest.param(None, None, id="null"),
        pytest.param(1732516354, None, id="a number"),
        pytest.param({"time": 1}, None, id="an object"),
    ],
)
def test_a_creation_time_is_read_tolerantly(text: object, expected: datetime | None) -> None:
    """Go's form and RFC 3339 are read; what cannot be read is None, never an exception."""
    assert parse_cloud_time(text) == expected


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)? ?([+-]\d{4}|Z)?( \S+)*"))
@example("0000-00-00 00:00:00")
def test_no_text_makes_it_stumble(text: str) -> None:
    """Foreign words never raise, and what is read is in UTC."""
    moment = parse_cloud_time(text)
    assert moment is None or moment.utcoffset() == timedelta(0)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis wants naive bounds)
def test_what_we_write_is_what_we_read(moment: datetime) -> None:
    """Times survive the way through the status."""
    assert parse_cloud_time(format_time(moment)) == moment


@pytest.mark.parametrize(
    ("created", "days", "expected"),
    [
        pytest.param(MOMENT, 7, MOMENT + timedelta(days=7), id="seven days"),
        pytest.param(MOMENT, 0, None, id="for ever"),
        pytest.param(None, 7, None, id="nobody knows since when"),
        pytest.param(datetime(9999, 12, 31, tzinfo=UTC), 10000, None, id="beyond all calendars"),
    ],
)
def test_the_retention_counts_from_the_creation(created: datetime | None, days: int, expected: datetime | None) -> None:
    """None when it never ends or cannot be told."""
    cache = Cache("id", "name", CacheStatus.AVAILABLE, created_at=created, retention_days=days)
    assert cache.expires_at == expected
