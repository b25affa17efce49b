"""The ledger of caches that were left in the cloud on purpose: a ConfigMap, so that they are not forgotten.

Best effort: it never holds anything up. What cannot be written is in the log and in Events all the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from imagecache_operator.clock import Clock
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, KubernetesError
from imagecache_operator.model import format_time

CONFIG_MAP = "imagecache-retained"
KEY = "caches"
"""The key of the ConfigMap: one JSON object per line, the newest last."""

ENTRIES_MAX = 200
RETRY = 5.0
"""Seconds before an entry that could not be written is tried again."""

WHY_MAX = 512
"""Characters of the reason that are kept, so that 200 entries stay far below the size of a ConfigMap."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One cache that stays; None where it was not known."""

    id: str | None
    name: str | None
    endpoint: str | None
    region: str | None
    project: str | None
    object: str
    time: str
    why: str


class Ledger:
    """Writes entries in the background.

    Args:
        kubernetes: the API server.
        namespace: the operator's own; None: there is none, and nothing is written.
        clock: where time comes from.
    """

    def __init__(self, kubernetes: KubernetesClient, namespace: str | None, clock: Clock) -> None:
        self._kubernetes = kubernetes
        self._namespace = namespace
        self._clock = clock
        self._waiting: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self._withdrawn: set[Entry] = set()
        self._ready = asyncio.Event()
        self._complaint = ""

    def note(self, resource: ImageCache, why: str, cache_id: str | None) -> Entry:
        """Have it written that the object's cache stays; returns at once."""
        seen_by = resource.status.seen_by
        entry = Entry(
            id=cache_id,
            name=resource.status.name or resource.cloud_name,
            endpoint=seen_by.endpoint if seen_by is not None else None,
            region=seen_by.region if seen_by is not None else resource.spec.region,
            project=seen_by.project_id if seen_by is not None else resource.spec.project_id,
            object=str(resource.key),
            time=format_time(self._clock.now().replace(microsecond=0)),
            why=why[:WHY_MAX],
        )
        self._waiting.append(entry)
        self._ready.set()
        return entry

    def withdraw(self, entry: Entry) -> None:
        """Have it taken out again, because it did not come true; returns at once."""
        if entry in self._waiting:
            self._waiting.remove(entry)
        # Also then: a write that failed may have been carried out.
        self._withdrawn.add(entry)
        self._ready.set()

    @property
    def waiting(self) -> int:
        """How many entries are not written yet."""
        return len(self._waiting)

    @property
    def withdrawn(self) -> int:
        """How many entries are not taken out yet."""
        return len(self._withdrawn)

    @property
    def complaint(self) -> str:
        """Why the newest attempt failed; empty when it did not."""
        return self._complaint

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._ready.wait()
            if not await self._write():
                await asyncio.sleep(RETRY)

    async def flush(self, seconds: float) -> None:
        """Write what waits, for as long as that."""
        if self._waiting or self._withdrawn:
            try:
                async with asyncio.timeout(seconds):
                    await self._write()
            except TimeoutError:
                logger.warning("%d lines of the ledger were not written", len(self._waiting))

    async def _write(self) -> bool:
        """Write all that waits, at once; whether it is written."""
        entries, withdrawn = list(self._waiting), frozenset(self._withdrawn)
        if self._namespace is not None and (entries or withdrawn):
            try:
                await self._change(self._namespace, entries, withdrawn)
            except ConflictError:
                return False
            except KubernetesError as error:
                if str(error) != self._complaint:
                    logger.warning("The ConfigMap %s/%s cannot be written: %s", self._namespace, CONFIG_MAP, error)
                self._complaint = str(error)
                return False
            self._complaint = ""
        for entry in entries:
            if self._waiting and self._waiting[0] is entry:
                self._waiting.popleft()
        self._withdrawn -= withdrawn
        if not self._waiting and not self._withdrawn:
            self._ready.clear()
        return True

    async def _change(self, namespace: str, entries: Sequence[Entry], withdrawn: Collection[Entry]) -> None:
        found = await self._kubernetes.get_config_map(namespace, CONFIG_MAP)
        new = [_line(entry) for entry in entries]
        # Those that are new might be there, too, from a write whose answer was lost.
        replaced = {*new, *map(_line, withdrawn)}
        kept = [line for line in str((found.get("data") or {}).get(KEY, "")).splitlines() if line not in replaced]
        lines = (kept + new)[-ENTRIES_MAX:]
        version = (found.get("metadata") or {}).get("resourceVersion")
        patch = {"metadata": {"resourceVersion": version}, "data": {KEY: "".join(f"{line}\n" for line in lines)}}
        await self._kubernetes.patch_config_map(namespace, CONFIG_MAP, patch)


def _line(entry: Entry) -> str:
    return json.dumps({name: value for name, value in asdict(entry).items() if value is not None})
