"""One run: an object is created, followed, replaced and deleted, and the operator dies at a point on the way."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagecache_chaos.judge import Verdict, judge
from imagecache_chaos.nursery import Nursery
from imagecache_chaos.weather import Weather
from imagecache_controlplane import ControlPlane
from imagecache_playground.cloud import Cloud
from imagecache_playground.cluster import GROUP_PATH, Object, condition, manifest

POLL = 0.05
PATIENCE = 30.0
"""Seconds for each part of a circle; those with a death in them take three."""

LAST_WORDS = 0.3
"""Seconds for a death at the very end."""

NAME = "web"


class StuckError(Exception):
    """A part of the circle did not end in time; the text is what was waited for, and how it stands."""


class Line:
    """One connection to the API server that stays open, as thousands of looks go over it."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        address = urllib.parse.urlsplit(plane.server)
        assert address.hostname is not None
        trust = ssl.create_default_context(cafile=str(plane.ca_file))
        self._connection = http.client.HTTPSConnection(address.hostname, address.port, context=trust, timeout=30)
        self._headers = {"Authorization": f"Bearer {plane.admin_token}", "Accept": "application/json"}
        self._namespace = namespace

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def create(self, **spec: Any) -> None:
        """Create the object."""
        self._request("POST", "", manifest(self._namespace, NAME, **spec), "application/json")

    def get(self) -> Object | None:
        """The object, None when it is gone."""
        return self._request("GET", NAME)

    def patch(self, patch: dict[str, Any]) -> None:
        """Merge-patch the object."""
        self._request("PATCH", NAME, patch, "application/merge-patch+json")

    def delete(self) -> None:
        """Ask for its deletion."""
        self._request("DELETE", NAME)

    def _request(self, method: str, name: str, body: Object | None = None, content_type: str = "") -> Object | None:
        path = f"{GROUP_PATH}/namespaces/{self._namespace}/imagecaches" + (f"/{name}" if name else "")
        headers = self._headers | ({"Content-Type": content_type} if body is not None else {})
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        found: Object = json.loads(text)
        return found


@dataclass(frozen=True)
class Plan:
    """One run; `points`: where each process in turn dies. The one after the last lives."""

    weather: str
    points: tuple[str, ...] = ()


@dataclass
class Run:
    """What came of a plan; `deaths`: how many of its points were reached."""

    plan: Plan
    deaths: int = 0
    stuck: str = ""
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def good(self) -> bool:
        """Whether all is as it must be."""
        return not self.stuck and not self.verdict.faults


class Circle:
    """A namespace, a cloud and a nursery, in which one run comes after the other."""

    def __init__(self, line: Line, cloud: Cloud, nursery: Nursery) -> None:
        self._line = line
        self._cloud = cloud
        self._nursery = nursery
        self._fair: dict[str, Any] = cloud.control("GET", "settings")["settings"]["switches"]
        self._plan = Plan("fair")
        self._deaths = 0

    def run(self, plan: Plan, weather: Weather, record: Path | None = None) -> Run:
        """Carry it out, in a cloud without caches, and leave none behind."""
        began = time.monotonic()
        self._plan, self._deaths = plan, 0
        self._cloud.clear()
        self._cloud.settings(switches=self._fair | weather.switches)
        for fault in weather.faults:
            self._cloud.fault(**fault)
        self._nursery.start(self._next(), record)
        run = Run(plan)
        try:
            self._live()
        except StuckError as stuck:
            run.stuck = str(stuck)
        run.deaths = self._deaths + self._dies_at_the_end()
        run.verdict = judge(self._cloud.calls(), self._cloud.caches(), weather.stale)
        self._nursery.kill()
        if run.stuck:
            self._clean_up()
        run.seconds = time.monotonic() - began
        return run

    def _dies_at_the_end(self) -> bool:
        """Whether one who is yet to die does so now that the object is gone: that is seen before its death is."""
        deadline = time.monotonic() + LAST_WORDS
        while self._next() is not None and time.monotonic() < deadline:
            if self._nursery.has_died():
                return True
            time.sleep(POLL)
        return False

    def _next(self) -> str | None:
        """Where the next process dies."""
        points = self._plan.points
        return points[self._deaths] if self._deaths < len(points) else None

    def _live(self) -> None:
        self._line.create(images=["nginx"], sizeGiB=20, recreateOn=["SpecChanged"])
        first = self._ready("created", generation=1)
        self._follow(first)
        self._line.patch({"spec": {"images": ["nginx", "busybox"], "sizeGiB": 30}})
        second = self._ready("replaced", generation=2)
        if first == second:
            raise StuckError("Ready as specified, with the old cache")
        self._line.delete()
        self._wait("deleted", lambda it: it is None)

    def _follow(self, cache_id: str) -> None:
        """The cloud says another word of the cache for a while."""
        self._cloud.change_cache(cache_id, status="Unavailable")
        self._wait("followed", lambda it: condition(it, "Ready").get("status") == "False")
        self._cloud.change_cache(cache_id, status="Available")

    def _ready(self, what: str, *, generation: int) -> str:
        def look(it: Object | None) -> bool:
            ready = condition(it, "Ready")
            return ready.get("status") == "True" and ready.get("observedGeneration") == generation

        found = self._wait(what, look)
        assert found is not None
        return str(found["status"]["imageCacheID"])

    def _wait(self, what: str, look: Callable[[Object | None], bool]) -> Object | None:
        """Look until it is so; an operator that dies meanwhile is started again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._nursery.has_died():
                self._deaths += 1
                if self._deaths > len(self._plan.points):
                    raise StuckError("the operator has ended where it should not")
                self._nursery.start(self._next())
            found = self._line.get()
            if look(found):
                return found
            if time.monotonic() > deadline:
                raise StuckError(f"not {what} within {PATIENCE:g} s; it stands: {(found or {}).get('status')}")
            time.sleep(POLL)

    def _clean_up(self) -> None:
        """Take a stuck object away, so that the next run begins with none."""
        if self._line.get() is not None:
            self._line.patch({"metadata": {"finalizers": []}})
            self._line.delete()
