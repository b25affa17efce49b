"""The handlers that one would write first: kopf's `on.delete`, asked again every five seconds, all at its defaults.

`looks` asks the cloud for the cache each time, and deletes what is there and not being deleted. `remembers` deletes
once, notes it in the status, and only asks from then on: half the calls, but a DELETE that the cloud takes back is
never repeated, and one whose note was lost is sent twice.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import kopf

from imagecache_benchmarks.rival import ENDPOINT, NAMESPACE, token_headers

RETRY = 5


class Cloud:
    """The connection to the cloud, made in kopf's own event loop."""

    http: httpx.AsyncClient


@kopf.on.startup()
async def begin(**_: Any) -> None:
    """Connect."""
    # httpx gives up after 5 s by default, which it reaches here; kopf would then wait for a minute.
    Cloud.http = httpx.AsyncClient(base_url=ENDPOINT, headers=token_headers(), timeout=60)
    print("Serving objects", flush=True)


async def looks(spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
    """Look; delete what is there; come back until it is gone."""
    url = f"/v5/imagecaches/{spec['imageCacheID']}"
    answer = await Cloud.http.get(url)
    if answer.status_code == 404:
        return
    if answer.raise_for_status().json()["image_cache"]["status"] != "Deleting":
        (await Cloud.http.delete(url)).raise_for_status()
    patch.status["cacheStatus"] = "Deleting"
    raise kopf.TemporaryError("The cloud is deleting the cache.", delay=RETRY)


async def remembers(spec: kopf.Spec, status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    """Delete once; come back until it is gone."""
    url = f"/v5/imagecaches/{spec['imageCacheID']}"
    if status.get("cacheStatus") != "Deleting":
        (await Cloud.http.delete(url)).raise_for_status()
    elif (await Cloud.http.get(url)).status_code == 404:
        return
    patch.status["cacheStatus"] = "Deleting"
    raise kopf.TemporaryError("The cloud is deleting the cache.", delay=RETRY)


HANDLERS: dict[str, Callable[..., Awaitable[None]]] = {"looks": looks, "remembers": remembers}


@kopf.on.delete("cce.huaweicloud.com", "v1alpha1", "imagecaches")
async def delete(**cause: Any) -> None:
    """Do it in the way that was asked for."""
    await HANDLERS[sys.argv[1]](**cause)


if __name__ == "__main__":
    # The logs of `kopf run`, as it is started by everybody; the operator logs each deletion, too.
    kopf.configure()
    kopf.run(namespaces=[NAMESPACE], standalone=True)
