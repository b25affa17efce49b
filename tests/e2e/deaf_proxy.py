"""A proxy before the API server that can swallow what the watch asks for, while all other requests pass."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from imagecache_controlplane import ControlPlane

POLL = 0.05
"""Seconds between two looks at the switch."""

WATCHER = "kopf/"
"""How the watching library names itself; the operator's own requests do not."""


class DeafProxy:
    """Plain HTTP on a port of this machine, for a kubeconfig.

    Attributes:
        deaf: while it is set, the watcher's requests get no answer, and its streams tell nothing. Cleared, they break,
            as when a network recovers.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self.deaf = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(plane, self.deaf))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deaf.clear()
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """The same access by way of the proxy."""
        config = yaml.safe_load(original.read_text(encoding="utf-8"))
        host, port = self._server.server_address[:2]
        config["clusters"][0]["cluster"] = {"server": f"http://{host!s}:{port}"}
        path.write_text(json.dumps(config), encoding="utf-8")
        return path


def _handler(plane: ControlPlane, deaf: threading.Event) -> type[BaseHTTPRequestHandler]:
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    target = plane.server.removeprefix("https://")

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            watcher = self.headers.get("User-Agent", "").startswith(WATCHER)
            if watcher and self._swallowed():
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: text for name, text in self.headers.items() if name.lower() not in {"host", "connection"}}
            with contextlib.closing(http.client.HTTPSConnection(target, context=trust)) as connection:
                connection.request(self.command, self.path, body or None, headers | {"Accept-Encoding": "identity"})
                response = connection.getresponse()
                self.send_response(response.status)
                for name in ("Content-Type", "Date"):
                    self.send_header(name, response.headers.get(name, ""))
                self.end_headers()
                while piece := response.read1():
                    if watcher and self._swallowed():
                        return
                    self.wfile.write(piece)
                    self.wfile.flush()

        def _swallowed(self) -> bool:
            """Hold still while it is deaf; whether it was."""
            was = deaf.is_set()
            while deaf.is_set():
                threading.Event().wait(POLL)
            return was

        def handle(self) -> None:
            # Whoever left does not hear the rest.
            with contextlib.suppress(OSError):
                super().handle()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 (as http.server looks for them)

    return Handler
