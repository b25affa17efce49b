"""The inside of an operator: all of it but kopf, HTTP and the tasks that write Events and ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.decision.builders import HERE, PROJECT

from imagecache_operator.account import SessionOpener
from imagecache_operator.accounts import Accounts, Tenant
from imagecache_operator.clock import Clock
from imagecache_operator.crd_state import CrdReader
from imagecache_operator.decision import Policy
from imagecache_operator.events import Events
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient
from imagecache_operator.ledger import Ledger
from imagecache_operator.metrics import Metrics
from imagecache_operator.pace import Intervals
from imagecache_operator.placement import Defaults
from imagecache_operator.reconciler import Reconciler

DEFAULTS = Defaults(HERE.region, PROJECT, cluster_id="cluster-1")


class Inside(NamedTuple):
    """What tests touch of it."""

    accounts: Accounts
    reconciler: Reconciler
    metrics: Metrics


def assemble(
    kubernetes: KubernetesClient,
    sessions: SessionOpener,
    clock: Clock,
    *,
    defaults: Defaults = DEFAULTS,
    idle_interval: float = 60.0,
    writes_per_minute: int = 10,
    tenant_of: Callable[[Key], Tenant] | None = None,
) -> Inside:
    """Put it together as `run.py` does; nothing runs yet."""
    metrics = Metrics()
    accounts = Accounts(
        sessions,
        lambda: defaults,
        clock=clock,
        intervals=Intervals(5.0, idle_interval),
        writes_per_minute=writes_per_minute,
        tenant_of=tenant_of,
    )
    reconciler = Reconciler(
        kubernetes=kubernetes,
        accounts=accounts,
        crd=CrdReader(kubernetes, clock),
        events=Events(kubernetes, clock),
        ledger=Ledger(kubernetes, "imagecache-system", clock),
        metrics=metrics,
        clock=clock,
        policy=Policy(),
    )
    return Inside(accounts, reconciler, metrics)
