"""The permissions that doctor asks for are those of the manifests: none is missing, none too many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from imagecache_operator.commands.permissions import Permission, needed

KUSTOMIZE = Path(__file__).resolve().parents[2] / "deploy" / "kustomize"
OWN = "imagecache-system"


def granted(path: Path) -> Iterator[Permission]:
    """What the roles of a file allow."""
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        for rule in document.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    plural, _, subresource = resource.partition("/")
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [None]):
                            namespace = OWN if document["kind"] == "Role" else None
                            yield Permission(verb, group, plural, subresource, namespace, name)


def asked(**changes: Any) -> set[Permission]:
    """What is asked for, without leader election unless told otherwise."""
    usual: dict[str, Any] = {"namespaces": None, "own_namespace": OWN, "secrets": False, "lease": None}
    return set(needed(**usual | changes))


def without_leases(permissions: Iterator[Permission]) -> set[Permission]:
    """Leader election is a setting, and its rule may be there without it."""
    return {each for each in permissions if each.resource != "leases"}


def test_the_base_is_asked_for() -> None:
    """Role and table say the same."""
    assert asked() == without_leases(granted(KUSTOMIZE / "base" / "role.yaml"))


def test_secrets_are_asked_for_with_the_switch_alone() -> None:
    """As the component grants it."""
    component = set(granted(KUSTOMIZE / "components" / "namespaced-credentials" / "role.yaml"))
    assert asked(secrets=True) - asked() == component


def test_the_lease_is_asked_for_with_leader_election_alone() -> None:
    """By its name, but for its creation, which Kubernetes cannot limit to a name."""
    more = asked(lease="chosen") - asked()
    assert {each.resource for each in more} == {"leases"}
    assert {each.name for each in more if each.verb != "create"} == {"chosen"}
    assert {each.name for each in more if each.verb == "create"} == {None}


def test_of_some_namespaces_only_those_are_asked_about() -> None:
    """A role in each of them is enough."""
    objects = {each.namespace for each in asked(namespaces=["a", "b"]) if each.resource in {"imagecaches", "events"}}
    assert objects == {"a", "b"}


def test_without_a_namespace_of_its_own_nothing_is_kept() -> None:
    """Outside of a cluster there is no ledger and no Lease."""
    assert {each.resource for each in asked(own_namespace=None, lease="any")}.isdisjoint({"configmaps", "leases"})


def test_a_permission_reads_as_kubectl_would_have_it() -> None:
    """What is missing is told in words that can be looked for in a role."""
    permission = Permission("patch", "cce.huaweicloud.com", "imagecaches", "status", "team-a")
    assert str(permission) == "patch imagecaches/status.cce.huaweicloud.com in team-a"
