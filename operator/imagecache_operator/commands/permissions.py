"""What the operator must be allowed to do in the cluster: the rules of its role, as questions to the API server. Pure.

A test compares this table with the manifests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from imagecache_operator.kubernetes_client import CRD_NAME
from imagecache_operator.ledger import CONFIG_MAP
from imagecache_operator.names import GROUP, PLURAL


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource; `namespace` None: in all of them, or a resource of the cluster; `name` None: any."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        of = f".{self.group}" if self.group else ""
        name = f" {self.name}" if self.name else ""
        return f"{self.verb} {resource}{of}{name}" + (f" in {self.namespace}" if self.namespace else "")

    def to_review(self) -> dict[str, Any]:
        """The SelfSubjectAccessReview that asks for it."""
        attributes = {
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            "subresource": self.subresource,
            "namespace": self.namespace or "",
            "name": self.name or "",
        }
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }


def needed(
    *,
    namespaces: Collection[str] | None,
    own_namespace: str | None,
    secrets: bool,
    lease: str | None,
) -> Iterator[Permission]:
    """All that is needed.

    Args:
        namespaces: those that are served; None: all.
        own_namespace: the operator's own; None: it keeps nothing.
        secrets: whether credentials are read from Secrets.
        lease: the name of the Lease; None without leader election.
    """
    for namespace in [None] if namespaces is None else namespaces:
        for verb in ("get", "list", "watch", "patch"):
            yield Permission(verb, GROUP, PLURAL, namespace=namespace)
        yield Permission("patch", GROUP, PLURAL, "status", namespace=namespace)
        yield Permission("create", "", "events", namespace=namespace)
        if secrets:
            yield Permission("list", "", "secrets", namespace=namespace)
    yield Permission("get", "apiextensions.k8s.io", "customresourcedefinitions", name=CRD_NAME)
    if own_namespace is None:
        return
    for verb in ("get", "patch"):
        yield Permission(verb, "", "configmaps", namespace=own_namespace, name=CONFIG_MAP)
    if lease is not None:
        for verb in ("get", "watch", "create", "update"):
            # A permission to create cannot be limited to a name.
            name = None if verb == "create" else lease
            yield Permission(verb, "coordination.k8s.io", "leases", namespace=own_namespace, name=name)
