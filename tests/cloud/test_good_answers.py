"""Lists and caches of a good answer: exactly what they should be, or nothing at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cloud.kit import ID, OTHER_ID

from imagecache_operator.cloud.responses import MESSAGE_BYTES_MAX, read_cache, read_error, read_list, read_one
from imagecache_operator.observation import Cache, CacheStatus

HTML = b"<html><body><h1>Welcome</h1></body></html>"

DETAIL: dict[str, Any] = {
    "name": "test-imagecache",
    "id": ID,
    "created_at": "2024-11-25 06:32:34.923248 +0000 UTC",
    "images": ["centos:latest", "busybox:latest"],
    "image_cache_size": 25,
    "retention_days": 7,
    "building_config": {"cluster": "c", "image_pull_secrets": ["default:secret1"]},
    "status": "Deleting",
}
OTHER = DETAIL | {"id": OTHER_ID}


def _answer(status: int, body: Any = b"") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content)


def test_the_documented_example() -> None:
    """The documented cache is read field by field."""
    assert read_cache(DETAIL) == Cache(
        id=ID,
        name="test-imagecache",
        status=CacheStatus.DELETING,
        created_at=datetime(2024, 11, 25, 6, 32, 34, 923248, tzinfo=UTC),
        retention_days=7,
        size_gib=25,
        images=("centos:latest", "busybox:latest"),
        cluster_id="c",
        pull_secrets=("default:secret1",),
    )


def test_only_id_and_status_must_be_readable() -> None:
    """Whatever the other fields hold, the cache is there; a word that we do not know is shown as it is."""
    odd: dict[str, Any] = {key: {"cluster": [], "image_pull_secrets": {}} for key in DETAIL} | {
        "id": ID,
        "status": "Repairing\n",
        "message": "m" * 5000,
    }
    cache = read_cache(odd | {"images": ["a", 7], "retention_days": True, "image_cache_size": -1})
    assert cache == Cache(id=ID, name="", status="Repairing", message="m" * MESSAGE_BYTES_MAX, images=("a",))


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="an array"),
        pytest.param("text", id="a text"),
        pytest.param({key: value for key, value in DETAIL.items() if key != "id"}, id="no id"),
        pytest.param({key: value for key, value in DETAIL.items() if key != "status"}, id="no status"),
        pytest.param(DETAIL | {"id": ""}, id="an empty id"),
        pytest.param(DETAIL | {"id": 7}, id="an id that is no text"),
        pytest.param(DETAIL | {"status": None}, id="a status that is null"),
        pytest.param(DETAIL | {"status": ["Deleting"]}, id="a status that is a list"),
    ],
)
def test_what_is_no_cache(item: Any) -> None:
    """Such an entry is unreadable, and makes the whole list unreadable: it could be the very cache that is sought."""
    assert read_cache(item) is None
    assert read_list(_answer(200, {"image_caches": [DETAIL, item]})) is None
    assert read_one(_answer(200, {"image_cache": item}), ID) is None


@pytest.mark.parametrize(
    ("status", "body", "ids"),
    [
        pytest.param(200, {"image_caches": [DETAIL, OTHER]}, [ID, OTHER_ID], id="two"),
        pytest.param(200, {"image_caches": []}, [], id="an empty list"),
        pytest.param(200, {"image_caches": None}, [], id="null"),
        pytest.param(200, {}, [], id="absent"),
        pytest.param(200, {"image_caches": [DETAIL], "more": 1}, [ID], id="a key that we do not know"),
        pytest.param(200, {"kind": "Status", "code": 503, "reason": "ServiceUnavailable"}, None, id="a Status"),
        pytest.param(200, {"kind": "Status", "image_caches": []}, None, id="a Status with a list"),
        pytest.param(200, {"message": "maintenance"}, None, id="a message alone"),
        pytest.param(200, {"code": 500}, None, id="a code alone"),
        pytest.param(201, {"image_caches": []}, None, id="another success"),
        pytest.param(206, {"image_caches": []}, None, id="a part of the list"),
        pytest.param(204, b"", None, id="no content"),
        pytest.param(302, {"image_caches": []}, None, id="a redirect"),
        pytest.param(500, {"image_caches": []}, None, id="an error"),
        pytest.param(200, b"", None, id="nothing"),
        pytest.param(200, HTML, None, id="HTML"),
        pytest.param(200, b'{"image_caches":[]', None, id="cut off"),
        pytest.param(200, [], None, id="an array"),
        pytest.param(200, None, None, id="a null body"),
        pytest.param(200, {"image_caches": {}}, None, id="an object for the list"),
        pytest.param(200, {"image_caches": ""}, None, id="a text for the list"),
        pytest.param(200, {"image_caches": False}, None, id="false for the list"),
        pytest.param(200, {"image_caches": 0}, None, id="zero for the list"),
    ]
    + [
        pytest.param(200, {"image_caches": [], key: None}, None, id=f"a list with the key {key}")
        for key in ("error_code", "errorCode", "error_msg", "errorMessage", "errorMsg", "error")
    ],
)
def test_what_is_a_good_list(status: int, body: Any, ids: list[str] | None) -> None:
    """Exactly 200 and an object without error keys; absence is read out of nothing else."""
    found = read_list(_answer(status, body))
    assert (None if found is None else [cache.id for cache in found]) == ids


@pytest.mark.parametrize(
    ("status", "body", "good"),
    [
        pytest.param(200, {"image_cache": DETAIL}, True, id="the cache"),
        pytest.param(200, {"image_cache": OTHER}, False, id="another cache"),
        pytest.param(200, {"image_cache": DETAIL, "error_code": "X"}, False, id="with an error"),
        pytest.param(200, DETAIL, False, id="not wrapped"),
        pytest.param(200, {"image_cache": [DETAIL]}, False, id="in a list"),
        pytest.param(202, {"image_cache": DETAIL}, False, id="another success"),
        pytest.param(404, {"image_cache": DETAIL}, False, id="an error"),
        pytest.param(200, HTML, False, id="HTML"),
    ],
)
def test_what_is_a_good_get(status: int, body: Any, good: bool) -> None:
    """Exactly 200, and the very id that was asked for."""
    assert (read_one(_answer(status, body), ID) is not None) is good


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(ID)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["image_caches", "image_cache", "error", "error_code", *DETAIL]), inner),
    ),
    max_leaves=12,
)


@given(st.sampled_from([200, 202, 302, 404, 500]), st.one_of(_JSON, st.binary(max_size=20)))
def test_no_body_makes_us_stumble(status: int, body: Any) -> None:
    """Any JSON and any bytes are read without an exception."""
    answer = _answer(status, body)
    caches, cache, error = read_list(answer), read_one(answer, ID), read_error(answer)
    assert (caches is None and cache is None) or status == 200
    assert error.own_404 is False or status == 404
