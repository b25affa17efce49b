"""The end-to-end tests run with the service account and the roles of the Helm chart, and an audit log watches them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.helm import Helm, install

from imagecache_benchmarks.audit import AuditLog, refused
from imagecache_controlplane import ControlPlane, Programs
from imagecache_playground.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(programs: Programs, helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The shared control plane with the chart; afterwards no request of the operator may have been refused."""
    log = tmp_path_factory.mktemp("audit") / "audit.log"
    with ControlPlane(programs, audit_log=log) as plane:
        installed = Cluster(plane)
        install(helm, installed)
        yield installed
        # Secrets are allowed by the tests that need them, in their namespaces, and not after the end of those.
        assert [request for request in refused(AuditLog(log).requests()) if "/secrets?" not in request] == []


@pytest.fixture
def own_cluster(own_plane: Cluster, helm: Helm) -> Cluster:
    """A control plane with the chart, for a test that breaks it or deletes the CRD."""
    install(helm, own_plane)
    return own_plane
