"""Components that an overlay may add to the base."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Object = dict[str, Any]


def test_namespaced_credentials_add_the_switch_and_one_permission(overlay: Callable[..., list[Object]]) -> None:
    """Secrets can be listed and nothing else, and only with the component."""
    plain, found = overlay(), overlay("namespaced-credentials")
    [settings] = [each for each in found if each["metadata"]["name"] == "imagecache-operator" and "data" in each]
    assert settings["data"]["IMAGECACHE_NAMESPACED_CREDENTIALS"] == "true"
    rules = [rule for each in found if each["kind"] == "ClusterRole" for rule in each["rules"]]
    assert {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]} in rules
    assert not any(
        "secrets" in rule["resources"] for each in plain if each["kind"] == "ClusterRole" for rule in each["rules"]
    )
