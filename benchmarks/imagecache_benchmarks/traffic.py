"""Requests in numbers to the API server, quicker than one connection each."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import aiohttp

from imagecache_controlplane import ControlPlane
from imagecache_playground.cluster import GROUP_PATH, manifest

IN_FLIGHT = 50


def path_of(namespace: str, name: str = "") -> str:
    """Where an ImageCache, or all of a namespace, are found."""
    return f"{GROUP_PATH}/namespaces/{namespace}/imagecaches" + (f"/{name}" if name else "")


def create_all(plane: ControlPlane, namespace: str, caches: dict[str, str], finalizer: str = "") -> None:
    """Create an object per name, bound to the cache with the id."""
    create_objects(plane, namespace, {name: {"imageCacheID": cache_id} for name, cache_id in caches.items()}, finalizer)


def create_objects(
    plane: ControlPlane, namespace: str, specs: Mapping[str, Mapping[str, Any]], finalizer: str = ""
) -> None:
    """Create an object per name, with that spec."""

    async def create(session: aiohttp.ClientSession, name: str) -> None:
        body = manifest(namespace, name, **specs[name])
        if finalizer:
            body["metadata"]["finalizers"] = [finalizer]
        async with session.post(plane.server + path_of(namespace), json=body) as answer:
            await _expect(answer)

    asyncio.run(_for_each(plane, list(specs), create))


def delete_all(plane: ControlPlane, namespace: str, names: Iterable[str]) -> float:
    """Ask for the deletion of all of them at once; returns when the first request went out."""

    async def delete(session: aiohttp.ClientSession, name: str) -> None:
        async with session.delete(plane.server + path_of(namespace, name)) as answer:
            await _expect(answer)

    begun = time.monotonic()
    asyncio.run(_for_each(plane, list(names), delete))
    return begun


async def _expect(answer: aiohttp.ClientResponse) -> None:
    text = await answer.text()
    if answer.status >= 300:
        raise RuntimeError(f"{answer.method} {answer.url.path}: {answer.status} {text[:300]}")


async def _for_each(
    plane: ControlPlane,
    names: Sequence[str],
    work: Callable[[aiohttp.ClientSession, str], Coroutine[Any, Any, None]],
) -> None:
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    headers = {"Authorization": f"Bearer {plane.admin_token}"}
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT, ssl=trust)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await asyncio.gather(*(work(session, name) for name in names))


class Line:
    """One connection that stays open, so that a single deletion is not slowed down by the handshake of its client."""

    def __init__(self, plane: ControlPlane) -> None:
        address = urllib.parse.urlsplit(plane.server)
        assert address.hostname is not None
        trust = ssl.create_default_context(cafile=str(plane.ca_file))
        self._connection = http.client.HTTPSConnection(address.hostname, address.port, context=trust)
        self._headers = {"Authorization": f"Bearer {plane.admin_token}", "Accept": "application/json"}

    def delete(self, namespace: str, name: str) -> float:
        """Ask for a deletion; returns the time before it, so that the API server's own part is counted, too."""
        begun = time.monotonic()
        self._request("DELETE", path_of(namespace, name))
        return begun

    def objects(self, namespace: str) -> list[dict[str, Any]]:
        """All objects of a namespace."""
        items: list[dict[str, Any]] = json.loads(self._request("GET", path_of(namespace)))["items"]
        return items

    def _request(self, method: str, path: str) -> bytes:
        try:
            return self._attempt(method, path)
        except (http.client.HTTPException, OSError):
            # The API server closed a connection that was idle for long.
            self._connection.close()
            return self._attempt(method, path)

    def _attempt(self, method: str, path: str) -> bytes:
        self._connection.request(method, path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {body[:300]!r}")
        return body
