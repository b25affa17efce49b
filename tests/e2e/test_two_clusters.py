"""Two control planes with an operator each, and one account: neither deletes what the other has created."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imagecache_playground.cloud import BUILDER
from imagecache_playground.cluster import Cluster, reason
from imagecache_playground.operator_process import Operator, operator_settings
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

THEIRS = "theirs"


def test_one_name_in_two_clusters(
    surroundings: Callable[..., Surroundings], cluster: Cluster, own_cluster: Cluster, tmp_path: Path
) -> None:
    """The second shows Conflict, takes nothing along when it goes, and takes over when the first has gone."""
    ours = surroundings(cluster, {"timing": {"create_seconds": 0.5, "delete_seconds": 0.5}, "writes_per_minute": 0})
    ours.operator(IMAGECACHE_CLUSTER_ID=BUILDER)
    own_cluster.create_namespace(THEIRS)
    settings = operator_settings(
        ours.cloud.endpoint,
        IMAGECACHE_NAMESPACES=THEIRS,
        IMAGECACHE_ACTIVE_INTERVAL="0.3",
        IMAGECACHE_IDLE_INTERVAL="1",
        IMAGECACHE_WRITES_PER_MINUTE="0",
        IMAGECACHE_CLUSTER_ID=BUILDER,
    )

    def wait_theirs(wanted: str | None) -> None:
        def shows() -> bool:
            found = own_cluster.get(THEIRS, "web")
            return found is None if wanted is None else reason(found) == wanted

        wait_for(shows, what=f"theirs shows {wanted}", seconds=20, stand=lambda: own_cluster.get(THEIRS, "web"))

    kubeconfig = own_cluster.operator_kubeconfig(tmp_path / "theirs.kubeconfig")
    with Operator(kubeconfig, settings, tmp_path / "theirs.log"):
        ours.cluster.create(ours.namespace, "web", images=["nginx"])
        made = str(ours.wait_reason("Available")["status"]["imageCacheID"])
        for _ in range(2):
            own_cluster.create(THEIRS, "web", images=["nginx"])
            wait_theirs("Conflict")
            own_cluster.delete(THEIRS, "web")
            wait_theirs(None)
        assert list(ours.cloud.caches()) == [made]
        assert ours.cloud.calls("DeleteImageCache") == []
        own_cluster.create(THEIRS, "web", images=["nginx"])
        wait_theirs("Conflict")
        ours.delete()
        ours.wait_gone()
        wait_theirs("Available")
        assert len(ours.deletes(made)) == 1
        own_cluster.delete(THEIRS, "web")
        wait_theirs(None)
    assert ours.cloud.caches() == {}
    assert len(ours.cloud.calls("CreateImageCache")) == 2
