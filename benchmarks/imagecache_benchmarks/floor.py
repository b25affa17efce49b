"""The least that could do the job: one watch, two writes, the calls to the cloud, and no robustness at all.

No retries, no back-off, no limits, no conditions, no restarts, no identity, no conflicts: what the operator takes more
than this is the price of all of these.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from imagecache_benchmarks.rival import ENDPOINT, INTERVAL, NAMESPACE, token_headers

PATCH = {"Content-Type": "application/merge-patch+json"}
CACHES = f"{ENDPOINT}/v5/imagecaches"


class Floor:
    """Deletes the caches of the objects that are being deleted."""

    def __init__(self, api: aiohttp.ClientSession, server: str, cloud: aiohttp.ClientSession) -> None:
        self._api = api
        self._objects = f"{server}/apis/cce.huaweicloud.com/v1alpha1/namespaces/{NAMESPACE}/imagecaches"
        self._cloud = cloud
        self._seen: set[str] = set()
        self._waiting: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Start on each object that gets a deletionTimestamp."""
        print("Serving objects", flush=True)
        while True:
            # Again and again, because a busy API server ends watches; it begins with all objects that are there.
            async with self._api.get(self._objects, params={"watch": "true"}) as answer:
                async for line in answer.content:
                    self._look(json.loads(line)["object"])

    def _look(self, found: dict[str, Any]) -> None:
        cache_id = found["spec"]["imageCacheID"]
        if "deletionTimestamp" in found["metadata"] and cache_id not in self._seen:
            self._seen.add(cache_id)
            self._spawn(found["metadata"]["name"], cache_id)

    def _spawn(self, name: str, cache_id: str) -> None:
        task = asyncio.create_task(self._ask(name, cache_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, name: str, cache_id: str) -> None:
        await self._write(f"{name}/status", {"status": {"cacheStatus": "Deleting", "observedGeneration": 1}})
        async with self._cloud.delete(f"{CACHES}/{cache_id}") as answer:
            await answer.read()
        self._waiting[cache_id] = name

    async def poll(self) -> None:
        """Let go of the objects whose caches are gone."""
        while True:
            await asyncio.sleep(INTERVAL)
            waiting = dict(self._waiting)
            if waiting:
                async with self._cloud.get(CACHES) as answer:
                    there = {cache["id"] for cache in (await answer.json())["image_caches"]}
                await asyncio.gather(*(self._confirm(cache_id) for cache_id in waiting.keys() - there))

    async def _confirm(self, cache_id: str) -> None:
        async with self._cloud.get(f"{CACHES}/{cache_id}") as answer:
            await answer.read()
        if answer.status == 404:
            await self._write(self._waiting.pop(cache_id), {"metadata": {"finalizers": None}})

    async def _write(self, path: str, patch: dict[str, Any]) -> None:
        async with self._api.patch(f"{self._objects}/{path}", data=json.dumps(patch), headers=PATCH) as answer:
            await answer.read()


async def main(config: dict[str, Any]) -> None:
    """Watch and poll until the end of the process."""
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust, limit=20),
            headers={"Authorization": f"Bearer {user['token']}"},
            timeout=aiohttp.ClientTimeout(),
            read_bufsize=2**20,
        ) as api,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=10), headers=token_headers()) as cloud,
    ):
        floor = Floor(api, cluster["server"], cloud)
        await asyncio.gather(floor.watch(), floor.poll())


if __name__ == "__main__":
    asyncio.run(main(yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text(encoding="utf-8"))))
