"""Sessions with temporary keys: who they are over all renewals, and what ends, missing keys and other agencies do."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.cloud.kit import (
    ACCOUNT,
    HERE,
    REGION,
    UNTOLD,
    Source,
    calls,
    no_session,
    opened,
    sessions_of,
    trouble_in,
)
from tests.cloud.podkit import GOOD, NAME, OIDC, OPERATION, POD, URN, issued, replace_token, source_of

from cce_simulator.testing import RunningSimulator
from imagecache_operator.answers import Accepted, NotDone
from imagecache_operator.cloud.account_ids import ACCOUNT_RETRY_FIRST
from imagecache_operator.cloud.client import NotThere, TokenEnded
from imagecache_operator.cloud.credentials import Credentials
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.cloud.renewal import PAUSE_MAX
from imagecache_operator.cloud.session import Session, Sessions
from imagecache_operator.observation import Cache, Trouble, TroubleKind
from imagecache_operator.placement import Placement

BOTH = pytest.mark.parametrize("way", [POD, OIDC])
HOUR = 3600.0


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file with a good token."""
    path = tmp_path / "token"
    path.write_text(GOOD, encoding="utf-8")
    return path


def sessions_by(way: str, http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path) -> Sessions:
    """The operator's own sessions."""
    return sessions_of(http, cloud, Source(Credentials(source_of(way, cloud, token_file))))


async def listed(session: Session) -> tuple[Cache, ...] | Trouble:
    """A LIST through the gate, as an account makes it."""
    return await session.gate.run(Operation.LIST, "", session.client.list, trouble_in)


@BOTH
async def test_who_it_is(http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str) -> None:
    """Named by agency or association; project and account are looked up with the keys themselves, once."""
    sessions = sessions_by(way, http, cloud, token_file)
    session = await opened(sessions, UNTOLD)
    identity = session.identity
    assert (identity.credential, identity.account_id) == (NAME[way], ACCOUNT)
    assert await listed(session) == ()
    assert calls(cloud) == [OPERATION[way], "ListProjects", "ListDomains", "ListImageCaches"]
    assert (await opened(sessions, UNTOLD)).identity == identity
    assert len(calls(cloud)) == 4


