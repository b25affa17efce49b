"""The API server behind a handful of verbs. What is behind them can change alone (docs/decisions/kubernetes-client.md).

The `kubernetes` package finds the API server, its certificates and the token; the requests are plain aiohttp's, which
costs a quarter of the CPU of the package's own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException

from imagecache_operator.clock import read_http_date
from imagecache_operator.fence import FencedConnector, FencedRequest
from imagecache_operator.imagecache import Key
from imagecache_operator.names import GROUP, PLURAL, SECRET_TYPE, VERSION

CONNECTIONS_MAX = 8
"""Connections of one client. Each costs asyncio 256 KiB for TLS, and more make nothing faster (docs/benchmarks.md)."""

REQUEST_TIMEOUT = 15.0
"""Seconds for one request, its wait for a connection included: an API server that is so slow is asked less.

The package's own default of five minutes would hide a dead connection.
"""

LIST_CHUNK = 500

CRD_NAME = f"{PLURAL}.{GROUP}"
_CRD_PATH = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}"

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
JSON = "application/json"


class KubernetesError(Exception):
    """The API server refused, or could not be reached; `status` is its HTTP status, None without an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ConflictError(KubernetesError):
    """Somebody changed the object meanwhile, or a patch's test failed: look again."""


class NotFoundError(KubernetesError):
    """The object is gone."""


