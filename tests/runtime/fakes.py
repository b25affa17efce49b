"""A cloud and an API server in memory, behind the operator's own interfaces; tests hold, break and watch calls."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import SecretStr
from tests.decision.builders import US
from tests.runtime.virtual_time import LoopClock

from imagecache_operator.account import SessionOpener
from imagecache_operator.answers import Accepted, CreateAnswer, Created, DeleteAnswer, NotCreated, Refusal
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.account_ids import ACCOUNT_RETRY
from imagecache_operator.cloud.client import CloudClient, NotThere
from imagecache_operator.cloud.credentials import AccessKey, Credentials
from imagecache_operator.cloud.gate import IN_FLIGHT, KeyGate, Operation
from imagecache_operator.cloud.session import Session
from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.observation import Cache, CacheStatus, Trouble
from imagecache_operator.placement import Placement

LIST, GET, DELETE, CREATE = Operation.LIST, Operation.GET, Operation.DELETE, Operation.CREATE

FULL = NotCreated(Refusal.QUOTA, "403: the quota is used up")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call:
    """A call that reached the cloud."""

    operation: Operation
    begun: float
    cache_id: str = ""


class FakeClient(CloudClient):
    """The cloud of one location: `caches` is what is there, `troubles` what a call of that kind brings instead.

    `quota` is how many caches it takes, None for any number.

    A call that is held looks at the cloud when it begins, so its answer may be stale when it ends.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.caches: dict[str, Cache] = {}
        self.hide_deleting = False
        self.quota: int | None = None
        self.troubles: dict[Operation, Trouble | Exception] = {}
        self.answers: deque[DeleteAnswer] = deque()
        self.create_answers: deque[CreateAnswer] = deque()
        self.bodies: list[Mapping[str, Any]] = []
        self.calls: list[Call] = []
        self._holds: dict[Operation, asyncio.Event] = {}

    def put(
        self, cache_id: str, status: CacheStatus | str = CacheStatus.AVAILABLE, name: str = "web", **more: Any
    ) -> None:
        """Have such a cache."""
        self.caches[cache_id] = Cache(cache_id, name, status, **more)

    def build(self, body: Mapping[str, Any], **changes: Any) -> str:
        """Have a cache as a POST with that body makes it; returns its id."""
        cache_id = f"a0000000-0000-0000-0000-{len(self.bodies):012d}"
        building = body["building_config"]
        made = Cache(
            id=cache_id,
            name=body["name"],
            status=CacheStatus.CREATING,
            created_at=self._clock.now(),
            retention_days=body["retention_days"],
            size_gib=body["image_cache_size"],
            images=tuple(body["images"]),
            cluster_id=building["cluster"],
            pull_secrets=tuple(building.get("image_pull_secrets", ())),
        )
        self.caches[cache_id] = replace(made, **changes)
        return cache_id

    def become(self, cache_id: str, status: CacheStatus | str, message: str = "") -> None:
        """Let the cloud say another word of a cache."""
        self.caches[cache_id] = replace(self.caches[cache_id], status=status, message=message)

    def hold(self, operation: Operation) -> asyncio.Event:
        """Let calls of that kind that begin from now on hang until the event is set."""
        event = self._holds[operation] = asyncio.Event()
        return event

    def let_go(self, operation: Operation) -> None:
        """Calls that begin from now on do not hang."""
        self._holds.pop(operation, None)

    def count(self, operation: Operation) -> int:
        """How many calls of that kind came."""
        return sum(call.operation is operation for call in self.calls)

    def begun(self, operation: Operation) -> list[float]:
        """When calls of that kind came."""
        return [call.begun for call in self.calls if call.operation is operation]

    async def list(self) -> tuple[Cache, ...] | Trouble:
        """See `CloudClient`."""
        hidden = {CacheStatus.DELETING} if self.hide_deleting else set()
        return await self._reached(LIST, "", tuple(each for each in self.caches.values() if each.status not in hidden))

    async def get(self, cache_id: str) -> Cache | NotThere | Trouble:
        """See `CloudClient`."""
        return await self._reached(GET, cache_id, self.caches.get(cache_id, NotThere()))

    async def delete(self, cache_id: str) -> DeleteAnswer:
        """See `CloudClient`; without scripted answers the cache is Deleting from then on."""
        answer = self.answers.popleft() if self.answers else Accepted(self._clock.now(), "request-1")
        if isinstance(answer, Accepted) and cache_id in self.caches:
            self.become(cache_id, CacheStatus.DELETING)
        found = await self._reached(DELETE, cache_id, answer)
        assert not isinstance(found, Trouble)
        return found

    async def create(self, body: Mapping[str, Any]) -> CreateAnswer:
        """See `CloudClient`; without scripted answers there is such a cache from then on. `Lost` makes none."""
        self.bodies.append(body)
        full = self.quota is not None and len(self.caches) >= self.quota
        made_by_itself = FULL if full else Created("", "request-1")
        answer = self.create_answers.popleft() if self.create_answers else made_by_itself
        if isinstance(answer, Created):
            made = self.build(body)
            answer = Created(made, answer.request_id) if answer.cache_id is not None else answer
        found = await self._reached(CREATE, body["name"], answer)
        assert not isinstance(found, Trouble)
        return found

    async def _reached(self, operation: Operation, cache_id: str, answer: Answer) -> Answer | Trouble:
        self.calls.append(Call(operation, self._clock.monotonic(), cache_id))
        trouble = self.troubles.get(operation)
        if (event := self._holds.get(operation)) is not None:
            await event.wait()
        if isinstance(trouble, Exception):
            raise trouble
        return answer if trouble is None else trouble


