"""Credentials in Secrets: which are read, when a change takes effect, and what becomes of those that vanish."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.runtime.fakes import FakeKubernetes, unreachable
from tests.runtime.virtual_time import LoopClock, pass_time

from imagecache_operator.cloud.credentials import AccessKey, CredentialsError, UserPassword
from imagecache_operator.imagecache import Key
from imagecache_operator.secret_credentials import SecretCredentials, Secrets

REF = Key("team-a", "cloud")
PAIR = {"accessKey": "AKAKAKAKAKAKAKAKAKAK", "secretKey": "made-up-secret"}
OTHER_PAIR = {"accessKey": "BKBKBKBKBKBKBKBKBKBK", "secretKey": "made-up-other"}


def secret(data: dict[str, str], ref: Key = REF) -> dict[str, Any]:
    """A Secret as the API server hands it out."""
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return {"metadata": {"namespace": ref.namespace, "name": ref.name}, "data": encoded}


class Kit:
    """The list of Secrets, and who is told of news."""

    def __init__(self) -> None:
        self.kubernetes = FakeKubernetes()
        self.secrets = Secrets(self.kubernetes, None, LoopClock())
        self.source = SecretCredentials(self.secrets, REF)
        self.news = 0

    def put(self, data: dict[str, str], ref: Key = REF) -> None:
        """Create or change a Secret."""
        self.kubernetes.secrets[ref.namespace, ref.name] = secret(data, ref)

    def changed(self) -> None:
        """Told of news."""
        self.news += 1

    def complaint(self) -> str:
        """Why there are no credentials."""
        with pytest.raises(CredentialsError) as caught:
            self.source.current()
        return str(caught.value)


@pytest.fixture
def secrets() -> Kit:
    """A list that looks when it is told to."""
    return Kit()


@pytest.fixture
async def looking(secrets: Kit, clock: LoopClock) -> AsyncIterator[Kit]:
    """One that looks by itself."""
    assert clock.monotonic() >= 0
    await secrets.secrets.look()
    task = asyncio.create_task(secrets.secrets.run(secrets.changed))
    yield secrets
    task.cancel()
    await asyncio.wait([task])


async def test_both_kinds_of_credentials(secrets: Kit) -> None:
    """An access key, or a user with its account; what comes with them is taken over."""
    secrets.put(PAIR | {"region": "eu-west-101", "clusterID": "c-1"})
    await secrets.secrets.look()
    found = secrets.source.current()
    assert isinstance(found.secret, AccessKey)
    assert (found.region, found.cluster_id) == ("eu-west-101", "c-1")
    secrets.put({"username": "u", "password": "p", "domainName": "d"})
    await secrets.secrets.look()
    assert isinstance(secrets.source.current().secret, UserPassword)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(None, "There is no Secret team-a/cloud of type cce.huaweicloud.com/credentials", id="none"),
        pytest.param({}, "There are no credentials in the Secret team-a/cloud", id="empty"),
        pytest.param({"accessKey": PAIR["accessKey"]}, "secretKey missing", id="half"),
        pytest.param(PAIR | {"accessKey": "a b"}, "accessKey in the Secret team-a/cloud must be", id="rubbish"),
        pytest.param(PAIR | {"region": "evil.example/x?"}, "region in the Secret team-a/cloud", id="an evil region"),
    ],
)
async def test_what_cannot_be_used_has_its_sentence(secrets: Kit, data: dict[str, str] | None, says: str) -> None:
    """It names the Secret and the key, and never a value."""
    if data is not None:
        secrets.put(data)
    await secrets.secrets.look()
    assert says in secrets.complaint()
    assert "made-up" not in secrets.complaint()


async def test_what_is_no_text_has_its_sentence(secrets: Kit) -> None:
    """Bytes under a key."""
    secrets.put(PAIR)
    secrets.kubernetes.secrets["team-a", "cloud"]["data"]["secretKey"] = base64.b64encode(b"\xff\xfe").decode()
    await secrets.secrets.look()
    assert "no text" in secrets.complaint()


async def test_before_the_first_list_nothing_is_said_of_a_secret(secrets: Kit) -> None:
    """Nor when the operator may not list: then its own lack is told, not the Secret's."""
    assert "not listed yet" in secrets.complaint()
    secrets.kubernetes.fail("list_secrets", unreachable())
    assert not await secrets.secrets.look()
    assert "cannot list Secrets" in secrets.complaint()


async def test_news_are_told_once(secrets: Kit) -> None:
    """The first list, and then what came, changed or went."""
    assert await secrets.secrets.look()
    assert not await secrets.secrets.look()
    for data in (PAIR, OTHER_PAIR, {}, {"accessKey": "a b"}):
        secrets.put(data)
        assert await secrets.secrets.look()
        assert not await secrets.secrets.look()
    secrets.kubernetes.secrets.clear()
    assert await secrets.secrets.look()


async def test_a_change_takes_effect_within_ten_seconds(looking: Kit) -> None:
    """And whoever uses the Secret is looked at again."""
    looking.put(PAIR)
    await pass_time(10)
    first = looking.source.current()
    told = looking.news
    looking.put(OTHER_PAIR)
    await pass_time(10)
    assert looking.source.current() != first
    assert looking.news == told + 1


async def test_a_secret_that_is_missed_is_looked_for_at_once(looking: Kit) -> None:
    """An object that comes together with its Secret need not wait for the next turn."""
    looking.put(PAIR)
    looking.complaint()
    await pass_time(1)
    looking.source.current()


async def test_missing_secrets_are_not_asked_for_all_the_time(looking: Kit) -> None:
    """However many objects name one that is not there."""
    before = looking.kubernetes.calls["list_secrets"]
    for _ in range(600):
        looking.complaint()
        await pass_time(0.1)
    assert looking.kubernetes.calls["list_secrets"] - before <= 121


@pytest.mark.parametrize("after", [None, {}, {"accessKey": "a b"}], ids=["gone", "emptied", "rubbish"])
async def test_what_was_used_outlives_the_secret(secrets: Kit, after: dict[str, str] | None) -> None:
    """Whoever has used the credentials goes on with them, and knows that they are withdrawn; nobody else gets them."""
    secrets.put(PAIR)
    await secrets.secrets.look()
    used = secrets.source.current()
    assert secrets.source.withdrawn() is None
    if after is None:
        secrets.kubernetes.secrets.clear()
    else:
        secrets.put(after)
    await secrets.secrets.look()
    assert secrets.source.current() == used
    assert "team-a/cloud" in str(secrets.source.withdrawn())
    with pytest.raises(CredentialsError):
        SecretCredentials(secrets.secrets, REF).current()
    secrets.put(OTHER_PAIR)
    await secrets.secrets.look()
    assert secrets.source.current() != used
    assert secrets.source.withdrawn() is None


async def test_a_list_that_fails_changes_nothing(secrets: Kit) -> None:
    """Not even half of it counts."""
    secrets.put(PAIR)
    await secrets.secrets.look()
    used = secrets.source.current()
    secrets.kubernetes.fail("list_secrets", unreachable())
    secrets.kubernetes.secrets.clear()
    assert not await secrets.secrets.look()
    assert secrets.source.current() == used
    assert SecretCredentials(secrets.secrets, REF).current() == used
