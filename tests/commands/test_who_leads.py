"""What the commands make of the Lease: whose clock counts, and what doctor asks for where replicas elect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from tests.commands.test_holdings import held
from tests.commands.test_permissions import KUSTOMIZE, asked, granted
from tests.decision.builders import ready_status, resource

from imagecache_operator.clock import SystemClock
from imagecache_operator.cloud.credentials import Credentials, PodIdentity
from imagecache_operator.commands import leases
from imagecache_operator.commands.arguments import CommandError
from imagecache_operator.commands.doctor_cloud import _clock
from imagecache_operator.commands.doctor_cluster import _lease
from imagecache_operator.commands.findings import Outcome
from imagecache_operator.commands.reach import Reached
from imagecache_operator.commands.standstill import stands_still
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError
from imagecache_operator.settings_loading import load_settings

IN_A_POD, _ = load_settings(
    {}, {"IMAGECACHE_LEASE_NAMESPACE": "system", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, without_credentials=True
)
NOWHERE, _ = load_settings({}, {}, without_credentials=True)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Server:
    """An API server with a Lease whose holder's clock is behind; it is renewed with each look, or not at all."""

    server_time = None

    def __init__(self, *, renewed: bool) -> None:
        self._renewed = renewed
        self._looks = 0

    async def request(self, *_: Any) -> dict[str, Any]:
        """See `KubernetesClient`."""
        self._looks += self._renewed
        told = f"{LONG_AGO + timedelta(seconds=2 * self._looks):%Y-%m-%dT%H:%M:%S.%fZ}"
        spec = {"holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": told}
        return {"metadata": {"resourceVersion": "1"}, "spec": spec}


class Refusing:
    """An API server that allows nothing."""

    server_time = None

    async def request(self, *_: Any) -> dict[str, Any]:
        """See `KubernetesClient`."""
        raise KubernetesError("403 Forbidden", 403)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the second look."""
    monkeypatch.setattr(leases, "LOOK_AGAIN_AFTER", 0.0)


async def test_an_operator_whose_clock_is_behind_runs_all_the_same() -> None:
    """Its Lease is renewed, whatever time it writes into it."""
    with pytest.raises(CommandError, match="pod-1 holds the Lease"):
        await stands_still(cast("KubernetesClient", Server(renewed=True)), IN_A_POD, SystemClock())


async def test_a_lease_of_a_holder_that_is_gone_holds_nothing_up() -> None:
    """It is not renewed between two looks."""
    server = Server(renewed=False)
    await stands_still(cast("KubernetesClient", server), IN_A_POD, SystemClock())
    assert server._looks == 0


async def test_without_a_namespace_it_cannot_be_told() -> None:
    """The command goes on with --force alone."""
    with pytest.raises(CommandError, match="give --lease-namespace, or --force"):
        await stands_still(cast("KubernetesClient", Refusing()), NOWHERE, SystemClock())


async def test_doctor_in_a_pod_fails_where_the_lease_cannot_be_read() -> None:
    """Pods elect unless they are told not to."""
    finding = await _lease(cast("KubernetesClient", Refusing()), IN_A_POD, SystemClock())
    assert finding.outcome is Outcome.FAILED


def test_doctor_asks_for_all_that_the_role_allows_on_the_lease() -> None:
    """Without the watch a hand-over takes two seconds longer."""
    rules = granted(KUSTOMIZE / "base" / "role.yaml")
    role = {(rule.verb, rule.resource) for rule in rules if rule.resource == "leases"}
    assert {(rule.verb, rule.resource) for rule in asked(lease="imagecache-operator") - asked()} == role


def test_a_wrong_clock_is_a_failure_with_temporary_keys() -> None:
    """Requests are signed with them, too."""
    credentials = Credentials(PodIdentity("http://169.254.1.1/x", Path("/token")))
    finding = _clock(Reached(200, datetime.now(UTC) - timedelta(minutes=20)), credentials, SystemClock())
    assert finding.outcome is Outcome.FAILED


def test_list_offers_no_cache_that_a_lost_post_may_have_made() -> None:
    """Between the two caches of a replacement the object has no id."""
    status = {name: value for name, value in ready_status().items() if name != "imageCacheID"}
    lost = {"attemptID": "a", "requestedAt": "2026-03-01T11:59:00Z", "specHash": "h", "answer": "Lost"}
    found = held(resource(name="nginx", spec={"images": ["nginx"]}, status=status | {"creation": lost}))
    assert found.named_by
