"""The handler that one would write first: kopf's `on.delete`, asked again every five seconds, all at its defaults."""

from __future__ import annotations

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


@kopf.on.delete("cce.huaweicloud.com", "v1alpha1", "imagecaches")
async def delete(spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
    """Ask the cloud to delete the cache, and come back until it is gone."""
    answer = await Cloud.http.delete(f"/v5/imagecaches/{spec['imageCacheID']}")
    if answer.status_code == 404:
        return
    answer.raise_for_status()
    patch.status["cacheStatus"] = answer.json()["image_cache"]["status"]
    raise kopf.TemporaryError("The cloud is deleting the cache.", delay=RETRY)


if __name__ == "__main__":
    # The logs of `kopf run`, as it is started by everybody; the operator logs each deletion, too.
    kopf.configure()
    kopf.run(namespaces=[NAMESPACE], standalone=True)
