"""`imagecache-operator release`: takes our finalizer off without touching the cloud, and tells what stays there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from imagecache_operator.clock import SystemClock
from imagecache_operator.commands.access import no_objects, open_kubernetes
from imagecache_operator.commands.arguments import CommandError, UsageError
from imagecache_operator.commands.output import complain, say
from imagecache_operator.commands.standstill import scale_down, stands_still
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.kubernetes_config import KubernetesConfigError
from imagecache_operator.ledger import CONFIG_MAP, Entry, Ledger
from imagecache_operator.names import FINALIZER
from imagecache_operator.patches import finalizer_removed
from imagecache_operator.settings import Settings
from imagecache_operator.settings_values import read_object_name, read_own_namespace

ATTEMPTS = 5
"""How often an object or the ledger is tried again after a conflict, which means that somebody was quicker."""

LEDGER_SECONDS = 10.0

LOOK_AGAIN_AFTER = 1.0
"""Seconds in which an operator that runs has put the finalizer back."""

WHY = "Released by the command `imagecache-operator release`; the cloud was not asked for anything."

PUT_BACK_BY_POLICY = (
    "the finalizer was put back at once, by a MutatingAdmissionPolicy or a webhook. Delete its binding (kubectl delete "
    "mutatingadmissionpolicybinding imagecache-finalizer, or see kubectl get mutatingadmissionpolicybindings), and "
    "call this again"
)
PUT_BACK_BY_OPERATOR = (
    "the finalizer was put back by an operator that runs. Stop it (kubectl scale deployment --replicas 0, or "
    "--scale-down), and call this again"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for; `keys` None: all objects."""

    keys: tuple[Key, ...] | None
    check: bool
    force: bool
    scale_down: str | None
    ledger_namespace: str | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Order:
        """Read the command line.

        Raises:
            UsageError: it asks for nothing, or for too much.
        """
        keys = tuple(dict.fromkeys(map(_key, options["objects"])))
        everything = options["all"] or (options["check"] and not keys)
        if bool(keys) == everything:
            raise UsageError("Name the objects as NAMESPACE/NAME, or give --all; not both.")
        if options["check"] and options["scale_down"] is not None:
            raise UsageError("--check changes nothing, so it does not go with --scale-down.")
        return cls(
            keys=None if everything else keys,
            check=options["check"],
            force=options["force"],
            scale_down=options["scale_down"],
            ledger_namespace=options["ledger_namespace"],
        )


def _key(text: str) -> Key:
    namespace, _, name = text.partition("/")
    try:
        return Key(read_own_namespace(namespace), read_object_name(name))
    except ValueError:
        raise UsageError(f"{text} does not name an object: write NAMESPACE/NAME.") from None


async def release(settings: Settings, order: Order) -> int:
    """Do it; returns the exit status.

    Raises:
        CommandError: nothing was done, and why.
    """
    clock = SystemClock()
    try:
        async with open_kubernetes() as kubernetes:
            if order.check:
                return await _check(kubernetes, settings, order)
            if order.scale_down is not None:
                await scale_down(kubernetes, settings, order.scale_down, clock)
            if not order.force:
                await stands_still(kubernetes, settings, clock)
            namespace = order.ledger_namespace or settings.own_namespace
            keys = order.keys
            if keys is None:
                keys = tuple(key for key, body in await _bodies(kubernetes, settings, order) if _held(body))
            return await Releaser(kubernetes, Ledger(kubernetes, namespace, clock), namespace).run(keys)
    except KubernetesConfigError as error:
        raise CommandError(str(error)) from None


async def _check(kubernetes: KubernetesClient, settings: Settings, order: Order) -> int:
    held = [key for key, body in await _bodies(kubernetes, settings, order) if _held(body)]
    for key in held:
        say(f"{key}: carries our finalizer\n")
    return 1 if held else 0


async def _bodies(
    kubernetes: KubernetesClient, settings: Settings, order: Order
) -> list[tuple[Key, Mapping[str, Any]]]:
    """The objects that are asked for and are there, as they came."""
    found: list[Mapping[str, Any]] = []
    namespaces = [None] if settings.namespaces is None else list(settings.namespaces)
    if order.keys is not None:
        namespaces = sorted({key.namespace for key in order.keys})
    try:
        for namespace in namespaces:
            found += [body async for body in kubernetes.list_objects(namespace)]
    except NotFoundError as error:
        if await _no_definition(kubernetes):
            return []
        raise no_objects(error) from None
    except KubernetesError as error:
        raise no_objects(error) from None
    keys = [Key(body["metadata"]["namespace"], body["metadata"]["name"]) for body in found]
    return [each for each in zip(keys, found, strict=True) if order.keys is None or each[0] in order.keys]


async def _no_definition(kubernetes: KubernetesClient) -> bool:
    """Whether the definition is gone, and every object with it; another 404 proves nothing."""
    try:
        await kubernetes.get_crd()
    except NotFoundError:
        return True
    except KubernetesError:
        return False
    return False


def _held(body: Mapping[str, Any]) -> bool:
    return FINALIZER in (body["metadata"].get("finalizers") or ())


@dataclass(frozen=True, slots=True)
class _Asked:
    """An object whose finalizer was to be taken off, and what was recorded; not `answered`: perhaps it was not."""

    resource: ImageCache
    entry: Entry | None
    answered: bool


