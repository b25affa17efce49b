"""`helm test`: the doctor looks at the installation with the operator's account, settings and credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.kubelet import Kubelet
from tests.helm import NAMESPACE, RELEASE, Helm, HelmError, install

from imagecache_playground.cloud import ACCESS_KEY, REGION, SECRET_KEY, Cloud
from imagecache_playground.cluster import Cluster


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """The simulator."""
    with Cloud(tmp_path) as started:
        yield started


def values(endpoint: str, secret_key: str) -> dict[str, object]:
    """With the access key in the environment: no kubelet mounts a Secret here."""
    return {
        "credentials": {"source": "none"},
        "namespacedCredentials": True,
        "settings": {
            "region": REGION,
            **{f"{service}Endpoint": endpoint for service in ("cce", "iam", "sts")},
        },
        "extraEnv": [
            {"name": "HUAWEICLOUD_SDK_AK", "value": ACCESS_KEY},
            {"name": "HUAWEICLOUD_SDK_SK", "value": secret_key},
        ],
    }


def test_a_good_installation_passes_and_a_wrong_key_fails(
    own_plane: Cluster, helm: Helm, cloud: Cloud, tmp_path: Path
) -> None:
    """All that the doctor looks at is right with what the chart makes; it tells a wrong key."""
    kubelet = Kubelet(own_plane, tmp_path)
    here = install(helm, own_plane, values=values(cloud.endpoint, SECRET_KEY))
    with kubelet.working():
        here.run("test", RELEASE, "--namespace", NAMESPACE, "--timeout", "90s")
    assert "FAILED" not in kubelet.said[-1]
    assert "permission cce:imageCache:list" in kubelet.said[-1]

    install(helm, own_plane, values=values(cloud.endpoint, "SKWRONG-SECRET"))
    with kubelet.working(), pytest.raises(HelmError, match="doctor"):
        here.run("test", RELEASE, "--namespace", NAMESPACE, "--timeout", "90s")
    assert "FAILED   account" in kubelet.said[-1]
    assert "SKWRONG-SECRET" not in kubelet.said[-1]
