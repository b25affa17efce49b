"""The verbs on the wire: what is sent, and which error stands for which answer."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from tests.runtime.kubernetes_server import KEY, OBJECTS, VERBS, Server, status

from imagecache_operator import kubernetes_client
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, KubernetesError, NotFoundError

REAL_TIME = True


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


@pytest.mark.parametrize("body", ["404 page not found", "", "<html/>", '{"code": 404}', "[]"])
async def test_that_the_crd_is_gone_takes_the_api_servers_own_word(
    client: KubernetesClient, server: Server, body: str
) -> None:
    """It lets objects go, so a proxy's 404 is an error like any other."""
    server.always(404, body, "text/plain")
    with pytest.raises(KubernetesError) as caught:
        await client.get_crd()
    assert (type(caught.value), caught.value.status) == (KubernetesError, 404)


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


@pytest.mark.parametrize("error", [ConfigException("Token file exists but empty."), FileNotFoundError("token")])
async def test_a_token_that_cannot_be_read(
    configuration: Configuration,
    client: KubernetesClient,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """It is read again for each request, and may be half written; nothing is sent then."""

    def hook(_configuration: Configuration) -> None:
        raise error

    monkeypatch.setattr(configuration, "refresh_api_key_hook", hook)
    with pytest.raises(KubernetesError) as caught:
        await client.get_object(KEY)
    assert caught.value.status is None
    assert server.requests == []
