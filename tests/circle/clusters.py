"""Clusters with an operator each, and the one cloud that they share: all of it real but the sockets and the API server.

Time is virtual, and an expiry of days costs milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import httpx
from pydantic import SecretStr
from tests.circle.wire import CloudClock, Wire
from tests.decision.builders import body
from tests.runtime.virtual_time import LoopClock
from tests.schedules.stormy_cluster import Body, Process, StormyCluster

from cce_simulator.caches import Cache
from cce_simulator.scenario import CacheSeed, parse_scenario
from cce_simulator.simulator import Simulator
from imagecache_operator.cloud.credentials import AccessKey, Credentials
from imagecache_operator.cloud.endpoints import HUAWEI_DOMAINS, Endpoints
from imagecache_operator.cloud.session import Sessions
from imagecache_operator.imagecache import Key
from imagecache_operator.model import format_time
from imagecache_operator.placement import Defaults

REGION = "cn-north-4"
PROJECT, SECOND_PROJECT = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
SECOND_REGION = "eu-west-101"
BUILDER = "c271e39f-1a6e-4d3d-8fa8-2a36329c68d2"
ACCESS_KEYS = ("AKEXAMPLE0000000001", "AKEXAMPLE0000000002")
STRANGERS_KEY, STRANGERS_PROJECT = "AKEXAMPLE0000000009", "00112233445566778899aabbccddeeff"
SECRET_KEY = "SKEXAMPLE00000000000000000000000000000000"
CREATE, LIST, GET, DELETE = "CreateImageCache", "ListImageCaches", "ShowImageCache", "DeleteImageCache"
WEB = Key("team-a", "web")
LOOKS = 2000
"""How often, at most, something that is waited for is looked at."""

IDLE = 1800.0
"""Seconds between two looks while nothing is in motion: longer than in real life, because days pass here."""


class Cloud:
    """The simulator of one account with two projects, and of a stranger's; what happens behind the operators' backs."""

    def __init__(self, clock: LoopClock, switches: dict[str, Any] | None = None, **settings: Any) -> None:
        account = {
            "domain_id": "d0123456789abcdef0123456789abcde",
            "domain_name": "example-domain",
            "access_keys": [{"access_key": key, "secret_key": SECRET_KEY} for key in ACCESS_KEYS],
            "projects": [{"id": PROJECT, "name": REGION}, {"id": SECOND_PROJECT, "name": SECOND_REGION}],
        }
        stranger = {
            "domain_id": "e0123456789abcdef0123456789abcde",
            "domain_name": "strange-domain",
            "access_keys": [{"access_key": STRANGERS_KEY, "secret_key": SECRET_KEY}],
            "projects": [{"id": STRANGERS_PROJECT, "name": REGION}],
        }
        scenario = {"accounts": [account, stranger], "switches": switches or {}, **settings}
        self.simulator = Simulator(parse_scenario(scenario), CloudClock(clock))
        self.wire = Wire(self.simulator)

    def here(self, name: str) -> list[Cache]:
        """The caches of that name that are there."""
        self.simulator.store.advance()
        return list(self.simulator.store.projects[PROJECT].by_name.get(name, ()))

    def only(self, name: str) -> Cache:
        """The one cache of that name."""
        [cache] = self.here(name)
        return cache

    def put(self, name: str, project: str = PROJECT) -> Cache:
        """Somebody makes a cache, which is ready at once."""
        return self.simulator.store.add(CacheSeed(name=name), project)

    def delete(self, cache: Cache) -> None:
        """Somebody deletes a cache in the console."""
        self.simulator.store.delete(cache)

    def vanish(self, cache: Cache) -> None:
        """A cache is gone at once."""
        self.simulator.store.vanish(cache)

    def set(self, **settings: Any) -> None:
        """Change settings."""
        self.simulator.live.now = replace(self.simulator.live.now, **settings)
        self.simulator.store.touch_all()

    def calls(self, operation: str) -> list[dict[str, Any]]:
        """The calls that came, oldest first."""
        return [call for call in self.simulator.journal.since(0) if call["operation"] == operation]

    def made(self) -> dict[str, str]:
        """Whose POST has made which cache: access key by id."""
        return {call["cache_id"]: call["credential"] for call in self.calls(CREATE) if call["work_done"]}


class WatchedCluster(StormyCluster):
    """A calm API server; `watched` is told of each version of each object as it comes to be."""

    def __init__(self, number: int) -> None:
        super().__init__(Random(number))
        self.watched: Callable[[Body], None] = lambda _body: None

    def put(self, body: Mapping[str, Any]) -> Body:
        """See `FakeKubernetes`."""
        kept = super().put(body)
        self.watched(kept)
        return kept


class OneKey:
    """Credentials that never change."""

    def __init__(self, access_key: str) -> None:
        self._credentials = Credentials(AccessKey(access_key, SecretStr(SECRET_KEY)))

    def current(self) -> Credentials:
        """See `CredentialsSource`."""
        return self._credentials


class Operator(Process):
    """A process that talks HTTP to the cloud."""

    def __init__(self, cluster: StormyCluster, cloud: Cloud, access_key: str, clock: LoopClock) -> None:
        self._http = httpx.AsyncClient(transport=cloud.wire, trust_env=False)
        sessions = Sessions(
            self._http,
            Endpoints(region=REGION, allowed=HUAWEI_DOMAINS),
            OneKey(access_key),
            request_timeout=5.0,
            clock=clock,
            meter=lambda _operation, _outcome, _seconds: None,
        )
        defaults = sessions.defaults(Defaults(REGION, None, cluster_id=BUILDER))
        super().__init__(cluster, sessions, clock, defaults=defaults, idle_interval=IDLE)

    async def kill(self) -> None:
        """See `Process`."""
        await super().kill()
        await self._http.aclose()


class Team:
    """One cluster with its operator, and a user who works with one object in it."""

    def __init__(
        self,
        cloud: Cloud,
        clock: LoopClock,
        number: int = 0,
        *,
        operator: Callable[[StormyCluster, Cloud, str, LoopClock], Process] = Operator,
    ) -> None:
        self._operator = operator
        self.cloud = cloud
        self.clock = clock
        self.access_key = ACCESS_KEYS[number]
        self.cluster = WatchedCluster(number)
        self.operator = operator(self.cluster, cloud, self.access_key, clock)
        self._uids = (f"uid-{number}-{count}" for count in range(100))

    async def restart(self) -> None:
        """Kill the operator at whatever it is doing, and start it again."""
        await self.operator.kill()
        self.operator = self._operator(self.cluster, self.cloud, self.access_key, self.clock)

    def apply(self, name: str = "web", **spec: Any) -> None:
        """A user applies an object."""
        made = body(
            name=name,
            uid=next(self._uids),
            spec={"images": ["nginx"]} | spec,
            status={},
            created=self.clock.now().replace(microsecond=0),
            finalizers=[],
        )
        made["metadata"]["generation"] = 1
        self.cluster.put(made)

    def edit(self, key: Key = WEB, **spec: Any) -> None:
        """A user changes the spec."""
        self.cluster.edit(key, lambda it: it["spec"].update(spec))

    def delete(self, key: Key = WEB) -> None:
        """A user deletes the object."""
        moment = format_time(self.clock.now().replace(microsecond=0))
        self.cluster.edit(key, lambda it: it["metadata"].update(deletionTimestamp=moment))

    def body(self, key: Key = WEB) -> Body:
        """The object as it is; an empty one when it is gone."""
        return self.cluster.objects.get(key, {})

    def status(self, key: Key = WEB) -> Body:
        """Its status."""
        return self.body(key).get("status") or {}

    def reason(self, key: Key = WEB) -> str:
        """The reason of Ready."""
        conditions = self.status(key).get("conditions") or [{}]
        return str(conditions[0].get("reason", ""))

    def ready(self, key: Key = WEB) -> bool:
        """Whether it is Ready as it is specified now."""
        it = self.body(key)
        conditions = self.status(key).get("conditions") or [{}]
        told = conditions[0].get("status"), conditions[0].get("observedGeneration")
        return bool(it) and told == ("True", it["metadata"]["generation"])

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The calls of this team's operator."""
        return [call for call in self.cloud.calls(operation) if call["credential"] == self.access_key]

    def message(self, key: Key = WEB) -> str:
        """The message of Ready."""
        conditions = self.status(key).get("conditions") or [{}]
        return str(conditions[0].get("message", ""))

    async def until(self, look: Callable[[], bool], *, within: float = 900.0) -> None:
        """Wait, in virtual time, until it is so."""
        step = max(within / LOOKS, 0.1)
        for _ in range(int(within / step)):
            if look():
                return
            await asyncio.sleep(step)
        raise AssertionError(f"not within {within:g} s; it stands: {self.body(WEB)}")

    async def until_reason(self, *reasons: str, within: float = 900.0) -> None:
        """Wait until Ready shows one of the reasons."""
        await self.until(lambda: self.reason() in reasons, within=within)

    async def until_gone(self, within: float = 900.0) -> None:
        """Wait until the object is gone."""
        await self.until(lambda: WEB not in self.cluster.objects, within=within)


def unseemly(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The DELETEs that came to a cache that was Deleting already, or gone."""
    return [call for call in calls if call["cache_status"] in {"Deleting", "absent"}]