def credentials(access_key: str = "AKAKAKAKAKAKAKAKAKAK") -> Credentials:
    """Credentials with that key."""
    return Credentials(AccessKey(access_key, SecretStr("made-up")))


class FakeSessions(SessionOpener):
    """Opens sessions with one client; `credentials` and `identity` may be changed at any time."""

    def __init__(self, clock: LoopClock, identity: Identity = US) -> None:
        self._clock = clock
        self.client = FakeClient(clock)
        self.identity = identity
        self.credentials = credentials()
        self.trouble: Trouble | None = None
        self.opened: list[float] = []
        self.proven: list[Credentials] = []

    async def open(self, placement: Placement) -> Session | Trouble:
        """See `SessionOpener`."""
        self.opened.append(self._clock.monotonic())
        if self.trouble is not None:
            return self.trouble
        gate = KeyGate(self._clock, asyncio.Semaphore(IN_FLIGHT))
        known = self.identity.account_id is not None
        reopen_at = float("inf") if known else self._clock.monotonic() + ACCOUNT_RETRY
        return Session(self.credentials, self.identity, self.client, gate, reopen_at)

    def version(self) -> Credentials:
        """See `SessionOpener`."""
        return self.credentials

    def worked(self, session: Session) -> None:
        """See `SessionOpener`."""
        self.proven.append(session.credentials)


