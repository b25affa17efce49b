"""Manifests that take a tenant over: valid, unique, safe, the same each time."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.decision.builders import HERE, ID

from imagecache_operator.commands.holdings import Holding
from imagecache_operator.commands.manifests import Binding, manifests_text, names_for, object_name
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import Cache, CacheStatus

VALID = re.compile(r"[a-z0-9]([a-z0-9-]{0,251}[a-z0-9])?")
BINDING = Binding(HERE, "team-a", "Retain")
OTHER_ID = "d271e39e-1a6e-4d3d-8fa8-2a36329c68d2"


def cache(name: str = "nginx", cache_id: str = ID, status: CacheStatus = CacheStatus.AVAILABLE) -> Cache:
    """A cache."""
    return Cache(cache_id, name, status)


def documents(*found: Holding, binding: Binding = BINDING, taken: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What kubectl reads."""
    return [each for each in yaml.safe_load_all(manifests_text(found, taken, binding)) if each]


def test_a_manifest_binds_by_id_and_keeps_the_cache() -> None:
    """Where the cache is stands there in full, and deleting the object deletes nothing."""
    assert documents(Holding(cache(), None, (), ())) == [
        {
            "apiVersion": "cce.huaweicloud.com/v1alpha1",
            "kind": "ImageCache",
            "metadata": {"name": "nginx", "namespace": "team-a"},
            "spec": {
                "imageCacheID": ID,
                "region": HERE.region,
                "projectID": HERE.project_id,
                "deletionPolicy": "Retain",
            },
        }
    ]


def test_a_secret_is_named_in_each() -> None:
    """So that the object looks with the credentials that saw the cache."""
    binding = Binding(HERE, "team-a", "Delete", secret="cloud")
    [found] = documents(Holding(cache(), None, (), ()), binding=binding)
    assert found["spec"]["credentialsSecretRef"] == {"name": "cloud"}
    assert found["spec"]["deletionPolicy"] == "Delete"


@pytest.mark.parametrize(
    ("holding", "told"),
    [
        pytest.param(Holding(cache(), Key("a", "b"), (), ()), False, id="held"),
        pytest.param(Holding(cache(), None, (Key("a", "b"),), ()), True, id="named"),
        pytest.param(Holding(cache(status=CacheStatus.DELETING), None, (), ()), True, id="being deleted"),
    ],
)
def test_what_is_left_out_says_so_unless_it_is_held(holding: Holding, told: bool) -> None:
    """A comment, which kubectl skips."""
    assert documents(holding) == []
    text = manifests_text([holding], (), BINDING)
    assert ("Left out" in text) is told
    assert all(line.startswith("#") for line in text.splitlines())


def test_names_that_are_taken_get_a_part_of_the_id() -> None:
    """By an object of the namespace, or by two caches whose names become the same."""
    assert names_for([cache()], {"nginx"}) == [f"nginx-{ID[:8]}"]
    assert names_for([cache("a_b"), cache("a.b", OTHER_ID)], ()) == [f"a-b-{ID[:8]}", f"a-b-{OTHER_ID[:8]}"]
    assert names_for([cache()], {"nginx", f"nginx-{ID[:8]}"}) == [f"nginx-{ID}"]
    assert names_for([cache("a_b"), cache("a.b", like := f"{ID[:-1]}0")], ()) == [f"a-b-{ID}", f"a-b-{like}"]


@given(st.text(max_size=200))
def test_any_name_becomes_one_that_kubernetes_takes(text: str) -> None:
    """Whatever the cloud says."""
    assert VALID.fullmatch(object_name(text))


@given(
    st.lists(st.text("aB-_.1", max_size=4), max_size=6),
    st.sets(st.sampled_from(["a", "b", "a-b", "cache"])),
    st.randoms(),
)
def test_names_are_unique_and_do_not_depend_on_the_order(texts: list[str], taken: set[str], random: Any) -> None:
    """So that applying twice changes nothing."""
    caches = [
        Cache(f"{number:08d}-0000-0000-0000-000000000000", text, "Available") for number, text in enumerate(texts)
    ]
    names = names_for(caches, taken)
    assert len({*names, *taken}) == len(names) + len(taken)
    shuffled = list(zip(caches, names, strict=True))
    random.shuffle(shuffled)
    assert names_for([each for each, _ in shuffled], taken) == [name for _, name in shuffled]
