"""What the tests of the cloud layer share: clocks that a test moves, credentials, a client of the simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from cce_simulator.testing import DEFAULT_KEY, DEFAULT_PROJECT, RunningSimulator
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.auth import SignatureAuth
from imagecache_operator.cloud.client import CloudClient
from imagecache_operator.cloud.credentials import AccessKey, Credentials, CredentialsError, UserPassword
from imagecache_operator.cloud.endpoints import Endpoints
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.cloud.session import Session, Sessions
from imagecache_operator.observation import Trouble
from imagecache_operator.placement import Placement

ID = "c271e39e-1a6e-4d3d-8fa8-2a36329c68d2"
OTHER_ID = "d382f40f-2b7f-5e4e-9ab9-3b47430d79e3"
REGION = DEFAULT_PROJECT.name
PROJECT = DEFAULT_PROJECT.id
NOW = datetime(2026, 11, 23, tzinfo=UTC)

KEY = AccessKey(DEFAULT_KEY.access_key, SecretStr(DEFAULT_KEY.secret_key))
WRONG_KEY = AccessKey(DEFAULT_KEY.access_key, SecretStr("SKWRONG"))
USER = UserPassword("example-user", SecretStr("example-password"), "example-domain")
WHO = "the access key under test"

EVIL_REGIONS = [
    pytest.param("", id="nothing"),
    pytest.param("evil.example/x?", id="a host, a path and a query"),
    pytest.param("evil.example#", id="a host and a fragment"),
    pytest.param("user@evil.example", id="a user and a host"),
    pytest.param("a.b", id="a dot"),
    pytest.param("a/b", id="a slash"),
    pytest.param("a:443", id="a port"),
    pytest.param("a\\b", id="a backslash"),
    pytest.param("CN-NORTH-4", id="capitals"),
    pytest.param("-cn", id="a hyphen in front"),
    pytest.param("cn-", id="a hyphen at the end"),
    pytest.param("cn-north-4\n", id="a line end"),
    pytest.param("cn north", id="a blank"),
    pytest.param("cn%2e", id="an encoded dot"),
    pytest.param("cn_north", id="an underscore"),
    pytest.param("{region}", id="the place itself"),
    pytest.param("cn\u3002evil", id="an ideographic full stop"),
    pytest.param("cn-nörth", id="an umlaut"),
    pytest.param("a" * 64, id="64 characters"),
    pytest.param("cn\x00", id="a zero byte"),
]
"""What a tenant may write as a region to lead our credentials astray."""


class TurnedClock:
    """A clock of the operator that moves only when told to."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._elapsed = 0.0

    def now(self) -> datetime:
        """See `Clock`."""
        return self._now + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._elapsed += seconds

    def set(self, seconds: float) -> None:
        """Set the wall clock alone forward, or back."""
        self._now += timedelta(seconds=seconds)


class SimulatorsClock:
    """The simulator's clock as the operator reads one, so that both sides agree on the time."""

    def __init__(self, cloud: RunningSimulator) -> None:
        self._cloud = cloud

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime.fromtimestamp(self._cloud.clock.wall(), UTC)

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._cloud.clock.monotonic()


@dataclass
class Source:
    """Credentials that a test changes; a sentence stands for none that can be used."""

    now: Credentials | str

    def current(self) -> Credentials:
        """See `CredentialsSource`."""
        if isinstance(self.now, str):
            raise CredentialsError(self.now)
        return self.now


@dataclass
class Measured:
    """A meter that remembers operation, outcome and seconds of each request."""

    calls: list[tuple[Operation, str, float]] = field(default_factory=list)

    def __call__(self, operation: Operation, outcome: str, seconds: float) -> None:
        """See `Meter`."""
        self.calls.append((operation, outcome, seconds))

    @property
    def outcomes(self) -> list[str]:
        """What came of each request."""
        return [outcome for _, outcome, _ in self.calls]


def no_meter(operation: Operation, outcome: str, seconds: float) -> None:
    """Measure nothing."""


def cloud_client(
    http: httpx.AsyncClient,
    cloud: RunningSimulator,
    *,
    auth: httpx.Auth | None = None,
    endpoint: str | None = None,
    request_timeout: float = 5.0,
    meter: Callable[[Operation, str, float], None] = no_meter,
) -> CloudClient:
    """A client of the simulator with the built-in key."""
    clock = SimulatorsClock(cloud)
    return CloudClient(
        http,
        endpoint or cloud.url,
        auth or SignatureAuth(KEY, PROJECT, clock),
        who=WHO,
        request_timeout=request_timeout,
        clock=clock,
        meter=meter,
    )


def calls(cloud: RunningSimulator) -> list[str]:
    """The operations that reached the simulator, in order."""
    return [call["operation"] for call in cloud.control("GET", "calls")["calls"]]


# --- sessions

ACCOUNT = "d0123456789abcdef0123456789abcde"
HERE = Placement(REGION, PROJECT)
UNTOLD = Placement(REGION, None)
BY_KEY, BY_USER = Credentials(KEY), Credentials(USER)


def sessions_of(
    http: httpx.AsyncClient, cloud: RunningSimulator, source: Source, *, clock: Clock | None = None, **changes: Any
) -> Sessions:
    """Sessions whose CCE, IAM and STS are the simulator, unless the changes say otherwise."""
    endpoints = Endpoints(region=REGION, cce_template=cloud.url, iam_template=cloud.url, sts_template=cloud.url)
    clock = clock or SimulatorsClock(cloud)
    return Sessions(http, replace(endpoints, **changes), source, request_timeout=5.0, clock=clock, meter=no_meter)


def clock_off(cloud: RunningSimulator, minutes: int) -> TurnedClock:
    """A clock of the operator that is ahead of the simulator's."""
    return TurnedClock(SimulatorsClock(cloud).now() + timedelta(minutes=minutes))


async def opened(sessions: Sessions, placement: Placement = HERE) -> Session:
    """Open a session that opens."""
    session = await sessions.open(placement)
    assert isinstance(session, Session), session
    return session


async def no_session(sessions: Sessions, placement: Placement = HERE) -> Trouble:
    """Try to open a session that does not."""
    trouble = await sessions.open(placement)
    assert isinstance(trouble, Trouble)
    return trouble


def trouble_in(answer: object) -> Trouble | None:
    """Read trouble out of the answer to a look, for gates."""
    return answer if isinstance(answer, Trouble) else None