class Releaser:
    """Takes objects one by one; one that fails does not stop the others.

    Args:
        kubernetes: the API server.
        ledger: where what stays is recorded.
        ledger_namespace: its namespace, None when there is none.
        look_again_after: seconds before it is made sure that the finalizers are still off.
    """

    def __init__(
        self,
        kubernetes: KubernetesClient,
        ledger: Ledger,
        ledger_namespace: str | None,
        *,
        look_again_after: float = LOOK_AGAIN_AFTER,
    ) -> None:
        self._kubernetes = kubernetes
        self._ledger = ledger
        self._ledger_namespace = ledger_namespace
        self._look_again_after = look_again_after
        self._asked: list[_Asked] = []
        self._recorded: list[Entry] = []
        self._failed = 0

    async def run(self, keys: Sequence[Key]) -> int:
        """Release them; returns the exit status: 1 when one failed, or when what stays was not recorded."""
        for key in keys:
            try:
                await self._release(key)
            except NotFoundError:
                say(f"{key}: is not there\n")
            except KubernetesError as error:
                self._fail(key, f"could not be released: {error}")
            except ValidationError:
                self._fail(key, "could not be read: use the version of the definition in the cluster")
        await self._look_again()
        if not keys:
            say("No object carries our finalizer.\n")
        told = await self._tell_ledger()
        return 0 if told and not self._failed else 1

    async def _release(self, key: Key) -> None:
        for attempt in range(ATTEMPTS):
            resource = ImageCache.parse(await self._kubernetes.get_object(key))
            if not resource.has_finalizer:
                say(f"{key}: does not carry our finalizer\n")
                return
            entry = await self._record(resource)
            try:
                left = await self._kubernetes.patch_object(key, finalizer_removed(resource))
            except KubernetesError as error:
                if error.status is None or not 400 <= error.status < 500:
                    self._asked.append(_Asked(resource, entry, answered=False))
                    raise
                self._take_back(entry)
                if isinstance(error, ConflictError) and attempt < ATTEMPTS - 1:
                    continue
                raise
            if _held(left):
                self._take_back(entry)
                self._fail(key, PUT_BACK_BY_POLICY)
                return
            say(f"{key}: released; {what_stays(resource)}\n")
            self._asked.append(_Asked(resource, entry, answered=True))
            return

    async def _record(self, resource: ImageCache) -> Entry | None:
        """Write down that its cache stays. First, so that whoever ends this command half-way loses nothing by it."""
        if not may_stay(resource):
            return None
        entry = self._ledger.note(resource, WHY, resource.cache_id)
        self._recorded.append(entry)
        await self._ledger.flush(LEDGER_SECONDS)
        return entry

    def _take_back(self, entry: Entry | None) -> None:
        """It carries our finalizer still, or again: no cache was left by this command."""
        if entry is not None:
            self._recorded.remove(entry)
            self._ledger.withdraw(entry)

    async def _look_again(self) -> None:
        """Whether an operator that nobody knew of has put the finalizer back, and what became of lost answers."""
        if self._asked:
            await asyncio.sleep(self._look_again_after)
        for asked in self._asked:
            key = asked.resource.key
            try:
                body = await self._kubernetes.get_object(key)
                held = _held(body) and body["metadata"]["uid"] == asked.resource.uid
            except NotFoundError:
                held = False
            except KubernetesError as error:
                if asked.answered:
                    self._fail(key, f"was released, and could not be looked at afterwards: {error}")
                continue
            if held:
                self._take_back(asked.entry)
            if held and asked.answered:
                self._fail(key, PUT_BACK_BY_OPERATOR)
            elif not held and not asked.answered:
                say(f"{key}: released all the same; {what_stays(asked.resource)}\n")

    async def _tell_ledger(self) -> bool:
        """Whether what stays is recorded, and nothing else."""
        where = f"{self._ledger_namespace}/{CONFIG_MAP}"
        for _ in range(ATTEMPTS):
            if self._ledger.waiting or self._ledger.withdrawn:
                await self._ledger.flush(LEDGER_SECONDS)
        if self._ledger.waiting:
            complain(f"{self._ledger.waiting} of the caches that stay were not recorded in the ConfigMap {where}.")
        elif self._ledger.withdrawn:
            complain(f"The ConfigMap {where} could not be corrected: it may name objects that were not released.")
        elif self._recorded and self._ledger_namespace is None:
            complain("What stays was not recorded: name the operator's namespace with --ledger-namespace.")
        else:
            if self._recorded:
                say(f"Recorded in the ConfigMap {where}.\n")
            return True
        return False

    def _fail(self, key: Key, sentence: str) -> None:
        self._failed += 1
        complain(f"{key}: {sentence}.")


def may_stay(resource: ImageCache) -> bool:
    """Whether there is, or may be, a cache of the object in the cloud."""
    creation = resource.status.creation
    return resource.cache_id is not None or (creation is not None and creation.open)


def what_stays(resource: ImageCache) -> str:
    """What of the object is left in the cloud."""
    cache_id, seen_by = resource.cache_id, resource.status.seen_by
    where = f"{seen_by.region}/{seen_by.project_id}" if seen_by is not None else resource.spec.region
    inside = f" in {where}" if where else ""
    name = resource.status.name or resource.cloud_name
    if cache_id is not None:
        return f"stays: {cache_id}{f' ({name})' if name else ''}{inside}"
    if may_stay(resource):
        return f"may be there, or come yet: a cache named {name}{inside}"
    return "no cache of it is known"
