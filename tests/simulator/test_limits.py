"""The limits on writes and reads, and the forms of Retry-After."""

from __future__ import annotations

import email.utils

import pytest

from cce_simulator.testing import DEFAULT_PROJECT, Reply, RunningSimulator


@pytest.fixture
def limited(cloud: RunningSimulator) -> RunningSimulator:
    """The documented limit, with a decimal Retry-After on every refusal."""
    cloud.set(writes_per_minute=10, retry_after="decimal")
    return cloud


def _write(cloud: RunningSimulator) -> Reply:
    return cloud.delete("nobody")


def _throttled(reply: Reply) -> str | None:
    assert (reply.status, reply.json["error_code"]) == (429, "APIGW.0308")
    return reply.headers["Retry-After"]


def test_ten_writes_a_minute(limited: RunningSimulator) -> None:
    """The eleventh write within 60 s is refused with the decimal rest of the window; after that wait it is taken."""
    for _ in range(10):
        assert _write(limited).status == 404
        limited.clock.advance(0.318)
    refused = limited.create("a")
    assert _throttled(refused) == "57.138"
    assert refused.json["error_msg"].endswith("over ratelimit,limit:10,time:1 minute")
    assert limited.list().status == 200, "reads have their own limit"
    limited.clock.advance(57.138)
    assert limited.create("a").status == 201


def test_refused_writes_count_too(limited: RunningSimulator) -> None:
    """Whoever keeps hammering stays shut out: one refused try per 5 s fills the window for ever."""
    for _ in range(10):
        _write(limited)
    for _ in range(30):
        limited.clock.advance(5)
        assert _write(limited).status == 429
    limited.clock.advance(60)
    assert _write(limited).status == 404


def test_the_wait_is_never_short(limited: RunningSimulator) -> None:
    """After exactly the told wait a write is taken, also where the seconds do not come out even."""
    for step in (1 / 3, 1 / 7, 0.123456789):
        limited.set(forget_writes=True)
        for _ in range(10):
            _write(limited)
            limited.clock.advance(step)
        wait = _throttled(_write(limited))
        assert wait is not None
        limited.clock.advance(float(wait))
        assert _write(limited).status == 404


def test_the_window_follows_the_time_scale(limited: RunningSimulator) -> None:
    """Scaled by 60, it is ten writes a second."""
    limited.set(timing={"time_scale": 60})
    for _ in range(10):
        _write(limited)
    assert _throttled(_write(limited)) == "1.000"


@pytest.mark.parametrize(("form", "value"), [("absent", None), ("integer", "61")])
def test_other_forms_of_retry_after(limited: RunningSimulator, form: str, value: str | None) -> None:
    """It may be missing, as it mostly is, or be a whole number."""
    limited.set(retry_after=form)
    for _ in range(10):
        _write(limited)
    assert _throttled(_write(limited)) == value


def test_retry_after_as_a_date(limited: RunningSimulator) -> None:
    """The date is the end of the window."""
    limited.set(retry_after="date")
    for _ in range(10):
        _write(limited)
    value = _throttled(_write(limited))
    assert value is not None
    assert 60 <= email.utils.parsedate_to_datetime(value).timestamp() - limited.clock.wall() <= 62


def test_what_does_not_count(limited: RunningSimulator) -> None:
    """Calls that fail to prove who they are take nothing from the limit; the state tells how full it is."""
    for _ in range(11):
        limited.send("DELETE", "/v5/imagecaches/a")
    _write(limited)
    project = limited.control("GET", "state")["projects"][DEFAULT_PROJECT.id]
    assert project["writes_in_window"] == 1


def test_reads_may_be_limited(cloud: RunningSimulator) -> None:
    """Off by default; when set, it is per second, and writes do not count."""
    assert {cloud.list().status for _ in range(30)} == {200}
    cloud.set(reads_per_second=2, retry_after="decimal")
    assert [cloud.list().status, cloud.show("x").status] == [200, 404]
    assert _throttled(cloud.list()) == "1.000"
    assert _write(cloud).status == 404
    cloud.clock.advance(1)
    assert cloud.list().status == 200


def test_no_limit(limited: RunningSimulator) -> None:
    """0 switches the limit off, and so does null."""
    for off in (0, None):
        limited.set(writes_per_minute=off)
        assert {_write(limited).status for _ in range(12)} == {404}
