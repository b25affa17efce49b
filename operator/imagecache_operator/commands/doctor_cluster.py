"""What `doctor` looks at in the cluster: API server, clock, definition, permissions, Lease."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from imagecache_operator.clock import Clock
from imagecache_operator.commands.access import open_kubernetes
from imagecache_operator.commands.findings import Finding, Outcome, judge_clock
from imagecache_operator.commands.leases import read_lease
from imagecache_operator.commands.permissions import Permission, needed
from imagecache_operator.crd import crd
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.kubernetes_config import KubernetesConfigError
from imagecache_operator.names import VERSION
from imagecache_operator.settings import Settings

_API_SERVER, _DEFINITION = "API server", "CustomResourceDefinition"
_PERMISSIONS, _LEASE = "permissions in the cluster", "Lease"
_APPLY_DEFINITION = "Apply the one of this version: imagecache-operator crd | kubectl apply --server-side -f -"


async def look_at_cluster(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """The checks, in order."""
    try:
        async with open_kubernetes() as kubernetes:
            found = await _api_server(kubernetes)
            yield found
            if found.outcome is Outcome.OK:
                yield judge_clock("the API server", kubernetes.server_time, clock.now())
                yield await _definition(kubernetes)
                yield await _permissions(kubernetes, settings)
                yield await _lease(kubernetes, settings, clock)
                return
    except KubernetesConfigError as error:
        yield Finding(_API_SERVER, Outcome.FAILED, str(error))
    for check in (_DEFINITION, _PERMISSIONS, _LEASE):
        yield Finding(check, Outcome.SKIPPED, "without an API server this cannot be told.")


async def _api_server(kubernetes: KubernetesClient) -> Finding:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        version = await kubernetes.request("GET", "/version")
        who = await kubernetes.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    except KubernetesError as error:
        match error.status:
            case None:
                mend = "Check the server's address in the kubeconfig, and the network."
            case 401:
                mend = "The API server does not know these credentials: renew the kubeconfig or the service account."
            case _:
                mend = "Check that the kubeconfig leads to a Kubernetes API server."
        return Finding(_API_SERVER, Outcome.FAILED, f"{error}.", mend)
    user = ((who.get("status") or {}).get("userInfo") or {}).get("username", "somebody")
    return Finding(_API_SERVER, Outcome.OK, f"Kubernetes {version.get('gitVersion', '')}, seen as {user}")


async def _definition(kubernetes: KubernetesClient) -> Finding:
    try:
        installed = await kubernetes.get_crd()
    except NotFoundError:
        return Finding(_DEFINITION, Outcome.FAILED, "It is not installed.", _APPLY_DEFINITION)
    except KubernetesError as error:
        return Finding(_DEFINITION, Outcome.FAILED, f"It cannot be read: {error}", "Give the operator its ClusterRole.")
    return judge_definition(installed)


def judge_definition(installed: Mapping[str, Any]) -> Finding:
    """Compare the definition in the cluster with that of this version."""
    if (installed.get("metadata") or {}).get("deletionTimestamp"):
        return Finding(
            _DEFINITION,
            Outcome.FAILED,
            "It is being deleted, and all ImageCaches with it; their caches stay in the cloud.",
            "Let its deletion end, then apply it and the manifests again.",
        )
    versions = (installed.get("spec") or {}).get("versions") or ()
    theirs = next((version for version in versions if version.get("name") == VERSION), None)
    if theirs is None or not theirs.get("served"):
        return Finding(_DEFINITION, Outcome.FAILED, f"It does not serve {VERSION}.", _APPLY_DEFINITION)
    [ours] = crd()["spec"]["versions"]
    lost = sorted(set(_fields(ours)) - set(_fields(theirs)))
    if lost:
        # What the schema does not know is dropped on each write, also from the status, which is the memory.
        told = f"It is older than this version: it would drop {', '.join(lost)}."
        return Finding(_DEFINITION, Outcome.FAILED, told, _APPLY_DEFINITION)
    if any(theirs.get(part) != ours[part] for part in ("schema", "subresources", "additionalPrinterColumns")):
        told = "It is not the one of this version; newer, or changed."
        return Finding(_DEFINITION, Outcome.WARNING, told, _APPLY_DEFINITION)
    return Finding(_DEFINITION, Outcome.OK, "that of this version")


def _fields(version: Mapping[str, Any]) -> Iterator[str]:
    def within(schema: Mapping[str, Any], path: str) -> Iterator[str]:
        for name, field in (schema.get("properties") or {}).items():
            yield f"{path}{name}"
            yield from within(field, f"{path}{name}.")
        if "items" in schema:
            yield from within(schema["items"], path)

    root: Mapping[str, Any] = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return within(root, "")


async def _permissions(kubernetes: KubernetesClient, settings: Settings) -> Finding:
    wanted = list(
        needed(
            namespaces=settings.namespaces,
            own_namespace=settings.own_namespace,
            secrets=settings.namespaced_credentials,
            lease=settings.lease_name if settings.elects else None,
        )
    )
    try:
        missing = [permission for permission in wanted if not await _allowed(kubernetes, permission)]
    except KubernetesError as error:
        return Finding(_PERMISSIONS, Outcome.FAILED, f"They cannot be asked for: {error}", "Look at the API server.")
    if missing:
        return Finding(
            _PERMISSIONS,
            Outcome.FAILED,
            f"Not allowed: {'; '.join(map(str, missing))}.",
            "Apply the operator's roles and bindings; to ask about the operator, call this as its service account.",
        )
    return Finding(_PERMISSIONS, Outcome.OK, f"all {len(wanted)}")


async def _allowed(kubernetes: KubernetesClient, permission: Permission) -> bool:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await kubernetes.request("POST", path, permission.to_review())
    return bool((answer.get("status") or {}).get("allowed"))


async def _lease(kubernetes: KubernetesClient, settings: Settings, clock: Clock) -> Finding:
    namespace, name = settings.own_namespace, settings.lease_name
    if namespace is None:
        return Finding(_LEASE, Outcome.SKIPPED, "the operator's namespace is not known; see --lease-namespace.")
    try:
        lease = await read_lease(kubernetes, namespace, name, clock.now())
    except KubernetesError as error:
        if not settings.elects:
            return Finding(_LEASE, Outcome.SKIPPED, "it cannot be read, and is not used without leader election.")
        return Finding(_LEASE, Outcome.FAILED, f"It cannot be read: {error}", "Give the operator its Role.")
    if lease is None:
        return Finding(_LEASE, Outcome.OK, f"{namespace}/{name} is not there: nobody leads, or one replica runs alone")
    if lease.holder is None:
        return Finding(_LEASE, Outcome.OK, f"{namespace}/{name} is free")
    if lease.live:
        return Finding(_LEASE, Outcome.OK, f"{namespace}/{name} is held by {lease.holder}")
    return Finding(
        _LEASE,
        Outcome.WARNING,
        f"{namespace}/{name} was not renewed by {lease.holder} for {lease.age:.0f} s: no replica leads.",
        "Nothing to do when none shall run; else see why the pods do not run, or cannot write the Lease.",
    )
