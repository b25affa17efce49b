"""Credentials in Secrets through the whole circle: whatever becomes of a Secret, what has worked deletes what it made.

The cloud has an account with two regions, and a stranger's account.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.circle.clusters import (
    ACCESS_KEYS,
    BUILDER,
    PROJECT,
    REGION,
    SECOND_REGION,
    SECRET_KEY,
    STRANGERS_KEY,
    WEB,
    Cloud,
    OneKey,
    Team,
)
from tests.runtime.virtual_time import LoopClock
from tests.schedules.stormy_cluster import Process, StormyCluster

from cce_simulator.parsing import Fields
from imagecache_operator.cloud.credentials import CredentialsSource
from imagecache_operator.cloud.endpoints import HUAWEI_DOMAINS, Endpoints
from imagecache_operator.cloud.session import Gates, Session, Sessions
from imagecache_operator.imagecache import Key
from imagecache_operator.placement import Defaults
from imagecache_operator.secret_credentials import Secrets
from imagecache_operator.tenants import tenant_of_secret

PAIR = {"accessKey": ACCESS_KEYS[0], "secretKey": SECRET_KEY}
GOOD = PAIR | {"region": REGION}
TYPO = GOOD | {"secretKey": "TYPO"}
HALF = {"accessKey": ACCESS_KEYS[0]}
OWN = Defaults(REGION, PROJECT, cluster_id=BUILDER)
REF: dict[str, Any] = {"credentialsSecretRef": {"name": "cloud"}}

pytestmark = pytest.mark.usefixtures("_quiet")


class Operator(Process):
    """A process that serves Secrets; its own credentials are those of the same account."""

    def __init__(self, cluster: StormyCluster, cloud: Cloud, access_key: str, clock: LoopClock) -> None:
        self._http = httpx.AsyncClient(transport=cloud.wire, trust_env=False)
        gates = Gates(clock)

        def open_sessions(
            source: CredentialsSource, worked: Callable[[Session], None], *, trusted: bool = False
        ) -> Sessions:
            return Sessions(
                self._http,
                Endpoints(region=REGION, allowed=HUAWEI_DOMAINS),
                source,
                gates=gates,
                trusted=trusted,
                worked=worked,
                request_timeout=5.0,
                clock=clock,
                meter=lambda _operation, _outcome, _seconds: None,
            )

        secrets = Secrets(cluster, None, clock)
        # A region, and with it a location, comes from nowhere but the Secret.
        silent = replace(OWN, region=None, project_id=None)

        super().__init__(
            cluster,
            open_sessions(OneKey(access_key), lambda _session: None, trusted=True),
            clock,
            defaults=OWN,
            tenant_of=lambda ref: tenant_of_secret(secrets, ref, open_sessions, silent),
        )
        self._looking = asyncio.create_task(secrets.run(self.reconciler.objects.look_at_all))

    async def kill(self) -> None:
        """See `Process`."""
        self._looking.cancel()
        await super().kill()
        await self._http.aclose()


class Namespace(Team):
    """A team whose object uses the Secret."""

    def __init__(self) -> None:
        clock = LoopClock()
        cloud = Cloud(clock, writes_per_minute=0, timing={"create_seconds": 5, "delete_seconds": 5})
        super().__init__(cloud, clock, 1, operator=Operator)

    def put(self, data: dict[str, str]) -> None:
        """Create or change the Secret."""
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        metadata = {"namespace": WEB.namespace, "name": "cloud"}
        self.cluster.secrets[WEB.namespace, "cloud"] = {"metadata": metadata, "data": encoded}

    def drop(self) -> None:
        """Delete the Secret."""
        self.cluster.secrets.clear()

    def revoke(self) -> None:
        """The access key of the Secret is worth nothing any more."""
        self.cloud.simulator.directory.change_key(ACCESS_KEYS[0], Fields({"enabled": False}, "key"))

    async def until_told(self, *words: str, key: Key = WEB, within: float = 10.0) -> None:
        """Wait until Ready says all of these."""
        await self.until(lambda: all(word in self.message(key) for word in words), within=within)

    async def with_a_cache(self) -> None:
        """An object whose cache was made with the good Secret."""
        self.put(GOOD)
        self.apply(**REF)
        await self.until_reason("Available", within=60)


@pytest.fixture
async def team() -> AsyncIterator[Namespace]:
    """A namespace, its operator and the cloud."""
    made = Namespace()
    yield made
    await made.operator.kill()


@pytest.mark.parametrize(
    ("later", "told"),
    [
        pytest.param(TYPO, "CredentialsInvalid", id="a typing error"),
        pytest.param(PAIR | {"region": SECOND_REGION}, "Conflict", id="another region, where the key works"),
        pytest.param(PAIR | {"region": "xx-1"}, "RequestRejected", id="a region that does not exist"),
        pytest.param(PAIR, "EndpointInvalid", id="no region any more"),
        pytest.param(GOOD | {"accessKey": STRANGERS_KEY}, "Conflict", id="another account, whose key works"),
        pytest.param(GOOD | {"cceEndpoint": "https://evil.example"}, "NotAllowed", id="a forbidden endpoint"),
        pytest.param(GOOD | {"projectID": "f" * 32}, "Conflict", id="a project of nobody"),
    ],
)
@pytest.mark.parametrize("restored", [False, True], ids=["vanishes", "turns bad"])
async def test_a_secret_that_went_wrong_before_it_vanished(
    team: Namespace, later: dict[str, str], told: str, restored: bool
) -> None:
    """What stands in it is told within 10 s; when it is gone or bad, what worked for the cache is used again."""
    await team.with_a_cache()
    team.put(later)
    await team.until_reason(told, within=10)
    await asyncio.sleep(20)
    assert team.reason() == told
    team.drop()
    if restored:
        team.put(HALF)
    team.delete()
    await team.until_gone(within=60)
    assert not team.cloud.here("web")


async def test_a_key_that_was_replaced_is_not_gone_back_to(team: Namespace) -> None:
    """The newer one has worked at the same place: it is what outlives the Secret."""
    await team.with_a_cache()
    team.put(GOOD | {"accessKey": ACCESS_KEYS[1]})
    await asyncio.sleep(15)
    team.revoke()
    team.drop()
    team.delete()
    await team.until_gone(within=60)


async def test_each_object_goes_back_to_what_worked_for_it(team: Namespace) -> None:
    """A Secret that led to one place and then to another leaves no cache behind in either."""
    await team.with_a_cache()
    team.put(PAIR | {"region": SECOND_REGION})
    await team.until_reason("Conflict", within=10)
    team.apply("other", **REF)
    other = Key(WEB.namespace, "other")
    await team.until(lambda: team.ready(other), within=60)
    team.drop()
    await asyncio.sleep(10)
    team.delete()
    team.delete(other)
    await team.until(lambda: not team.cluster.objects, within=60)
    assert not any(project.by_id for project in team.cloud.simulator.store.projects.values())


async def test_the_newest_fault_is_told(team: Namespace) -> None:
    """Each within 10 s, and none of a Secret that is not there any more, also while a key is in the slow lane."""
    team.put(TYPO)
    team.apply(**REF)
    await team.until_told("401", within=20)
    for data, word in ((HALF, "secretKey missing"), (GOOD | {"region": "a/b"}, "region in the Secret"), ({}, "no cre")):
        team.put(data)
        await team.until_told(word)
        assert "401" not in team.message()
    team.put(TYPO)
    await team.until_told("401")
    team.drop()
    await team.until_told("There is no Secret")
    assert "401" not in team.message()
    team.put(GOOD)
    await team.until_reason("Available", within=30)


async def test_a_copy_that_fails_names_its_secret(team: Namespace) -> None:
    """The refusal alone would be of a key that stands nowhere."""
    await team.with_a_cache()
    team.drop()
    team.revoke()
    await asyncio.sleep(70)
    team.delete()
    await team.until_told("401", "There is no Secret team-a/cloud", "Retain", within=70)
    assert team.reason() == "CredentialsInvalid"


async def test_a_way_out_of_a_namespace_that_takes_no_secret(team: Namespace) -> None:
    """After a restart no copy is left; the message names what can still be done, and it helps."""
    await team.with_a_cache()
    team.drop()
    team.delete()
    await team.restart()
    await team.until_told("There is no Secret", "remove spec.credentialsSecretRef", "Retain", within=20)
    await asyncio.sleep(60)
    team.cluster.edit(WEB, lambda it: it["spec"].pop("credentialsSecretRef"))
    await team.until_gone(within=60)
    assert not team.cloud.here("web")


async def test_who_comes_after_the_last_user_gets_no_copy(team: Namespace) -> None:
    """The copy went with the object that used it."""
    await team.with_a_cache()
    team.drop()
    team.delete()
    await team.until_gone(within=60)
    team.apply(**REF)
    await team.until_told("There is no Secret")
    assert "still looked after" not in team.message()