class KubernetesClient:
    """The verbs. Each raises `KubernetesError` or one of its kinds, and nothing else.

    Args:
        configuration: access to the API server.
        fence: asked before each request (`fence.fenced`); None where nobody else acts.
    """

    def __init__(self, configuration: Configuration, fence: aiohttp.TraceConfig | None = None) -> None:
        self._configuration = configuration
        self.server_time: datetime | None = None
        """What the API server's clock said with its newest answer, in whole seconds; None while it has not told."""
        self._session = aiohttp.ClientSession(
            connector=FencedConnector(limit=CONNECTIONS_MAX, ssl=RESTClientObject(configuration).ssl_context),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=FencedRequest,
            trace_configs=[fence] if fence is not None else [],
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def patch_status(self, key: Key, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Merge-patch the status subresource; returns the object as it is then."""
        return await self._request("PATCH", self._path(key) + "/status", patch, MERGE_PATCH)

    async def patch_object(self, key: Key, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """JSON-patch the object itself; returns it as it is then."""
        return await self._request("PATCH", self._path(key), list(operations), JSON_PATCH)

    async def get_object(self, key: Key) -> dict[str, Any]:
        """The object as it is now."""
        return await self._request("GET", self._path(key))

    async def list_objects(self, namespace: str | None) -> AsyncIterator[dict[str, Any]]:
        """All objects (of one namespace), read in chunks."""
        within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        path = f"/apis/{GROUP}/{VERSION}{within}/{PLURAL}"
        token = ""
        while True:
            query = {"limit": str(LIST_CHUNK)} | ({"continue": token} if token else {})
            page = await self._request("GET", f"{path}?{urlencode(query)}")
            for item in page.get("items") or ():
                yield item
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    async def list_secrets(self, namespace: str | None) -> AsyncIterator[dict[str, Any]]:
        """All Secrets of our type (of one namespace), as the API server has them in memory; no others are sent."""
        within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        query = urlencode({"fieldSelector": f"type={SECRET_TYPE}", "resourceVersion": "0"})
        page = await self._request("GET", f"/api/v1{within}/secrets?{query}")
        for item in page.get("items") or ():
            yield item

    async def get_crd(self) -> dict[str, Any]:
        """The CustomResourceDefinition of our resource."""
        return await self._request("GET", _CRD_PATH)

    async def get_config_map(self, namespace: str, name: str) -> dict[str, Any]:
        """A ConfigMap as it is now."""
        return await self._request("GET", self._config_map(namespace, name))

    async def patch_config_map(self, namespace: str, name: str, patch: Mapping[str, Any]) -> None:
        """Merge-patch a ConfigMap."""
        await self._request("PATCH", self._config_map(namespace, name), patch, MERGE_PATCH)

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        """Create an Event."""
        await self._request("POST", f"/api/v1/namespaces/{quote(namespace, safe='')}/events", event, JSON)

    async def request(self, method: str, path: str, body: object = None, content_type: str = JSON) -> dict[str, Any]:
        """Any other request, for the commands; the path begins with a slash, and is quoted already."""
        return await self._request(method, path, body, None if body is None else content_type)

    async def get_lease(self, where: Key) -> dict[str, Any]:
        """A Lease as it is now."""
        return await self._request("GET", _lease(where))

    async def create_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """Create a Lease; `ConflictError` when it is there already."""
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": where.name}, **lease}
        return await self._request("POST", _leases(where), body, JSON)

    async def replace_lease(self, where: Key, lease: Mapping[str, Any]) -> dict[str, Any]:
        """Write a Lease; `ConflictError` when it has changed since it was read."""
        return await self._request("PUT", _lease(where), lease, JSON)

    async def watch_lease(self, where: Key, version: str) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Each state of a Lease after that version, None when it was deleted; may end at any time."""
        query = urlencode({"watch": "1", "fieldSelector": f"metadata.name={where.name}", "resourceVersion": version})
        async with self._send("GET", f"{_leases(where)}?{query}", within=None) as response:
            if response.status != 200:
                raise KubernetesError(f"watch of Lease {where}: {response.status}", response.status)
            # A line holds one event; a Lease is far shorter than what aiohttp takes for a line.
            async for line in response.content:
                event = _object(line)
                match event.get("type"):
                    case "ADDED" | "MODIFIED":
                        yield event["object"]
                    case "DELETED":
                        yield None
                    case _:
                        return

    @staticmethod
    def _config_map(namespace: str, name: str) -> str:
        return f"/api/v1/namespaces/{quote(namespace, safe='')}/configmaps/{quote(name, safe='')}"

    @staticmethod
    def _path(key: Key) -> str:
        namespace, name = quote(key.namespace, safe=""), quote(key.name, safe="")
        return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}"

    async def _request(
        self, method: str, path: str, body: object = None, content_type: str | None = None
    ) -> dict[str, Any]:
        async with self._send(method, path, body, content_type, within=REQUEST_TIMEOUT) as response:
            data = await response.read()
        self.server_time = read_http_date(response.headers.get("Date")) or self.server_time
        answer = _object(data)
        if 200 <= response.status < 300:
            if not answer:
                # A proxy's page must not pass for a list without objects, or for a CRD that lives.
                raise KubernetesError(f"{method} {path}: the answer is no JSON object", response.status)
            return answer
        message = f"{method} {path}: {response.status} {answer.get('reason', '')}: {answer.get('message', '')}"
        match response.status:
            # That the CRD is gone lets objects go, so a proxy's 404 is not enough for it.
            case 404 if path != _CRD_PATH or answer.get("reason") == "NotFound":
                raise NotFoundError(message, 404)
            case 409:
                raise ConflictError(message, 409)
            case 422 if content_type == JSON_PATCH:
                # A failed test operation of a JSON patch is answered with 422.
                raise ConflictError(message, 422)
            case status:
                raise KubernetesError(message, status)

    @asynccontextmanager
    async def _send(
        self, method: str, path: str, body: object = None, content_type: str | None = None, *, within: float | None
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The response, within so many seconds; whatever goes wrong, also with its body, is a `KubernetesError`."""
        headers = {"Accept": JSON}
        if content_type is not None:
            headers["Content-Type"] = content_type
        try:
            # Asked each time: the token of a service account is read again when it changes.
            settings = await self._configuration.auth_settings()
            if token := settings.get("BearerToken", {}).get("value"):
                headers["Authorization"] = token
            async with self._session.request(
                method,
                self._configuration.host + path,
                headers=headers,
                data=None if body is None else json.dumps(body).encode(),
                proxy=self._configuration.proxy,
                timeout=aiohttp.ClientTimeout(within, sock_connect=REQUEST_TIMEOUT),
                allow_redirects=False,
            ) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ConfigException) as error:
            # ConfigException: a token that is read again for each request may be half written.
            what = str(error) or type(error).__name__
            raise KubernetesError(f"{method} {path}: the API server could not be reached: {what}") from error


def _leases(where: Key) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{quote(where.namespace, safe='')}/leases"


def _lease(where: Key) -> str:
    return f"{_leases(where)}/{quote(where.name, safe='')}"


def _object(data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
