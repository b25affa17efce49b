"""Components that an overlay may add to the base."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from imagecache_playground.cluster import Cluster

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


def test_the_account_for_leaving_is_accepted_and_is_no_operator(
    cluster: Cluster, overlay: Callable[..., list[Object]]
) -> None:
    """Five documents beside the base; the API server takes each, and none gives rights to the operator."""
    plain, found = overlay(), overlay("release")
    added = [each for each in found if each not in plain]
    assert sorted(each["kind"] for each in added) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]
    assert {each["metadata"]["name"] for each in added} == {"imagecache-release"}
    assert {subject["name"] for each in added for subject in each.get("subjects", ())} == {"imagecache-release"}
    said = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(added))
    assert said.count("(server dry run)") == 5
