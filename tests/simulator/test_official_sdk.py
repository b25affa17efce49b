"""The official Python SDK talks to the simulator, over a real process and a real port."""

from __future__ import annotations

import contextlib
import importlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cce_simulator.testing import DEFAULT_AGENCY, DEFAULT_KEY, DEFAULT_PROJECT, RunningSimulator

CACHE_ID = "c271e39e-1a6e-4d3d-8fa8-2a36329c68d2"
SCENARIO = """{"caches": [{"name": "test-imagecache", "id": "c271e39e-1a6e-4d3d-8fa8-2a36329c68d2",
 "images": ["centos:latest", "busybox:latest"], "image_cache_size": 25, "retention_days": 7,
 "image_pull_secrets": ["default:secret1"]}]}"""

# The SDK types created_at as a date, and warns of the documented text that is none.
pytestmark = pytest.mark.filterwarnings("ignore:Unable to convert string to date")


@pytest.fixture
def v5() -> ModuleType:
    """The SDK's package, imported only now, when HOME is a temporary folder."""
    return importlib.import_module("huaweicloudsdkcce.v5")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A simulator as a process of its own, on a free port."""
    path = tmp_path_factory.mktemp("scenario") / "scenario.json"
    path.write_text(SCENARIO, encoding="utf-8")
    with _process("--port", "0", "--scenario", str(path)) as url:
        yield url


@contextlib.contextmanager
def _process(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", "cce_simulator", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            match = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", line)
            assert match, line
            yield match[1]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0


def _client(v5: ModuleType, endpoint: str, access_key: str = DEFAULT_KEY.access_key, **changes: Any) -> Any:
    from huaweicloudsdkcore.auth.credentials import BasicCredentials

    secret_key = changes.get("secret_key", DEFAULT_KEY.secret_key)
    credentials = BasicCredentials(access_key, secret_key, changes.get("project", DEFAULT_PROJECT.id))
    if "security_token" in changes:
        credentials = credentials.with_security_token(changes["security_token"])
    return v5.CceClient.new_builder().with_credentials(credentials).with_endpoint(endpoint).build()


def _creation(v5: ModuleType, name: str) -> Any:
    building = v5.ImageCacheBuildingConfig(cluster="c-1", image_pull_secrets=["default:secret1"])
    body = v5.CreateImageCacheRequestBody(name=name, images=["busybox:latest"], building_config=building)
    return v5.CreateImageCacheRequest(body=body)


def test_the_four_calls_of_a_separate_process(v5: ModuleType, endpoint: str) -> None:
    """Create, list, show and delete succeed with AK/SK; the deletion is answered with 202 and the cache."""
    client = _client(v5, endpoint)
    created = client.create_image_cache(_creation(v5, "made-by-the-sdk")).image_cache
    assert (created.name, created.status, created.image_cache_size) == ("made-by-the-sdk", "Creating", 20)
    listed = client.list_image_caches(v5.ListImageCachesRequest()).image_caches
    assert [cache.name for cache in listed] == ["test-imagecache", "made-by-the-sdk"]
    named = client.list_image_caches(v5.ListImageCachesRequest(name="made-by-the-sdk")).image_caches
    assert [cache.id for cache in named] == [created.id]
    shown = client.show_image_cache(v5.ShowImageCacheRequest(image_cache_id=created.id)).image_cache
    assert shown.building_config.image_pull_secrets == ["default:secret1"]
    deleted = client.delete_image_cache(v5.DeleteImageCacheRequest(image_cache_id=created.id))
    assert deleted.status_code == 202
    assert deleted.body["image_cache"]["status"] == "Deleting"


def test_the_sample_call_of_the_vendors_page(v5: ModuleType, endpoint: str) -> None:
    """DeleteImageCacheRequest, filled in as the page does it, deletes the cache of the page's example."""
    client = _client(v5, endpoint)
    request = v5.DeleteImageCacheRequest()
    request.image_cache_id = CACHE_ID
    response = client.delete_image_cache(request)
    assert response.status_code == 202
    assert response.body["image_cache"] == {
        "name": "test-imagecache",
        "id": CACHE_ID,
        "created_at": response.body["image_cache"]["created_at"],
        "images": ["centos:latest", "busybox:latest"],
        "image_cache_size": 25,
        "retention_days": 7,
        "building_config": {
            "cluster": "c271e39f-1a6e-4d3d-8fa8-2a36329c68d2",
            "image_pull_secrets": ["default:secret1"],
        },
        "status": "Deleting",
    }
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC", response.body["image_cache"]["created_at"]
    )


