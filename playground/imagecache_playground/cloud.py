"""The CCE simulator as a process, and its control path."""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imagecache_playground.processes import Program, bare_environment, wait_for

BUILDER = "c271e39f-1a6e-4d3d-8fa8-2a36329c68d2"
"""The cluster that builds caches; the simulator takes any."""

REGION = "cn-north-4"
PROJECT = "0123456789abcdef0123456789abcdef"
ACCESS_KEY = "AKEXAMPLE0000000000"
SECRET_KEY = "SKEXAMPLE00000000000000000000000000000000"  # noqa: S105 (the simulator's made-up key)

_LISTENING = re.compile(r"listening on (http://\S+)")


class Cloud:
    """A running simulator.

    Args:
        directory: for scenario and log.
        scenario: see the simulator's README.
    """

    def __init__(self, directory: Path, scenario: Mapping[str, Any] | None = None, *, port: int = 0) -> None:
        path = directory / "scenario.json"
        path.write_text(json.dumps(scenario or {}), encoding="utf-8")
        self._command = [sys.executable, "-m", "cce_simulator", "--port", str(port), "--scenario", str(path)]
        self._log = directory / "simulator.log"
        self.program = Program(self._command, bare_environment(), self._log)
        self.endpoint = wait_for(self._address, what="the simulator listens", seconds=20, stand=self.program.said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.stop()

    def _address(self) -> str | None:
        if not self.program.running:
            raise RuntimeError(f"the simulator ended: {self.program.said()}")
        found = _LISTENING.search(self.program.said())
        return found[1] if found else None

    # --- control path

    def control(self, method: str, path: str, body: object = None) -> Any:
        """One request to the control path; returns its JSON, None for an empty answer."""
        request = urllib.request.Request(  # noqa: S310 (http to our own child)
            f"{self.endpoint}/_control/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(text) if text else None

    def settings(self, **changes: Any) -> None:
        """Change settings of the simulator."""
        self.control("PATCH", "settings", changes)

    def add_cache(self, name: str, **fields: Any) -> str:
        """Put a cache there; returns its id."""
        added = self.control("POST", "caches", {"name": name, **fields})
        return str(added["caches"][0]["id"])

    def add_caches(self, caches: list[dict[str, Any]]) -> list[str]:
        """Put many caches there; returns their ids in the same order."""
        return [str(cache["id"]) for cache in self.control("POST", "caches", {"caches": caches})["caches"]]

    def change_cache(self, cache_id: str, **changes: Any) -> None:
        """Change a cache behind everybody's back."""
        self.control("PATCH", f"caches/{cache_id}", changes)

    def vanish(self, cache_id: str) -> None:
        """Let a cache disappear."""
        self.control("DELETE", f"caches/{cache_id}")

    def clear(self) -> None:
        """Let all caches disappear, and forget calls and faults."""
        self.control("DELETE", "caches")
        self.control("DELETE", "faults")
        self.control("DELETE", "calls")
        self.settings(forget_writes=True)

    def cache(self, cache_id: str) -> dict[str, Any] | None:
        """The true state of a cache, None when there is none."""
        return self.caches().get(cache_id)

    def caches(self) -> dict[str, dict[str, Any]]:
        """All caches by their ids."""
        projects = self.control("GET", "state")["projects"].values()
        return {cache["id"]: cache for project in projects for cache in project["caches"]}

    def calls(self, operation: str | None = None, cache_id: str | None = None) -> list[dict[str, Any]]:
        """The calls that were made, oldest first."""
        calls = self.control("GET", "calls")["calls"]
        return [
            call for call in calls if operation in {None, call["operation"]} and cache_id in {None, call["cache_id"]}
        ]

    def fault(self, kind: str, **fields: Any) -> int:
        """Order a fault; returns its number."""
        return int(self.control("POST", "faults", {"kind": kind, **fields})["ids"][0])

    def clear_faults(self) -> None:
        """Withdraw all faults."""
        self.control("DELETE", "faults")
