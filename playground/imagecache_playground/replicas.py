"""Several replicas of the operator around one Lease; each has its own access key, so that it shows who did what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imagecache_playground.cloud import PROJECT, SECRET_KEY
from imagecache_playground.cluster import OPERATOR_NAMESPACE, Cluster
from imagecache_playground.operator_process import Operator, operator_settings
from imagecache_playground.processes import wait_for

LEASE_NAME = "imagecache-operator"


def leases_of(namespace: str) -> str:
    """Where the Leases of a namespace are."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


LEASES = leases_of(OPERATOR_NAMESPACE)
LEASE = f"{LEASES}/{LEASE_NAME}"
LEADS, STANDS_BY = "This replica leads now", "leads no more and stands by"
KEYS = tuple(f"AKREPLICA{number}0000000000" for number in range(2))

SCENARIO: dict[str, Any] = {
    "accounts": [
        {
            "domain_id": "d" * 32,
            "domain_name": "example-domain",
            "projects": [{"id": PROJECT, "name": "cn-north-4"}],
            "access_keys": [{"access_key": key, "secret_key": SECRET_KEY} for key in KEYS],
        }
    ]
}
"""What the simulator must know of them."""


class Replica(Operator):
    """One replica, with the key of that number."""

    def __init__(self, kubeconfig: Path, endpoint: str, log: Path, number: int, **changes: str) -> None:
        self.key = KEYS[number]
        settings = {
            "HUAWEICLOUD_SDK_AK": self.key,
            "IMAGECACHE_LEADER_ELECTION": "true",
            "IMAGECACHE_LEASE_NAMESPACE": OPERATOR_NAMESPACE,
            "IMAGECACHE_ACTIVE_INTERVAL": "0.3",
            "IMAGECACHE_IDLE_INTERVAL": "1",
            "IMAGECACHE_WRITES_PER_MINUTE": "0",
            # An intent of a replica that is gone, whose DELETE was never sent, is repeated after this time.
            "IMAGECACHE_DELETE_RETRY_AFTER": "3",
        }
        super().__init__(kubeconfig, operator_settings(endpoint, **(settings | changes)), log, wait=False)

    @property
    def terms(self) -> int:
        """For how many terms it has led."""
        return self.program.said().count(LEADS)

    @property
    def leads(self) -> bool:
        """Whether it leads, by what it says."""
        return self.program.running and self.terms > self.program.said().count(STANDS_BY)

    def wait_leads(self, *, seconds: float = 30) -> None:
        """Until it leads."""
        wait_for(lambda: self.leads, what="the replica leads", seconds=seconds, stand=self.program.said)

    def wait_stands_by(self, *, seconds: float = 15) -> None:
        """Until it has led, and says that it does no more."""
        wait_for(
            lambda: STANDS_BY in self.program.said(), what="it stands by", seconds=seconds, stand=self.program.said
        )


def offer_lease(cluster: Cluster, namespace: str = OPERATOR_NAMESPACE) -> None:
    """A Lease that was handed back, so that the first replica need not wait for a holder that there may be."""
    spec = {"holderIdentity": "", "leaseDurationSeconds": 1}
    cluster.plane.request("POST", leases_of(namespace), {"metadata": {"name": LEASE_NAME}, "spec": spec})
