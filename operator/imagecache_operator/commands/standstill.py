"""Whether an operator runs, which would put the finalizer back; and how it is stopped."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from imagecache_operator.clock import Clock
from imagecache_operator.commands.arguments import CommandError
from imagecache_operator.commands.leases import LeaseState, read_lease
from imagecache_operator.commands.output import say
from imagecache_operator.kubernetes_client import MERGE_PATCH, KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.settings import Settings

STOP_SECONDS = 60.0
"""How long a stop is waited for; a Lease that its holder did not give back expires within a quarter of it."""

POLL = 1.0


async def scale_down(kubernetes: KubernetesClient, settings: Settings, deployment: str, clock: Clock) -> None:
    """Scale it to 0 and wait until nobody leads.

    Raises:
        CommandError: it cannot be, or somebody still leads after that time.
    """
    namespace = settings.own_namespace
    if namespace is None:
        raise CommandError("--scale-down needs the operator's namespace: give --lease-namespace.")
    path = f"/apis/apps/v1/namespaces/{quote(namespace, safe='')}/deployments/{quote(deployment, safe='')}/scale"
    try:
        await kubernetes.request("PATCH", path, {"spec": {"replicas": 0}}, MERGE_PATCH)
        say(f"Scaled the Deployment {namespace}/{deployment} to 0.\n")
        deadline = clock.monotonic() + STOP_SECONDS
        while await _runs(kubernetes, settings, namespace, path, clock):
            if clock.monotonic() > deadline:
                raise CommandError(
                    f"The operator of {namespace}/{deployment} still runs after {STOP_SECONDS:.0f} s: see its pods."
                )
            await asyncio.sleep(POLL)
    except NotFoundError:
        raise CommandError(f"There is no Deployment {namespace}/{deployment}: check --scale-down.") from None
    except KubernetesError as error:
        raise CommandError(f"The operator could not be stopped: {error}") from None


async def _runs(kubernetes: KubernetesClient, settings: Settings, namespace: str, path: str, clock: Clock) -> bool:
    scale = await kubernetes.request("GET", path)
    if int((scale.get("status") or {}).get("replicas") or 0) > 0:
        return True
    lease = await read_lease(kubernetes, namespace, settings.lease_name, clock.now())
    return lease is not None and lease.live


async def stands_still(kubernetes: KubernetesClient, settings: Settings, clock: Clock) -> None:
    """Make sure that nobody leads, as far as that can be told.

    Raises:
        CommandError: somebody does, or it cannot be told.
    """
    namespace, name = settings.own_namespace, settings.lease_name
    if namespace is None:
        raise CommandError(
            "Whether an operator runs cannot be told, since its namespace is not known: give --lease-namespace, or "
            "--force when none does."
        )
    try:
        lease = await read_lease(kubernetes, namespace, name, clock.now())
    except KubernetesError as error:
        raise CommandError(f"Whether an operator runs cannot be told ({error}): give --force when none does.") from None
    if lease is not None and lease.live:
        raise CommandError(_held(lease, namespace, name))


def _held(lease: LeaseState, namespace: str, name: str) -> str:
    return (
        f"An operator runs: {lease.holder} holds the Lease {namespace}/{name}, and would put the finalizer back. Stop "
        "it first (kubectl scale deployment --replicas 0, or --scale-down), or give --force."
    )
