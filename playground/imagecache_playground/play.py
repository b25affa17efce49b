"""`make playground`: control plane, simulator and operator, left running for a person to try things."""

from __future__ import annotations

import signal
from pathlib import Path

from imagecache_controlplane import kubectl_path
from imagecache_playground.cloud import BUILDER
from imagecache_playground.entry_point import installed_cluster, say
from imagecache_playground.surroundings import Surroundings

NAMESPACE = "playground"
SCENARIO = {"timing": {"delete_seconds": 10}}


def playground(directory: Path) -> int:
    """Start all, tell what can be tried, and wait for Ctrl-C."""
    with installed_cluster() as cluster:
        cluster.create_namespace(NAMESPACE)
        with Surroundings(cluster, NAMESPACE, directory, SCENARIO) as world:
            world.operator(
                IMAGECACHE_NAMESPACES="*",
                IMAGECACHE_ACTIVE_INTERVAL="1",
                IMAGECACHE_IDLE_INTERVAL="10",
                IMAGECACHE_WRITES_PER_MINUTE="10",
                IMAGECACHE_CLUSTER_ID=BUILDER,
            )
            cache_id = world.cloud.add_cache("web")
            say(_advice(cluster.plane.kubeconfig, world.cloud.endpoint, cache_id, directory))
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
            say("Cleaning up")
    return 0


def _advice(kubeconfig: Path, endpoint: str, cache_id: str, directory: Path) -> str:
    kubectl = kubectl_path()
    return f"""
A Kubernetes control plane, a simulated CCE with the cache `web` in it, and the operator are running. In another shell:

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}
  kubectl config set-context --current --namespace {NAMESPACE}

  kubectl apply -f - <<'YAML'
  apiVersion: cce.huaweicloud.com/v1alpha1
  kind: ImageCache
  metadata: {{name: web}}
  spec: {{imageCacheID: {cache_id}}}
  YAML
  kubectl get imagecaches --watch &
  kubectl delete imagecache web        # takes about 10 s, as long as the cloud takes

  kubectl apply -f - <<'YAML'
  apiVersion: cce.huaweicloud.com/v1alpha1
  kind: ImageCache
  metadata: {{name: made}}
  spec: {{images: [nginx], recreateOn: [SpecChanged]}}
  YAML
  kubectl patch imagecache made --type merge -p '{{"spec":{{"images":["nginx","busybox"]}}}}'  # replaces the cache

The cloud can be looked at and disturbed (all of it: simulator/README.md):

  curl -s {endpoint}/_control/state                          # its caches
  curl -s {endpoint}/_control/calls                          # who asked for what
  curl -s {endpoint}/_control/caches -d '{{"name": "second"}}'  # one more cache

The operator's log: {directory}/operator-1.log
Ctrl-C here ends everything and removes it.
"""