def test_the_sdk_against_a_clock_that_moves(v5: ModuleType, cloud: RunningSimulator) -> None:
    """In the test's own process: the deletion ends with the SDK's 404 when the time is over, and no call is missing."""
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    client = _client(v5, cloud.url)
    cache_id = cloud.seed("a")
    client.delete_image_cache(v5.DeleteImageCacheRequest(image_cache_id=cache_id))
    cloud.clock.advance(3.0)
    with pytest.raises(ClientRequestException) as caught:
        client.show_image_cache(v5.ShowImageCacheRequest(image_cache_id=cache_id))
    assert (caught.value.status_code, caught.value.error_code) == (404, "CCE.01404001")
    calls = cloud.control("GET", "calls")["calls"]
    assert [call["operation"] for call in calls] == ["DeleteImageCache", "ShowImageCache"]
    assert caught.value.request_id == calls[-1]["request_id"]


def test_a_deletion_answered_with_204(v5: ModuleType, cloud: RunningSimulator) -> None:
    """The other documented success reaches the SDK without a body."""
    cloud.switch(delete_answer="204")
    request = v5.DeleteImageCacheRequest(image_cache_id=cloud.seed("a"))
    response = _client(v5, cloud.url).delete_image_cache(request)
    assert (response.status_code, response.body) == (204, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"secret_key": "SKWRONG"}, "verify aksk signature fail"),
        ({"access_key": "AKUNKNOWN"}, "ak AKUNKNOWN not exist"),
    ],
)
def test_false_credentials(v5: ModuleType, cloud: RunningSimulator, changes: dict[str, str], sentence: str) -> None:
    """A wrong secret and an unknown key give the gateway's 401, and the SDK reads code and sentence."""
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    with pytest.raises(ClientRequestException) as caught:
        _client(v5, cloud.url, **changes).list_image_caches(v5.ListImageCachesRequest())
    assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")
    assert sentence in caught.value.error_msg


def test_a_temporary_key_with_the_sdk(v5: ModuleType, cloud: RunningSimulator) -> None:
    """A key with a security token is good with the SDK's X-Security-Token, and only with the right one."""
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    cloud.set(access_keys={DEFAULT_KEY.access_key: {"security_token": "STOKEN"}})
    good = _client(v5, cloud.url, security_token="STOKEN")
    assert good.list_image_caches(v5.ListImageCachesRequest()).image_caches == []
    with pytest.raises(ClientRequestException) as caught:
        _client(v5, cloud.url, security_token="OTHER").list_image_caches(v5.ListImageCachesRequest())
    assert caught.value.status_code == 401


