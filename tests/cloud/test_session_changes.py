"""What a change of credentials begins anew, and what comes with them beside the secret."""

from __future__ import annotations

import logging
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr
from tests.cloud.kit import (
    ACCOUNT,
    BY_KEY,
    HERE,
    KEY,
    PROJECT,
    REGION,
    USER,
    WRONG_KEY,
    SimulatorsClock,
    Source,
    calls,
    clock_off,
    no_meter,
    no_session,
    opened,
    sessions_of,
    trouble_in,
)

from cce_simulator.testing import DEFAULT_KEY, RunningSimulator
from imagecache_operator.cloud.credentials import AccessKey, Credentials
from imagecache_operator.cloud.endpoints import Endpoints
from imagecache_operator.cloud.gate import SLOW_LANE, Operation
from imagecache_operator.cloud.session import Sessions
from imagecache_operator.identity import Location
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.placement import Defaults, Placement


def _failures(cloud: RunningSimulator) -> int:
    keys = cloud.control("GET", "state")["access_keys"]
    return int(keys[DEFAULT_KEY.access_key]["failures_total"])


async def test_openings_share_the_gate_until_the_credentials_change(
    cloud: RunningSimulator, http: httpx.AsyncClient
) -> None:
    """All sessions of the same credentials go through one gate; other credentials get a new one and a new session."""
    source = Source(Credentials(WRONG_KEY))
    sessions = sessions_of(http, cloud, source)
    bad = await opened(sessions)
    refused = await bad.gate.run(Operation.LIST, "", bad.client.list, trouble_in)
    assert isinstance(refused, Trouble)
    assert (await opened(sessions)).gate is bad.gate
    assert (await opened(sessions, Placement(REGION, "f" * 32))).gate is bad.gate
    assert bad.gate.opens_in(Operation.LIST) == SLOW_LANE

    source.now = BY_KEY
    good = await opened(sessions)
    assert good.gate is not bad.gate
    assert good.gate.opens_in(Operation.LIST) == 0.0
    assert good.identity.credential == bad.identity.credential
    assert good.identity.account_id == ACCOUNT
    assert await good.client.list() == ()


