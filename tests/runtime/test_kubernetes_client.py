"""The verbs on the wire: what is sent, and which error stands for which answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from imagecache_operator import kubernetes_client
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.resource import Key

REAL_TIME = True

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


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server on this machine."""
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
def configuration(server: Server) -> Configuration:
    """Access to the server with a token."""
    made = Configuration(host=f"http://127.0.0.1:{server.port}")
    made.api_key["BearerToken"] = "Bearer made-up"
    return made


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[KubernetesClient]:
    """The client."""
    made = KubernetesClient(configuration)
    yield made
    await made.close()


def status(code: int, reason: str, message: str = "why") -> str:
    """A Status of the API server."""
    return json.dumps({"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code})


@pytest.mark.parametrize("verb", VERBS)
async def test_where_each_verb_goes(client: KubernetesClient, server: Server, verb: str) -> None:
    """Method and path, with the token, asking for JSON."""
    call, method, path = VERBS[verb]
    await call(client)
    [request] = server.requests
    assert (request.method, request.path) == (method, path)
    assert request.headers["Authorization"] == "Bearer made-up"
    assert request.headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    ("verb", "kind", "body"),
    [
        ("patch_status", "application/merge-patch+json", {"status": {"a": 1}}),
        ("patch_object", "application/json-patch+json", [{"op": "test"}]),
        ("create_event", "application/json", {"reason": "x"}),
    ],
)
async def test_what_is_sent(client: KubernetesClient, server: Server, verb: str, kind: str, body: object) -> None:
    """The API server tells the kinds of patches by their content type alone."""
    await VERBS[verb][0](client)
    assert server.requests[0].headers["Content-Type"] == kind
    assert json.loads(server.bodies[0]) == body


async def test_the_object_is_returned(client: KubernetesClient, server: Server) -> None:
    """As it is after the patch, so that no event need be awaited."""
    server.always(200, '{"metadata": {"resourceVersion": "8"}}')
    assert await client.patch_status(KEY, {}) == {"metadata": {"resourceVersion": "8"}}
    assert await client.patch_object(KEY, []) == {"metadata": {"resourceVersion": "8"}}


async def test_names_cannot_lead_elsewhere(client: KubernetesClient, server: Server) -> None:
    """A name is one segment of the path."""
    await client.get_object(Key("a/b", "../x?y"))
    assert server.requests[0].raw_path == f"{OBJECTS}/namespaces/a%2Fb/imagecaches/..%2Fx%3Fy"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", KubernetesError),
        (401, "Unauthorized", KubernetesError),
        (403, "Forbidden", KubernetesError),
        (404, "NotFound", NotFoundError),
        (409, "Conflict", ConflictError),
        (410, "Expired", KubernetesError),
        (429, "TooManyRequests", KubernetesError),
        (500, "InternalError", KubernetesError),
        (503, "ServiceUnavailable", KubernetesError),
    ],
)
async def test_errors_by_status(
    client: KubernetesClient, server: Server, verb: str, code: int, reason: str, kind: type[KubernetesError]
) -> None:
    """Each verb has the same classes; the sentence has the request, the status, and the server's words."""
    server.always(code, status(code, reason, "the server's words"))
    call, method, path = VERBS[verb]
    with pytest.raises(KubernetesError) as caught:
        await call(client)
    assert type(caught.value) is kind
    assert caught.value.status == code
    assert str(caught.value).startswith(f"{method} {path}")
    assert str(caught.value).endswith(f": {code} {reason}: the server's words")


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("patch_object", ConflictError), ("patch_status", KubernetesError), ("create_event", KubernetesError)],
)
async def test_a_failed_test_of_a_json_patch_is_a_conflict(
    client: KubernetesClient, server: Server, verb: str, kind: type[KubernetesError]
) -> None:
    """It is answered with 422, which for all else is a refusal."""
    server.always(422, status(422, "Invalid"))
    with pytest.raises(KubernetesError) as caught:
        await VERBS[verb][0](client)
    assert type(caught.value) is kind
    assert caught.value.status == 422


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        pytest.param(200, "<html>Log in!</html>", "text/html", id="a proxy's page"),
        pytest.param(200, "", "application/json", id="nothing"),
        pytest.param(200, '{"items": [', "application/json", id="cut off"),
        pytest.param(200, "[]", "application/json", id="a list"),
        pytest.param(200, "\ufffd\x00", "application/json", id="no text"),
        pytest.param(502, "<html>Bad gateway</html>", "text/html", id="a proxy's error"),
        pytest.param(302, "", "text/html", id="a redirect"),
    ],
)
async def test_rubbish_is_an_error(
    client: KubernetesClient, server: Server, verb: str, code: int, body: str, kind: str
) -> None:
    """It must pass neither for a list without objects nor for a CRD that lives."""
    server.always(code, body, kind)
    with pytest.raises(KubernetesError) as caught:
        await VERBS[verb][0](client)
    assert caught.value.status == code


