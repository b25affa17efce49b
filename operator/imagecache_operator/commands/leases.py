"""Whether an operator runs, as its Lease tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from imagecache_operator.kubernetes_client import KubernetesClient, NotFoundError


@dataclass(frozen=True, slots=True)
class LeaseState:
    """Who leads; `holder` None: nobody, the Lease was given back."""

    holder: str | None
    age: float
    duration: float

    @property
    def live(self) -> bool:
        """Whether somebody leads now, and is not merely the last one who did."""
        return self.holder is not None and self.age <= self.duration


async def read_lease(kubernetes: KubernetesClient, namespace: str, name: str, now: datetime) -> LeaseState | None:
    """The Lease as it is; None when there is none. Raises KubernetesError."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases/{quote(name, safe='')}"
    try:
        body = await kubernetes.request("GET", path)
    except NotFoundError:
        return None
    # The API server's clock, where it tells it, is nearer to that of the operator than a laptop's.
    return state_of(body, kubernetes.server_time or now)


def state_of(body: Mapping[str, Any], now: datetime) -> LeaseState:
    """Read a Lease."""
    spec: Mapping[str, Any] = body.get("spec") or {}
    try:
        renewed = datetime.fromisoformat(spec["renewTime"])
        age = (now - renewed).total_seconds()
    except (KeyError, TypeError, ValueError):
        age = float("inf")
    return LeaseState(spec.get("holderIdentity") or None, age, float(spec.get("leaseDurationSeconds") or 0))
