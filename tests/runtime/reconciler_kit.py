"""A reconciler between a fake API server and a fake cloud; its watch is the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.decision.builders import HERE, ID, body, rfc
from tests.runtime.assembly import assemble
from tests.runtime.fakes import GET, FakeKubernetes, FakeSessions
from tests.runtime.virtual_time import EPOCH, LoopClock, settle

from imagecache_operator.identity import Location
from imagecache_operator.imagecache import Key
from imagecache_operator.limiter import WriteLimiter
from imagecache_operator.names import FINALIZER, RECONCILE_ANNOTATION

KEY = Key("team-a", "web")
OTHER_ID = "d271e39e-1a6e-4d3d-8fa8-2a36329c68d2"
MADE, MADE_NEXT = "a0000000-0000-0000-0000-000000000001", "a0000000-0000-0000-0000-000000000002"
"""What the cloud makes of the first two POSTs."""
CREATED = EPOCH - timedelta(days=1)

Change = Callable[[dict[str, Any]], None]


def delete(changed: dict[str, Any]) -> None:
    """What the API server does to an object with finalizers that is deleted."""
    changed["metadata"]["deletionTimestamp"] = rfc(EPOCH)


def retain(changed: dict[str, Any]) -> None:
    """A person's word."""
    changed["spec"]["deletionPolicy"] = "Retain"


def hurry(changed: dict[str, Any]) -> None:
    """A person asks to look at once."""
    changed["metadata"].setdefault("annotations", {})[RECONCILE_ANNOTATION] = "now"


def touch(changed: dict[str, Any]) -> None:
    """Somebody else's label."""
    changed["metadata"]["labels"] = {"touched": "true"}


def born(number: int) -> dict[str, Any]:
    """The metadata of an object that was created so many minutes after the first."""
    return {"created": CREATED + timedelta(minutes=number), "uid": f"uid-{number}"}


class Kit:
    """The reconciler and what is around it."""

    def __init__(self, clock: LoopClock, *, writes_per_minute: int = 10) -> None:
        self.clock = clock
        self.kubernetes = FakeKubernetes()
        self.sessions = FakeSessions(clock)
        self.cloud = self.sessions.client
        self.writes_per_minute = writes_per_minute
        self.start()
        self.busy: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """A process of the operator."""
        self.accounts, self.reconciler, self.metrics = assemble(
            self.kubernetes, self.sessions, self.clock, writes_per_minute=self.writes_per_minute
        )
        self.reconciler.queue.start()

    async def restart(self, *, after: float = 0.0) -> None:
        """The process is killed, wherever it is; the next one begins with the objects as the API server has them."""
        await self.stop()
        await asyncio.sleep(after)
        self.start()
        for made in list(self.kubernetes.objects.values()):
            self.reconciler.objects.upsert(made)
        self.reconciler.objects.seed_limiters()

    def make(self, **changes: Any) -> Key:
        """A live object that is bound to the cache and was seen Available; the watch tells of it."""
        made = self.kubernetes.put(body(**({"created": CREATED} | changes)))
        self.reconciler.objects.upsert(made)
        return Key(made["metadata"]["namespace"], made["metadata"]["name"])

    def edit(self, *changes: Change, key: Key = KEY, watched: bool = True) -> dict[str, Any]:
        """Change the object as a user would; the watch tells of it, unless it is deaf."""
        for change in changes:
            made = self.kubernetes.edit(key, change)
        if watched:
            self.reconciler.objects.upsert(made)
        return made

    def apply(self, spec: dict[str, Any] | None = None, **changes: Any) -> Key:
        """An object that has its cache created, as a user applies it."""
        spec = {"images": ["nginx"]} | (spec or {})
        return self.make(**({"spec": spec, "status": {}, "finalizers": []} | changes))

    async def post_that_waits_for_its_turn(self) -> asyncio.Event:
        """A creation whose intent is written, and whose POST waits behind three other calls of the access key."""
        writing = self.kubernetes.holds["patch_status"] = asyncio.Event()
        self.apply(finalizers=[FINALIZER])
        await settle()
        [account] = self.accounts
        hold = self.cloud.hold(GET)
        self.busy.extend(asyncio.create_task(account.get(f"id-{number}")) for number in range(3))
        await settle()
        del self.kubernetes.holds["patch_status"]
        writing.set()
        await settle()
        assert "answer" not in self.status()["creation"]
        return hold

    async def started_deletion(self) -> None:
        """An object whose cache is there is deleted, and all is settled that can be."""
        self.cloud.put(ID)
        self.make()
        await settle()
        self.edit(delete)
        await settle()

    def status(self, key: Key = KEY) -> dict[str, Any]:
        """The object's status at the API server."""
        status: dict[str, Any] = self.kubernetes.objects[key]["status"]
        return status

    def reason(self, key: Key = KEY) -> str:
        """The reason of Ready."""
        return str(self.status(key)["conditions"][0]["reason"])

    def limiter(self, location: Location = HERE) -> WriteLimiter:
        """The limiter of the location."""
        return self.accounts.limiter(location)

    def moving(self) -> bool:
        """Whether any account thinks that something is in motion."""
        return any(account._pace.in_motion for account in self.accounts)

    def passes(self, result: str) -> float:
        """How many passes ended so."""
        return self.metrics.registry.get_sample_value("imagecache_operator_reconcile_total", {"result": result}) or 0.0

    def released(self, outcome: str) -> float:
        """How many objects were let go so."""
        name = "imagecache_operator_released_total"
        return self.metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0.0

    async def stop(self) -> None:
        """End everything."""
        await self.reconciler.stop(0.0)
        await self.accounts.stop()


def message(kit: Kit, key: Key) -> str:
    """What the object says."""
    return str(kit.status(key)["conditions"][0]["message"])