@BOTH
async def test_a_look_up_of_the_account_without_keys(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """The key was refused and no fresh one was there: nobody refused that one, so the account is asked for soon."""
    cloud.fault("unauthorized", operation="ListDomains", times=1)
    cloud.fault("status", status=403, operation=OPERATION[way], skip=1, times=1)
    sessions = sessions_by(way, http, cloud, token_file)
    session = await opened(sessions)
    assert session.identity.account_id is None
    assert session.reopen_at == cloud.clock.monotonic() + ACCOUNT_RETRY_FIRST
    cloud.clock.advance(ACCOUNT_RETRY_FIRST)
    assert (await opened(sessions)).identity.account_id == ACCOUNT


@BOTH
async def test_one_identity_over_all_renewals(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """For a day the keys change and the token file does; the session stays open, and so does what it may prove."""
    sessions = sessions_by(way, http, cloud, token_file)
    session, version = await opened(sessions), sessions.version()
    cache_id = cloud.seed("a")
    for hour in range(24):
        replace_token(token_file, cloud, f"token-{hour}")
        cloud.clock.advance(1.1 * HOUR)
        assert isinstance(await session.client.get(cache_id), Cache)
    assert sessions.version() == version
    assert issued(cloud) == 25
    assert (await opened(sessions)).identity == session.identity
    refused = [call for call in cloud.control("GET", "calls")["calls"] if call["status"] == 401]
    assert refused == []


async def test_sessions_of_all_projects_share_the_keys(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path
) -> None:
    """One key serves them all, and one renewal."""
    sessions = sessions_by(OIDC, http, cloud, token_file)
    for placement in (HERE, Placement(REGION, "f" * 32), HERE):
        await opened(sessions, placement)
    cloud.clock.advance(1.1 * HOUR)
    for placement in (HERE, Placement(REGION, "f" * 32)):
        await opened(sessions, placement)
    assert issued(cloud) == 2


@BOTH
async def test_a_key_that_is_refused_before_its_end(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """A look goes again at once with one fresh key; a write does not, and the next one has the fresh key."""
    session = await opened(sessions_by(way, http, cloud, token_file))
    cache_id = cloud.seed("a")
    cloud.set(expire_temporary_keys=True)
    assert isinstance(await session.client.get(cache_id), Cache)
    cloud.set(expire_temporary_keys=True)
    assert isinstance(await session.client.delete(cache_id), TokenEnded)
    assert isinstance(await session.client.delete(cache_id), Accepted)
    assert issued(cloud) == 3


@BOTH
async def test_a_fresh_key_that_is_refused_too(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """Then it is not the key: told as CredentialsInvalid with the agency's name, and the gate spares the cloud."""
    session = await opened(sessions_by(way, http, cloud, token_file))
    cloud.fault("unauthorized", operation="ListImageCaches")
    trouble = await listed(session)
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.unsent) == (TroubleKind.CREDENTIALS_INVALID, False)
    assert "agency" in trouble.message
    for _ in range(5):
        assert await listed(session) == trouble
    assert issued(cloud) == 2
    assert calls(cloud).count("ListImageCaches") == 2


@BOTH
async def test_what_is_denied_names_the_agency(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """A person must know whom to grant it."""
    session = await opened(sessions_by(way, http, cloud, token_file))
    cloud.set(agencies={URN: {"denied_actions": ["cce:imageCache:list"]}})
    trouble = await listed(session)
    assert isinstance(trouble, Trouble)
    assert trouble.kind is TroubleKind.ACCESS_DENIED
    assert "cce:imageCache:list" in trouble.message
    assert (URN if way == OIDC else "the agency that CCE pod identity binds") in trouble.message


@BOTH
async def test_missing_keys_close_no_gate(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """After the end of the old ones calls are not sent, and say why; once there are keys, calls go out at once."""
    sessions = sessions_by(way, http, cloud, token_file)
    session, version = await opened(sessions), sessions.version()
    cache_id = cloud.seed("a")
    cloud.set(agencies={URN: {"tokens": ["next"]}})
    cloud.clock.advance(1.1 * HOUR)
    for _ in range(3):
        trouble = await listed(session)
        assert isinstance(trouble, Trouble)
        assert (trouble.kind, trouble.unsent) == (TroubleKind.CREDENTIALS_INVALID, True)
        assert str(token_file) in trouble.message
        answer = await session.client.delete(cache_id)
        assert isinstance(answer, NotDone)
        assert answer.trouble.unsent
    assert "ListImageCaches" not in calls(cloud)
    assert "DeleteImageCache" not in calls(cloud)
    assert (session.gate.barred(Operation.LIST), session.gate.opens_in(Operation.LIST)) == (False, 0)
    assert sessions.version() != version
    broken = sessions.version()
    replace_token(token_file, cloud, "next")
    assert sessions.version() != broken
    assert isinstance(await listed(session), tuple)
    assert isinstance(await session.client.delete(cache_id), Accepted)


@BOTH
async def test_no_session_without_keys(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """At the start, too, the sentence and the time of the next attempt are told, and it goes on by itself."""
    cloud.fault("status", status=503, operation=OPERATION[way], times=1)
    sessions = sessions_by(way, http, cloud, token_file)
    trouble = await no_session(sessions)
    assert (trouble.kind, trouble.unsent, trouble.retry_after) == (TroubleKind.CLOUD_UNAVAILABLE, True, 1.0)
    assert (await no_session(sessions)).message == trouble.message
    cloud.clock.advance(1)
    await opened(sessions)
    assert calls(cloud).count(OPERATION[way]) == 2


async def test_sts_is_asked_only_where_credentials_may_go(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path
) -> None:
    """The token of the service account is a credential, too."""
    source = Source(Credentials(source_of(OIDC, cloud, token_file)))
    sessions = sessions_of(http, cloud, source, sts_template=None, allowed=())
    trouble = await no_session(sessions)
    assert trouble.kind is TroubleKind.ENDPOINT_INVALID
    assert f"sts.{REGION}.myhuaweicloud.com" in trouble.message
    assert calls(cloud) == []


async def test_another_association_is_another_identity(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path
) -> None:
    """What it does not see proves nothing to the former one: no call goes out under it, and a new session is due."""
    sessions = sessions_by(POD, http, cloud, token_file)
    session = await opened(sessions)
    assert isinstance(await session.client.get("c271e39e-1a6e-4d3d-8fa8-2a36329c68d2"), NotThere)
    version = sessions.version()
    cloud.set(agencies={URN: {"association_id": "another-one"}})
    cloud.clock.advance(1.1 * HOUR)
    trouble = await listed(session)
    assert isinstance(trouble, Trouble)
    assert trouble.kind is TroubleKind.CLOUD_UNAVAILABLE
    assert "pod-identity/another-one" in trouble.message
    assert "ListImageCaches" not in calls(cloud)
    assert sessions.version() != version
    anew = await opened(sessions)
    assert anew.identity.credential == "pod-identity/another-one"
    assert await listed(anew) == ()


@BOTH
async def test_while_the_issuer_is_away_the_old_keys_serve(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """With few attempts, however many calls are made; after their end the trouble is told as passing."""
    sessions = sessions_by(way, http, cloud, token_file)
    session, version = await opened(sessions), sessions.version()
    cloud.clock.advance(0.8 * HOUR)
    cloud.fault("status", status=503, operation=OPERATION[way])
    for _ in range(140):
        assert isinstance(await listed(session), tuple)
        cloud.clock.advance(5)
    assert sessions.version() == version
    assert calls(cloud).count(OPERATION[way]) <= 1 + 6 + 700 / PAUSE_MAX + 1
    cloud.clock.advance(20)
    trouble = await listed(session)
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.unsent) == (TroubleKind.CLOUD_UNAVAILABLE, True)
