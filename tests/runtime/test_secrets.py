"""Credentials in Secrets: which are read, when a change takes effect, and what becomes of those that vanish."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.decision.builders import ELSEWHERE, HERE
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

    async def hold(self, data: dict[str, str] | None) -> None:
        """Have the Secret hold that, or be gone; and look."""
        if data is None:
            self.kubernetes.secrets.clear()
        else:
            self.put(data)
        await self.secrets.look()

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


@pytest.mark.parametrize("value", ["//4=", "not in base64!"], ids=["bytes", "no base64"])
async def test_what_is_no_text_has_its_sentence(secrets: Kit, value: str) -> None:
    """It names the key and the repair; what stands under keys of others does not matter."""
    secrets.put(PAIR)
    data = secrets.kubernetes.secrets["team-a", "cloud"]["data"]
    data["keystore.jks"] = value
    await secrets.secrets.look()
    secrets.source.current()
    data["secretKey"] = value
    await secrets.secrets.look()
    assert secrets.complaint() == (
        "secretKey in the Secret team-a/cloud is no text in UTF-8: put the value itself there, as kubectl create "
        "secret generic --from-literal or --from-file does."
    )


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


async def test_missing_secrets_are_asked_for_in_their_turn(looking: Kit) -> None:
    """Each is looked for once out of turn, and then every 5 s with all others, however many objects name them."""
    sources = [SecretCredentials(looking.secrets, Key("team-a", f"missing-{number}")) for number in range(10)]
    before = looking.kubernetes.calls["list_secrets"]
    for turn in range(600):
        with pytest.raises(CredentialsError):
            sources[turn % 10].current()
        await pass_time(0.1)
    assert looking.kubernetes.calls["list_secrets"] - before <= 14


async def test_one_that_is_missed_again_is_looked_for_at_once_again(looking: Kit) -> None:
    """It may have been replaced, between two lists."""
    looking.complaint()
    looking.put(PAIR)
    await pass_time(10)
    looking.source.current()
    looking.kubernetes.secrets.clear()
    listed = looking.kubernetes.calls["list_secrets"]
    while looking.kubernetes.calls["list_secrets"] == listed:
        await pass_time(0.1)
    looking.complaint()
    looking.put(PAIR)
    await pass_time(1)
    looking.source.current()


GONE, EMPTY, RUBBISH = None, dict[str, str](), {"accessKey": "a b"}
OUT_OF_USE = pytest.mark.parametrize("after", [GONE, EMPTY, RUBBISH], ids=["gone", "emptied", "rubbish"])


@OUT_OF_USE
async def test_what_worked_outlives_the_secret(secrets: Kit, after: dict[str, str] | None) -> None:
    """Whoever has used the credentials goes on with them, and knows that they are withdrawn; nobody else gets them."""
    await secrets.hold(PAIR)
    used = secrets.source.current()
    secrets.source.worked(used, HERE)
    assert secrets.source.withdrawn() is None
    await secrets.hold(after)
    assert secrets.source.current() == used
    assert "team-a/cloud" in str(secrets.source.withdrawn())
    assert "with the credentials that worked last" in str(secrets.source.withdrawn())
    with pytest.raises(CredentialsError):
        SecretCredentials(secrets.secrets, REF).current()
    await secrets.hold(OTHER_PAIR)
    assert secrets.source.current() != used
    assert secrets.source.withdrawn() is None


@OUT_OF_USE
async def test_what_never_worked_goes_with_its_secret(secrets: Kit, after: dict[str, str] | None) -> None:
    """The newest fault is what there is to tell, and nothing is said to be looked after."""
    await secrets.hold(PAIR)
    secrets.source.current()
    await secrets.hold(after)
    assert secrets.complaint() == secrets.source.withdrawn()


@OUT_OF_USE
async def test_what_never_worked_takes_no_copy_along(secrets: Kit, after: dict[str, str] | None) -> None:
    """While it stands in the Secret it is what the user said; then what had worked before is used again."""
    await secrets.hold(PAIR)
    used = secrets.source.current()
    secrets.source.worked(used, HERE)
    await secrets.hold(OTHER_PAIR)
    assert secrets.source.current() != used
    await secrets.hold(after)
    assert secrets.source.current() == used


async def test_of_each_location_what_worked_there_last_is_kept(secrets: Kit) -> None:
    """It is wanted where the Secret is out of use and had led elsewhere last."""
    found = []
    for data, location in ((PAIR, HERE), (OTHER_PAIR, HERE), (PAIR, ELSEWHERE)):
        await secrets.hold(data)
        found.append(secrets.source.current())
        secrets.source.worked(found[-1], location)
        assert secrets.source.kept(HERE) is None
    await secrets.hold(GONE)
    assert secrets.source.current() == found[2]
    assert secrets.source.kept(HERE) == found[1]
    assert secrets.source.kept(ELSEWHERE) is None
    assert secrets.source.kept(replace(HERE, project_id="p")) is None


async def test_a_list_that_fails_changes_nothing(secrets: Kit) -> None:
    """Not even half of it counts."""
    await secrets.hold(PAIR)
    used = secrets.source.current()
    secrets.kubernetes.fail("list_secrets", unreachable())
    secrets.kubernetes.secrets.clear()
    assert not await secrets.secrets.look()
    assert secrets.source.current() == used
    assert SecretCredentials(secrets.secrets, REF).current() == used