@pytest.mark.parametrize("code", [404, 409])
async def test_the_status_counts_where_the_body_is_rubbish(client: KubernetesClient, server: Server, code: int) -> None:
    """A path that is not served is answered in plain text."""
    server.always(code, "404 page not found", "text/plain")
    with pytest.raises(NotFoundError if code == 404 else ConflictError):
        await client.get_object(KEY)


async def test_no_connection(configuration: Configuration) -> None:
    """No status, and what went wrong."""
    configuration.host = "http://127.0.0.1:1"
    client = KubernetesClient(configuration)
    with pytest.raises(KubernetesError, match="the API server could not be reached: ") as caught:
        await client.get_object(KEY)
    assert (type(caught.value), caught.value.status) == (KubernetesError, None)
    await client.close()


async def test_a_time_out(client: KubernetesClient, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer holds nobody for ever."""
    asked = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    server.answer = hang
    monkeypatch.setattr(kubernetes_client, "REQUEST_TIMEOUT", 0.1)
    with pytest.raises(KubernetesError, match="could not be reached: ") as caught:
        await client.patch_status(KEY, {})
    assert caught.value.status is None
    assert asked.is_set()


async def test_an_answer_that_is_cut_off(client: KubernetesClient, server: Server) -> None:
    """The connection ends before the body does."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"items": []')
        assert request.transport is not None
        request.transport.close()
        return response

    server.answer = cut
    with pytest.raises(KubernetesError) as caught:
        await listed(client)
    assert caught.value.status is None


@pytest.mark.parametrize("error", [ConfigException("Token file exists but empty."), FileNotFoundError("token")])
async def test_a_token_that_cannot_be_read(
    configuration: Configuration, client: KubernetesClient, server: Server, error: Exception
) -> None:
    """It is read again for each request, and may be half written; nothing is sent then."""

    def hook(_configuration: Configuration) -> None:
        raise error

    configuration.refresh_api_key_hook = hook
    with pytest.raises(KubernetesError) as caught:
        await client.get_object(KEY)
    assert caught.value.status is None
    assert server.requests == []


@pytest.mark.parametrize("namespace", [None, "team-a"])
async def test_lists_come_in_chunks(client: KubernetesClient, server: Server, namespace: str | None) -> None:
    """All of them, in order, each asked for with the token of the one before."""
    pages = {"": (["a", "b"], "t/1&x"), "t/1&x": ([], "t2"), "t2": (["c"], "")}

    async def answer(request: web.Request) -> web.StreamResponse:
        names, token = pages[request.query.get("continue", "")]
        items = [{"metadata": {"name": name}} for name in names]
        return web.json_response({"metadata": {"continue": token}, "items": items})

    server.answer = answer
    found = [body["metadata"]["name"] async for body in client.list_objects(namespace)]
    assert found == ["a", "b", "c"]
    within = "/namespaces/team-a" if namespace else ""
    assert {request.path for request in server.requests} == {f"{OBJECTS}{within}/imagecaches"}
    assert [request.query["limit"] for request in server.requests] == ["500"] * 3


async def test_a_list_that_breaks_off_is_an_error(client: KubernetesClient, server: Server) -> None:
    """A part must never pass for all: what is missing would look gone."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            return web.Response(status=410, text=status(410, "Expired"))
        return web.json_response({"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "a"}}]})

    server.answer = answer
    with pytest.raises(KubernetesError) as caught:
        await listed(client)
    assert caught.value.status == 410


async def test_connections_are_limited(client: KubernetesClient, server: Server) -> None:
    """Twenty at a time, however many passes write."""
    inside, most, go = 0, 0, asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 20:
            go.set()
        await go.wait()
        inside -= 1
        return await server.ok(request)

    server.answer = answer
    await asyncio.gather(*(client.get_object(KEY) for _ in range(60)))
    assert (most, len(server.requests)) == (20, 60)
