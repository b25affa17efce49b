"""A whole term against a server that is API server and cloud in one, with real sockets and kopf."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from kubernetes.aio.client import Configuration
from tests.decision.builders import body

from imagecache_operator.clock import SystemClock
from imagecache_operator.cloud.credentials_source import source_from
from imagecache_operator.cloud.session import Gates
from imagecache_operator.cloud.transport import open_client
from imagecache_operator.fence import fenced
from imagecache_operator.kubernetes_client import KubernetesClient
from imagecache_operator.metrics import Metrics
from imagecache_operator.settings_loading import load_settings
from imagecache_operator.term import Means

KIND = {
    "name": "imagecaches",
    "singularName": "imagecache",
    "kind": "ImageCache",
    "namespaced": True,
    "verbs": ["list", "watch", "patch"],
}
NAMESPACE = {
    "name": "namespaces",
    "singularName": "namespace",
    "kind": "Namespace",
    "namespaced": False,
    "verbs": ["list", "watch"],
}
GROUPS = {
    "name": "cce.huaweicloud.com",
    "preferredVersion": {"version": "v1alpha1"},
    "versions": [{"version": "v1alpha1"}],
}


class Servers:
    """What it was asked for, and the objects in it.

    Attributes:
        stop: ends watches.
        gone: whether the definition is gone.
        silent: whether a watch gets no answer at all.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.objects = [body(name=f"web-{number}", uid=f"uid-{number}", status={}) for number in range(5)]
        self.stop = asyncio.Event()
        self.gone = self.silent = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as both."""
        self.asked[f"{request.method} {request.path}"] += 1
        match request.path.strip("/").split("/"):
            case ["api"]:
                return web.json_response({"versions": ["v1"]})
            case ["apis"]:
                return web.json_response({"groups": [GROUPS]})
            case ["api", "v1"]:
                return web.json_response({"resources": [NAMESPACE]})
            case ["apis", "cce.huaweicloud.com", "v1alpha1"]:
                return web.json_response({"resources": [KIND]})
            case [*_, "imagecaches"] if self.gone:
                message = "the server could not find the requested resource"
                return web.json_response({"kind": "Status", "message": message, "code": 404}, status=404)
            case [*_, "imagecaches"] if "watch" in request.query:
                response = web.StreamResponse()
                if not self.silent:
                    await response.prepare(request)
                await self.stop.wait()
                return response
            case [*_, "imagecaches"] if request.path.startswith("/apis"):
                return web.json_response({"metadata": {"resourceVersion": "5"}, "items": self.objects})
            case _:
                return web.json_response({"error_code": "CCE.01400001", "error_msg": "no"}, status=404)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Servers, str]]:
    """The server, and its address."""
    servers = Servers()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", servers.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield servers, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        servers.stop.set()
        await runner.cleanup()


@asynccontextmanager
async def means_of_a_term(leading: Callable[[], bool] = lambda: True) -> AsyncIterator[tuple[Servers, Means]]:
    """All that a term is made of, behind a fence that asks `leading`."""
    async with serving() as (servers, url):
        settings, _ = load_settings({}, surroundings(url))
        configuration, clock, fence = Configuration(host=url), SystemClock(), fenced(leading)
        kubernetes, http = KubernetesClient(configuration, fence), open_client(5.0, fence)
        means = Means(
            settings=settings,
            configuration=configuration,
            kubernetes=kubernetes,
            http=http,
            source=source_from(settings),
            gates=Gates(clock),
            metrics=Metrics(),
            clock=clock,
            take_signals=lambda: None,
        )
        try:
            yield servers, means
        finally:
            await kubernetes.close()
            await http.aclose()


def surroundings(url: str) -> dict[str, str]:
    """The environment of a program whose cloud is there."""
    return {
        "IMAGECACHE_REGION": "cn-north-4",
        "IMAGECACHE_PROJECT_ID": "0" * 32,
        "IMAGECACHE_CCE_ENDPOINT": url,
        "IMAGECACHE_IAM_ENDPOINT": url,
        "IMAGECACHE_STS_ENDPOINT": url,
        "HUAWEICLOUD_SDK_AK": "AKAKAKAKAKAKAKAKAKAK",
        "HUAWEICLOUD_SDK_SK": "made-up",
    }


async def nothing_left(before: set[asyncio.Task[Any]]) -> None:
    """Until no other tasks run than before, but for the server's own."""
    async with asyncio.timeout(10):
        while left := [task for task in asyncio.all_tasks() - before if not is_of_the_server(task)]:
            await asyncio.wait(left)


def is_of_the_server(task: asyncio.Task[Any]) -> bool:
    """Whether it serves a connection."""
    return "RequestHandler" in repr(task.get_coro())
