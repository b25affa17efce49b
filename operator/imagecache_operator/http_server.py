"""The operator's own HTTP: `/metrics`, `/livez` and `/readyz`."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], str | None]
"""Returns what is wrong, None when all is well."""


class AddressTakenError(Exception):
    """An address cannot be listened on; the sentence says which and why."""


class HttpServer:
    """Serves plain GETs on one address."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._app = web.Application()
        self._runner: web.AppRunner | None = None

    def metrics(self, registry: CollectorRegistry) -> None:
        """Serve `/metrics`."""

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        self._app.router.add_get("/metrics", answer)

    def check(self, path: str, check: Check) -> None:
        """Serve a check: 200 `ok`, or 503 and what is wrong."""

        async def answer(_request: web.Request) -> web.Response:
            wrong = check()
            return web.Response(text="ok\n") if wrong is None else web.Response(status=503, text=f"{wrong}\n")

        self._app.router.add_get(path, answer)

    async def start(self) -> None:
        """Listen.

        Raises:
            AddressTakenError: the address is taken, or not of this machine.
        """
        self._runner = web.AppRunner(self._app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host or None, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            reason = error.strerror or str(error)
            raise AddressTakenError(
                f"Cannot listen on {self._host or '*'}:{self._port}: {reason}. Choose another address, or `off`."
            ) from error

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
