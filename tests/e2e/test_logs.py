"""What the program as a whole writes: nothing but lines of JSON, and no secret, however much it is told to say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.kit import wait_event

from imagecache_playground.cloud import BUILDER, SECRET_KEY
from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

ACCOUNT = "d0123456789abcdef0123456789abcde"
WAYS = {
    "key": {},
    "user": {
        "IMAGECACHE_USERNAME": "example-user",
        "IMAGECACHE_PASSWORD": "example-password",
        "IMAGECACHE_DOMAIN_NAME": "example-domain",
    },
    "OIDC": {
        "HUAWEICLOUD_OIDC_PROVIDER_URN": f"iam::{ACCOUNT}:oidc-provider:example-cluster",
        "HUAWEICLOUD_OIDC_AGENCY_URN": f"iam::{ACCOUNT}:agency:imagecache-operator",
    },
}
"""The ways to ask the cloud: what goes out with each is another secret."""


def lines(said: str) -> list[dict[str, Any]]:
    """Each line, which must be an object of JSON."""
    found = [json.loads(line) for line in said.splitlines()]
    assert all(isinstance(line, dict) for line in found)
    return found


def _told(said: Callable[[], str], words: str) -> bool:
    return words in said()


@pytest.mark.parametrize("way", WAYS)
def test_each_line_is_json_and_none_has_a_secret(
    surroundings: Callable[..., Surroundings], cluster: Cluster, tmp_path: Path, way: str
) -> None:
    """At the level debug, when libraries talk, too: through a life, an outage, a refusal, and a stop."""
    world = surroundings(cluster, {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}, "writes_per_minute": 0})
    settings = WAYS[way] | {"IMAGECACHE_LOG_FORMAT": "json", "IMAGECACHE_LOG_LEVEL": "debug"}
    if way != "key":
        settings |= {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}
    if way == "OIDC":
        file = tmp_path / "token"
        file.write_text("example-token", encoding="utf-8")
        settings |= {"HUAWEICLOUD_OIDC_TOKEN_FILE": str(file)}
    operator = world.operator(IMAGECACHE_CLUSTER_ID=BUILDER, **settings)
    world.cluster.create(world.namespace, "web", images=["nginx"])
    cache_id = world.wait_reason("Available")["status"]["imageCacheID"]
    said = operator.program.said
    for status in (500, 403):
        world.cloud.fault("status", operation="ListImageCaches", status=status, times=1)
        wait_for(partial(_told, said, f"({status}"), what=str(status), seconds=15, stand=said)
    world.annotate("web", "now")
    world.set_spec(deletionPolicy="Retain")
    world.delete()
    world.wait_gone()
    assert operator.program.stop() == 0

    found = lines(said())
    assert {line["level"] for line in found} >= {"debug", "info", "warning"}
    assert {line["logger"].partition(".")[0] for line in found} >= {"imagecache_operator", "kopf"}
    assert [line["cache_id"] for line in found if line.get("outcome")] == [cache_id]
    for secret in (SECRET_KEY, "example-password", "example-token"):
        assert secret not in said()
    # Tokens and temporary keys, which the cloud or the API server has made, are long words without a sense.
    assert re.findall(r"[\w+=-]{64,}", said()) == []


def test_a_long_text_of_the_cloud_is_cut_in_status_and_event(world: Surroundings) -> None:
    """5 kB in letters of three bytes, with line ends in it: the API server takes what is left of it."""
    cache_id = world.bind()
    operator = world.operator(IMAGECACHE_LOG_FORMAT="json")
    world.wait_reason("Available")
    words = "镜像\n拉取失败" * 250
    world.cloud.change_cache(cache_id, status="Failed", message=words)
    told = world.wait_stalled("Failed")["status"]["cacheMessage"]
    assert len(told.encode()) <= 1024
    assert words.replace("\n", " ").startswith(told)
    event = wait_event(world, "Failed")
    assert told[:200] in event
    assert len(event) <= 1024
    assert [line["message"] for line in lines(operator.program.said()) if line.get("reason") == "Failed"]
