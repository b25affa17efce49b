"""Whether an operator runs, as its Lease tells."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from imagecache_operator.kubernetes_client import KubernetesClient, NotFoundError

LOOK_AGAIN_AFTER = 5.0
"""Seconds in which a holder that lives has renewed it, whatever its clock says."""


@dataclass(frozen=True, slots=True)
class LeaseState:
    """Who leads; `holder` None: nobody, the Lease was given back."""

    holder: str | None
    age: float
    duration: float
    renewed: object = None

    @property
    def live(self) -> bool:
        """Whether somebody leads now, and is not merely the last one who did."""
        return self.holder is not None and self.age <= self.duration


async def read_lease(kubernetes: KubernetesClient, namespace: str, name: str, now: datetime) -> LeaseState | None:
    """The Lease as it is; None when there is none. Raises KubernetesError."""
    state = await _read(kubernetes, namespace, name, now)
    if state is None or state.holder is None or state.live:
        return state
    # Its holder's clock may be wrong; whether it is renewed, no clock is needed for.
    await asyncio.sleep(LOOK_AGAIN_AFTER)
    again = await _read(kubernetes, namespace, name, now)
    if again is not None and again.holder is not None and again.renewed != state.renewed:
        return replace(again, age=0.0)
    return again


async def _read(kubernetes: KubernetesClient, namespace: str, name: str, now: datetime) -> LeaseState | None:
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
    duration = float(spec.get("leaseDurationSeconds") or 0)
    return LeaseState(spec.get("holderIdentity") or None, age, duration, spec.get("renewTime"))
