"""When things happened in the cluster: a watch that notes the time of each event on the monotonic clock.

On Linux that clock is one for all processes, so its times can be compared with those in the simulator's log.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Collection
from types import TracebackType
from typing import Any, Self

from imagecache_controlplane import ControlPlane
from imagecache_playground.cluster import GROUP_PATH
from imagecache_playground.processes import wait_for

# Objects without spec and status: reading the watch must not take the time of those who are measured.
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Watch:
    """Watches the ImageCaches of one namespace.

    Attributes:
        changed: the first change of each object after its creation.
        gone: the end of each object.
    """

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.changed: dict[str, float] = {}
        self.gone: dict[str, float] = {}
        self._plane = plane
        self._path = f"{GROUP_PATH}/namespaces/{namespace}/imagecaches?watch=true"
        self._version = ""
        self._closed = False
        self._connect()
        self._thread = threading.Thread(target=self._read, name="watch", daemon=True)
        self._thread.start()

    def _connect(self) -> None:
        address = urllib.parse.urlsplit(self._plane.server)
        assert address.hostname is not None
        trust = ssl.create_default_context(cafile=str(self._plane.ca_file))
        self._connection = http.client.HTTPSConnection(address.hostname, address.port, context=trust)
        self._connection.request(
            "GET",
            self._path + (f"&resourceVersion={self._version}" if self._version else ""),
            headers={"Authorization": f"Bearer {self._plane.admin_token}", "Accept": _METADATA_ONLY},
        )
        # Kept: with the answer in hand, http.client counts the socket as the answer's.
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        if self._answer.status != 200:
            raise RuntimeError(f"watch: {self._answer.status} {self._answer.read(500)!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._connection.close()

    def wait_gone(self, names: Collection[str], seconds: float) -> float:
        """Wait for the end of all these objects; returns when the last of them went."""
        wanted = set(names)
        wait_for(
            lambda: wanted <= self.gone.keys(),
            what=f"{len(wanted)} objects are gone",
            seconds=seconds,
            stand=lambda: f"{len(wanted - self.gone.keys())} are left",
        )
        return max(self.gone[name] for name in wanted)

    def _read(self) -> None:
        while not self._closed:
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
                while line := self._answer.readline():
                    self._note(json.loads(line), time.monotonic())
            if not self._closed:
                # A busy API server ends the watch of a client that is slow to read; what was missed comes again.
                self._connection.close()
                self._connect()

    def _note(self, event: dict[str, Any], now: float) -> None:
        meta = event["object"].get("metadata", {})
        self._version = meta.get("resourceVersion") or self._version
        name = meta.get("name", "")
        if event["type"] == "MODIFIED":
            self.changed.setdefault(name, now)
        elif event["type"] == "DELETED":
            self.gone[name] = now