class FakeKubernetes(KubernetesClient):
    """An API server with the objects that were put there; resource versions rise, stale patches conflict.

    `failures` are raised by the next calls of a verb (or of `verb key`), before they do anything; a verb in `holds`
    hangs first.
    """

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.crd: dict[str, Any] = {"metadata": {"name": "imagecaches.cce.huaweicloud.com"}}
        self.events: list[dict[str, Any]] = []
        self.config_maps: dict[tuple[str, str], dict[str, Any]] = {}
        self.secrets: dict[tuple[str, str], dict[str, Any]] = {}
        self.leases: dict[Key, dict[str, Any]] = {}
        self._lease_changed = asyncio.Event()
        self.calls: Counter[str] = Counter()
        self.patches: list[Any] = []
        self.failures: dict[str, deque[Exception | None]] = {}
        self.holds: dict[str, asyncio.Event] = {}
        self.listed: Callable[[], None] = lambda: None
        self._version = 100

    def fail(self, verb: str, *errors: Exception) -> None:
        """Have the next calls of the verb fail."""
        self.failures.setdefault(verb, deque()).extend(errors)

    def fail_nth(self, verb: str, number: int, error: Exception) -> None:
        """Have that call of the verb fail, counted from now on."""
        self.failures[verb] = deque([None] * (number - 1) + [error])

    def put(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace an object; returns it with its resource version."""
        kept = copy.deepcopy(dict(body))
        self._version += 1
        kept["metadata"]["resourceVersion"] = str(self._version)
        self.objects[Key(kept["metadata"]["namespace"], kept["metadata"]["name"])] = kept
        return copy.deepcopy(kept)

    def edit(self, key: Key, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Change an object as a user would; returns what the watch would tell. A new spec is a new generation."""
        body = copy.deepcopy(self.objects[key])
        change(body)
        if body["spec"] != self.objects[key]["spec"]:
            body["metadata"]["generation"] += 1
        return self.put(body)

    async def patch_status(self, key: Key, patch: Mapping[str, Any]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        body = await self._object("patch_status", key)
        self.patches.append(patch)
        wanted = patch["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != wanted:
            raise ConflictError(f"{key} is not at {wanted}", 409)
        body["status"] = _merged(body.get("status") or {}, patch["status"])
        return self.put(body)

    async def patch_object(self, key: Key, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """See `KubernetesClient`; serves what is done to finalizers."""
        body = await self._object("patch_object", key)
        self.patches.append(operations)
        test, *_, last = operations
        if body["metadata"]["resourceVersion"] != test["value"]:
            raise ConflictError(f"{key}: the test failed", 422)
        finalizers: list[str] = body["metadata"].setdefault("finalizers", [])
        if last["op"] == "remove":
            del finalizers[int(last["path"].rsplit("/", 1)[1])]
        else:
            finalizers += last["value"] if isinstance(last["value"], list) else [last["value"]]
        kept = self.put(body)
        if "deletionTimestamp" in kept["metadata"] and not finalizers:
            del self.objects[key]
        return kept

    async def get_object(self, key: Key) -> dict[str, Any]:
        """See `KubernetesClient`."""
        return await self._object("get_object", key)

    async def list_objects(self, namespace: str | None) -> AsyncIterator[dict[str, Any]]:
        """See `KubernetesClient`; `listed` is called when the list was read and before it is handed out."""
        await self._begin("list_objects")
        bodies = [copy.deepcopy(body) for key, body in self.objects.items() if namespace in {None, key.namespace}]
        self.listed()
        for body in bodies:
            yield body

    async def list_secrets(self, namespace: str | None) -> AsyncIterator[dict[str, Any]]:
        """See `KubernetesClient`."""
        await self._begin("list_secrets")
        for (within, _), secret in sorted(self.secrets.items()):
            if namespace in {None, within}:
                yield copy.deepcopy(secret)

    async def get_crd(self) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._begin("get_crd")
        return copy.deepcopy(self.crd)

    async def get_config_map(self, namespace: str, name: str) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._begin("get_config_map")
        if (namespace, name) not in self.config_maps:
            raise NotFoundError(f"{namespace}/{name} not found", 404)
        return copy.deepcopy(self.config_maps[namespace, name])

    async def patch_config_map(self, namespace: str, name: str, patch: Mapping[str, Any]) -> None:
        """See `KubernetesClient`."""
        await self._begin("patch_config_map")
        kept = self.config_maps[namespace, name]
        if patch["metadata"]["resourceVersion"] != kept["metadata"]["resourceVersion"]:
            raise ConflictError(f"{namespace}/{name} has changed", 409)
        self._version += 1
        kept["metadata"]["resourceVersion"] = str(self._version)
        kept["data"] = kept.get("data", {}) | patch["data"]

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        """See `KubernetesClient`."""
        await self._begin("create_event")
        self.events.append(dict(event))

    async def request(self, method: str, path: str, body: object = None, content_type: str = "") -> dict[str, Any]:
        """See `KubernetesClient`; only commands ask so, and they are tested with real servers."""
        raise AssertionError(f"{method} {path}")

    async def get_lease(self, where: Key) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._begin("get_lease")
        if where not in self.leases:
            raise NotFoundError(f"Lease {where} not found", 404)
        return copy.deepcopy(self.leases[where])

    async def create_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._begin("create_lease")
        if where in self.leases:
            raise ConflictError(f"Lease {where} exists", 409)
        return self.put_lease(where, {"metadata": {"name": where.name}, **lease})

    async def replace_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        await self._begin("replace_lease")
        if where not in self.leases:
            raise ConflictError(f"Lease {where}: the uid in the precondition is that of another", 409)
        if lease["metadata"]["resourceVersion"] != self.leases[where]["metadata"]["resourceVersion"]:
            raise ConflictError(f"Lease {where} has changed", 409)
        return self.put_lease(where, lease)

    async def watch_lease(self, where: Key, version: str) -> AsyncGenerator[dict[str, Any] | None, None]:
        """See `KubernetesClient`."""
        await self._begin("watch_lease")
        while True:
            now = self.leases.get(where)
            if str((now or {}).get("metadata", {}).get("resourceVersion", "")) != version:
                version = now["metadata"]["resourceVersion"] if now is not None else ""
                yield copy.deepcopy(now)
            await self._lease_changed.wait()

    def delete_lease(self, where: Key) -> None:
        """Somebody deletes it by hand."""
        del self.leases[where]
        self._tell_lease()

    def put_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """Somebody writes it, whatever its version."""
        self._version += 1
        kept = copy.deepcopy(dict(lease))
        kept["metadata"]["resourceVersion"] = str(self._version)
        self.leases[where] = kept
        self._tell_lease()
        return copy.deepcopy(kept)

    def _tell_lease(self) -> None:
        self._lease_changed.set()
        self._lease_changed = asyncio.Event()

    async def _object(self, verb: str, key: Key) -> dict[str, Any]:
        await self._begin(verb)
        self._raise_failure_of(f"{verb} {key}")
        if key not in self.objects:
            raise NotFoundError(f"{key} not found", 404)
        return copy.deepcopy(self.objects[key])

    async def _begin(self, verb: str) -> None:
        self.calls[verb] += 1
        if (event := self.holds.get(verb)) is not None:
            await event.wait()
        self._raise_failure_of(verb)

    def _raise_failure_of(self, name: str) -> None:
        if self.failures.get(name) and (error := self.failures[name].popleft()) is not None:
            raise error


def unreachable() -> KubernetesError:
    """No answer from the API server."""
    return KubernetesError("the API server could not be reached")


def _merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7386)."""
    merged = dict(old)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            merged[name] = _merged(old.get(name) or {}, value)
        else:
            merged[name] = value
    return merged
