"""A tiny server in the API server's place, and the verbs that are called on it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient

KEY = Key("team-a", "web")


OBJECTS = "/apis/cce.huaweicloud.com/v1alpha1"


PATH = f"{OBJECTS}/namespaces/team-a/imagecaches/web"


Verb = Callable[[KubernetesClient], Awaitable[object]]


async def listed(client: KubernetesClient) -> list[dict[str, Any]]:
    """All objects."""
    return [body async for body in client.list_objects(None)]


VERBS: dict[str, tuple[Verb, str, str]] = {
    "patch_status": (lambda client: client.patch_status(KEY, {"status": {"a": 1}}), "PATCH", f"{PATH}/status"),
    "patch_object": (lambda client: client.patch_object(KEY, [{"op": "test"}]), "PATCH", PATH),
    "get_object": (lambda client: client.get_object(KEY), "GET", PATH),
    "list_objects": (listed, "GET", f"{OBJECTS}/imagecaches"),
    "get_crd": (
        lambda client: client.get_crd(),
        "GET",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/imagecaches.cce.huaweicloud.com",
    ),
    "create_event": (
        lambda client: client.create_event("team-a", {"reason": "x"}),
        "POST",
        "/api/v1/namespaces/team-a/events",
    ),
}


class Server:
    """Answers all requests as `answer` says, and keeps what was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.ok
        self.requests: list[web.Request] = []
        self.bodies: list[str] = []
        self.port = 0

    async def ok(self, request: web.Request) -> web.StreamResponse:
        """An object."""
        return web.json_response({"metadata": {"name": "web"}})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep and answer."""
        self.requests.append(request)
        self.bodies.append(await request.text())
        return await self.answer(request)

    def always(self, status: int, body: str, kind: str = "application/json") -> None:
        """One answer to everything."""

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=body, content_type=kind)

        self.answer = answer


def status(code: int, reason: str, message: str = "why") -> str:
    """A Status of the API server."""
    return json.dumps({"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code})
