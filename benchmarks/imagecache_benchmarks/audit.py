"""Who asked the API server for what: its audit log, which counts each request once, whatever its answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
OPERATOR_USER = "system:serviceaccount:imagecache-system:imagecache-operator"


class AuditLog:
    """Reads the log from where the last look ended; of one user, the operator unless told otherwise."""

    def __init__(self, path: Path, user: str = OPERATOR_USER) -> None:
        self.path = path
        self._user = user
        self._offset = 0

    def skip(self) -> None:
        """Forget what was asked so far."""
        self._offset = self.path.stat().st_size if self.path.exists() else 0

    def requests(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """The user's requests since the last look (those for a namespace)."""
        with self.path.open("rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        entries = (json.loads(line) for line in whole.splitlines() if self._user.encode() in line)
        return [
            entry
            for entry in entries
            if entry["user"]["username"] == self._user
            and (namespace is None or entry.get("objectRef", {}).get("namespace") == namespace)
        ]

    def writes(self, namespace: str) -> Counter[str]:
        """The user's writes since the last look, by what was written; Events aside."""
        counted: Counter[str] = Counter()
        for entry in self.requests(namespace):
            target = entry.get("objectRef", {})
            if entry["verb"] in WRITES and target.get("resource") != "events":
                what = "/".join(word for word in (target["resource"], target.get("subresource")) if word)
                counted[what] += 1
        return counted


def refused(requests: Iterable[Mapping[str, Any]]) -> list[str]:
    """The requests that no role allows; a namespace that is being deleted forbids Events for another reason."""
    return [
        f"{request['verb']} {request['requestURI']}"
        for request in requests
        if request.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid" and "objectRef" in request
    ]


def used(requests: Iterable[Mapping[str, Any]], named: Collection[str]) -> set[tuple[str, str, str]]:
    """The permissions that granted requests made use of: group, resource, verb.

    Args:
        requests: of one account.
        named: resources that roles allow by name only; theirs is added after a slash.
    """
    found = set()
    for request in requests:
        target = request.get("objectRef")
        if target is None or not 200 <= request["responseStatus"]["code"] < 400:
            continue
        resource = "/".join(word for word in (target["resource"], target.get("subresource")) if word)
        if resource in named and request["verb"] != "create":
            resource = f"{resource}/{target['name']}"
        found.add((target.get("apiGroup", ""), resource, request["verb"]))
    return found