async def test_a_rotated_security_token_is_used_at_once(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """Temporary keys change under the same roof: the next opening brings the new token."""
    source = Source(Credentials(AccessKey(KEY.access_key, KEY.secret_key, SecretStr("OLD"))))
    sessions = sessions_of(http, cloud, source)
    for token in ("OLD", "NEW"):
        cloud.set(access_keys={DEFAULT_KEY.access_key: {"security_token": token}})
        source.now = Credentials(AccessKey(KEY.access_key, KEY.secret_key, SecretStr(token)))
        assert await (await opened(sessions)).client.list() == ()
    assert _failures(cloud) == 0


async def test_credentials_that_cannot_be_read(
    cloud: RunningSimulator, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """No session opens; what was read last stays the version, with one warning per complaint."""
    source = Source("There is no directory.")
    sessions = sessions_of(http, cloud, source)
    assert sessions.version() == "There is no directory."
    assert await no_session(sessions) == Trouble(TroubleKind.CREDENTIALS_INVALID, "There is no directory.")
    source.now = BY_KEY
    assert sessions.version() == BY_KEY
    source.now = "It vanished."
    with caplog.at_level(logging.WARNING):
        assert [sessions.version() for _ in range(3)] == [BY_KEY] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "It vanished.; going on with the credentials that were read before"
    ]
    source.now = BY_KEY
    assert (await opened(sessions)).credentials == BY_KEY
    assert calls(cloud) == ["ListDomains"]


async def test_a_source_that_keeps_copies_itself_has_the_last_word(
    cloud: RunningSimulator, http: httpx.AsyncClient
) -> None:
    """Once a Secret of a namespace has nothing to offer, each new reason is a new version: nothing former goes on."""
    source = Source(BY_KEY)
    sessions = Sessions(
        http, Endpoints(), source, trusted=False, request_timeout=5.0, clock=SimulatorsClock(cloud), meter=no_meter
    )
    assert sessions.version() == BY_KEY
    for reason in ("It is empty.", "It vanished."):
        source.now = reason
        assert sessions.version() == reason
        assert sessions.defaults(SETTINGS).trouble == reason


# --- places


SETTINGS = Defaults(region=REGION, project_id=PROJECT)


@pytest.mark.parametrize(
    ("credentials", "region", "project"),
    [
        pytest.param(BY_KEY, REGION, PROJECT, id="they name nothing: the settings"),
        pytest.param(replace(BY_KEY, project_id="p-own"), REGION, "p-own", id="they name a project"),
        pytest.param(replace(BY_KEY, region="cn-east-3"), "cn-east-3", None, id="they name another region: no project"),
        pytest.param(replace(BY_KEY, region=REGION), REGION, PROJECT, id="they name the settings' region"),
    ],
)
async def test_where_a_spec_is_silent(
    cloud: RunningSimulator, http: httpx.AsyncClient, credentials: Credentials, region: str, project: str | None
) -> None:
    """What comes with the credentials goes before the settings; a project holds only for its own region."""
    found = sessions_of(http, cloud, Source(credentials)).defaults(SETTINGS)
    assert (found.region, found.project_id, found.trouble) == (region, project, None)


async def test_defaults_say_why_there_are_none(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """While the credentials cannot be read, the defaults carry the sentence."""
    assert sessions_of(http, cloud, Source("Nothing there.")).defaults(SETTINGS).trouble == "Nothing there."


async def test_endpoints_of_the_credentials_go_before_the_settings(
    cloud: RunningSimulator, http: httpx.AsyncClient
) -> None:
    """A directory that names CCE and IAM is followed, with a region of its own."""
    credentials = replace(BY_KEY, region="own-1", cce_endpoint=cloud.url, iam_endpoint=cloud.url)
    endpoints = Endpoints(region=REGION, cce_template="https://cce.example.com", sts_template=cloud.url)
    sessions = Sessions(
        http, endpoints, Source(credentials), request_timeout=5.0, clock=SimulatorsClock(cloud), meter=no_meter
    )
    session = await opened(sessions, Placement("own-1", PROJECT))
    assert session.identity.location == Location(cloud.url, "own-1", PROJECT)
    assert calls(cloud) == ["ListDomains"]
    elsewhere = await no_session(sessions)
    assert elsewhere.kind is TroubleKind.ENDPOINT_INVALID
    assert "holds for region own-1 only, not for cn-north-4" in elsewhere.message
    assert calls(cloud) == ["ListDomains"]


async def test_nothing_shows_a_secret(cloud: RunningSimulator, http: httpx.AsyncClient) -> None:
    """A session can be printed, and so can its trouble."""
    key = AccessKey(KEY.access_key, KEY.secret_key, SecretStr("STOKEN"))
    shown = [repr(await sessions_of(http, cloud, Source(Credentials(secret))).open(HERE)) for secret in (key, USER)]
    assert all(text.startswith("Session(") for text in shown)
    for secret in (KEY.secret_key.get_secret_value(), "STOKEN", USER.password.get_secret_value()):
        assert all(secret not in text for text in shown)


@pytest.mark.parametrize(("minutes", "how"), [(20, "20 min ahead of"), (-16, "16 min behind")])
async def test_a_clock_that_is_wrong(cloud: RunningSimulator, http: httpx.AsyncClient, minutes: int, how: str) -> None:
    """Told with the offset; once it is set, that counts as a change, and everything is asked again at once."""
    clock = clock_off(cloud, minutes)
    sessions = sessions_of(http, cloud, Source(BY_KEY), clock=clock)
    session = await opened(sessions)
    before, refused = sessions.version(), await session.gate.run(Operation.LIST, "", session.client.list, trouble_in)
    assert isinstance(refused, Trouble)
    assert (refused.kind, refused.of_clock) == (TroubleKind.CREDENTIALS_INVALID, True)
    assert f"machine is {how} the cloud's, and 15 min are allowed. Set it (NTP)" in refused.message
    assert session.identity.account_id is None
    assert sessions.version() == before
    clock.set(-minutes * 60)
    assert sessions.version() != before
    mended = await opened(sessions)
    assert mended.identity.account_id == ACCOUNT
    assert await mended.gate.run(Operation.LIST, "", mended.client.list, trouble_in) == ()


async def test_a_wrong_secret_is_not_blamed_on_a_clock_that_is_a_little_off(
    cloud: RunningSimulator, http: httpx.AsyncClient
) -> None:
    """Up to 15 minutes the cloud does not mind."""
    session = await opened(sessions_of(http, cloud, Source(Credentials(WRONG_KEY)), clock=clock_off(cloud, 14)))
    refused = await session.client.list()
    assert isinstance(refused, Trouble)
    assert not refused.of_clock
    assert "its secret, and the clock" in refused.message
