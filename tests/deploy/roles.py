"""What roles allow, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]
Permission = tuple[str, str, str]
"""Group, resource (and the name that it is limited to, after a slash), verb."""


def permissions(roles: Iterable[Object]) -> set[Permission]:
    """All that roles allow."""
    return {
        (group, f"{resource}/{name}" if name else resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def by_scope(documents: Iterable[Object], account: str) -> dict[str, set[Permission]]:
    """What an account may do, by the namespace where it may; an empty one stands for everywhere.

    A binding whose role is not among the documents raises KeyError.
    """
    found = list(documents)
    roles = {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one
        for one in found
        if one["kind"] in {"Role", "ClusterRole"}
    }
    allowed: dict[str, set[Permission]] = {}
    for binding in found:
        if binding["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
            continue
        if account not in {subject["name"] for subject in binding["subjects"]}:
            continue
        where = binding["metadata"].get("namespace", "")
        reference = binding["roleRef"]
        role = roles[reference["kind"], where if reference["kind"] == "Role" else "", reference["name"]]
        allowed.setdefault(where, set()).update(permissions([role]))
    return allowed
