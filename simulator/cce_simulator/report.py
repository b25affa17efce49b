"""The true state as JSON, for the control path."""

from __future__ import annotations

from typing import Any

from cce_simulator.agencies import Agencies
from cce_simulator.caches import STATUSES, Cache, CacheStore
from cce_simulator.clock import Clock
from cce_simulator.documents import document
from cce_simulator.faults import Faults
from cce_simulator.identity import Directory
from cce_simulator.journal import Journal
from cce_simulator.settings import LiveSettings
from cce_simulator.throttle import Throttle


class Report:
    """Reads everything, changes nothing."""

    def __init__(
        self,
        directory: Directory,
        agencies: Agencies,
        store: CacheStore,
        journal: Journal,
        faults: Faults,
        throttle: Throttle,
        live: LiveSettings,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._agencies = agencies
        self._store = store
        self._journal = journal
        self._faults = faults
        self._throttle = throttle
        self._live = live
        self._clock = clock

    def state(self, *, with_caches: bool) -> dict[str, Any]:
        """All of it; without the caches it costs the same however many there are."""
        return {
            "now": {"monotonic": self._clock.monotonic(), "wall": self._clock.wall()},
            "projects": {
                project.id: self._project(project.id, with_caches) for _, project in self._directory.projects()
            },
            "access_keys": self._keys(),
            "temporary_keys": self._agencies.as_json(),
            "tokens": self._directory.live_tokens(),
            "throttled": self._throttle.refused,
            "calls": {"total": self._journal.total, "kept": len(self._journal)},
            "faults": self._faults.as_json(),
            "paused": self._faults.is_paused(),
            "settings": self._live.now.as_json(),
        }

    def cache(self, cache: Cache) -> dict[str, Any]:
        """What the API shows of a cache, and what only the cloud knows."""
        now = self._clock.monotonic()
        shown = document(cache, self._live.now.switches, status=cache.status, message=cache.message)
        due = cache.due
        return shown | {
            "project": cache.project,
            "in_use": cache.in_use,
            "deletions": cache.deletions,
            "next": None if due is None else {"status": due.status or "gone", "in_seconds": due.at - now},
            "history": [
                {"status": moment.status, "monotonic": moment.at, "seconds_ago": now - moment.at}
                for moment in cache.history
            ],
        }

    def _project(self, project_id: str, with_caches: bool) -> dict[str, Any]:
        own = self._store.projects[project_id]
        known = self._directory.project(project_id)
        assert known is not None
        account, project = known
        counts = dict.fromkeys(STATUSES, 0) | {status: count for status, count in own.counts.items() if count}
        body: dict[str, Any] = {
            "name": project.name,
            "account": account.domain_id,
            "counts": counts,
            "total": len(own.by_id),
            "created_total": own.created_total,
            "gone_total": own.gone_total,
            "writes_in_window": self._throttle.writes_in_window(project_id),
        }
        if with_caches:
            body["caches"] = [self.cache(cache) for cache in own.by_id.values()]
        return body

    def _keys(self) -> dict[str, Any]:
        keys: dict[str, Any] = {}
        known = [key.access_key for account in self._directory.accounts for key in account.access_keys]
        for access_key in dict.fromkeys([*known, *self._directory.lockout.counted_keys()]):
            found = self._directory.key(access_key)
            keys[access_key] = {"enabled": found is not None and found[1].enabled, "known": found is not None}
            keys[access_key] |= self._directory.lockout.as_json(access_key)
        return keys