def _of_pod(patch: pytest.MonkeyPatch, cloud: RunningSimulator, token_file: Path) -> Any:
    from huaweicloudsdkcore.auth.provider import PodIdentityCredentialProvider

    patch.setenv("HC_CONTAINER_CREDENTIALS_FULL_URI", f"{cloud.url}/v1/credentials")
    patch.setenv("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token_file))
    return PodIdentityCredentialProvider.get_basic().get_credentials()


def _of_agency(patch: pytest.MonkeyPatch, cloud: RunningSimulator, token_file: Path) -> Any:
    from huaweicloudsdkcore.auth.provider import OidcStsCredentialProvider

    patch.setenv("HUAWEICLOUD_SDK_STS_ENDPOINT", cloud.url)
    patch.setenv("HUAWEICLOUD_OIDC_PROVIDER_URN", str(DEFAULT_AGENCY.provider_urn))
    patch.setenv("HUAWEICLOUD_OIDC_AGENCY_URN", DEFAULT_AGENCY.urn)
    patch.setenv("HUAWEICLOUD_OIDC_TOKEN_FILE", str(token_file))
    return OidcStsCredentialProvider.get_basic().get_credentials()


@pytest.mark.parametrize(
    ("way", "operation"), [(_of_pod, "AssumeAgencyForPodIdentity"), (_of_agency, "AssumeAgencyWithOIDC")]
)
def test_the_sdk_gets_temporary_keys(
    v5: ModuleType, cloud: RunningSimulator, tmp_path: Path, way: Any, operation: str
) -> None:
    """The SDK's own providers read the token file, fetch keys with an end that they can read, and list with them."""
    token_file = tmp_path / "token"
    token_file.write_text(DEFAULT_AGENCY.tokens[0] + "\n", encoding="utf-8")
    cloud.seed("a")
    with pytest.MonkeyPatch.context() as patch:
        credentials = way(patch, cloud, token_file).with_project_id(DEFAULT_PROJECT.id)
        client = v5.CceClient.new_builder().with_credentials(credentials).with_endpoint(cloud.url).build()
        assert [cache.name for cache in client.list_image_caches(v5.ListImageCachesRequest()).image_caches] == ["a"]
    assert credentials._expired_at == pytest.approx(time.time() + 3600, abs=60)
    fetched, listing = cloud.control("GET", "calls")["calls"]
    assert (fetched["operation"], fetched["credential"], listing["status"]) == (operation, DEFAULT_AGENCY.urn, 200)
    (key,) = cloud.control("GET", "state")["temporary_keys"]
    assert listing["credential"] == key["access_key"]


@pytest.mark.parametrize("way", [_of_pod, _of_agency])
def test_the_sdk_with_a_token_that_has_expired(
    v5: ModuleType, cloud: RunningSimulator, tmp_path: Path, way: Any
) -> None:
    """The simulator refuses it, and the SDK says so with the status."""
    from huaweicloudsdkcore.exceptions.exceptions import SdkException

    token_file = tmp_path / "token"
    token_file.write_text("a-stale-token", encoding="utf-8")

    def use(patch: pytest.MonkeyPatch) -> None:
        credentials = way(patch, cloud, token_file).with_project_id(DEFAULT_PROJECT.id)
        client = v5.CceClient.new_builder().with_credentials(credentials).with_endpoint(cloud.url).build()
        client.list_image_caches(v5.ListImageCachesRequest())

    # The one fails when it makes the credentials, the other with its first call.
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SdkException, match="401"):
        use(patch)


def test_the_sdk_looks_up_the_project_by_the_region(
    v5: ModuleType, cloud: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built with a region and no project, the SDK signs GET /v3/projects and uses what it finds."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.region.region import Region

    monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", cloud.url)
    credentials = BasicCredentials(DEFAULT_KEY.access_key, DEFAULT_KEY.secret_key)
    region = Region(DEFAULT_PROJECT.name, cloud.url)
    client = v5.CceClient.new_builder().with_credentials(credentials).with_region(region).build()
    cloud.seed("a")
    assert [cache.name for cache in client.list_image_caches(v5.ListImageCachesRequest()).image_caches] == ["a"]
    look_up, listing = cloud.control("GET", "calls")["calls"]
    assert (look_up["operation"], look_up["query"], look_up["status"]) == ("ListProjects", "name=cn-north-4", 200)
    assert listing["project"] == DEFAULT_PROJECT.id


@pytest.mark.parametrize("shape", ["errorCode", "error_code", "gateway"])
def test_errors_with_codes_reach_the_sdk(v5: ModuleType, cloud: RunningSimulator, shape: str) -> None:
    """Both spellings and the gateway's shape are read by the SDK's own handler."""
    from huaweicloudsdkcore.exceptions.exceptions import ServerResponseException

    cloud.fault("status", status=500, shape=shape, code="CCE.01500001", message="Out of order.")
    with pytest.raises(ServerResponseException) as caught:
        _client(v5, cloud.url).list_image_caches(v5.ListImageCachesRequest())
    assert (caught.value.status_code, caught.value.error_code) == (500, "CCE.01500001")
    assert "Out of order." in caught.value.error_msg
