"""What a kubelet would do for the operator's namespace, on a control plane that has none.

The pod of the uninstall guard, or of the doctor, is a process with the same arguments, environment and service account;
its exit status becomes the phase of the pod.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.helm import NAMESPACE, RELEASE, Object

from imagecache_controlplane import ApiError
from imagecache_playground.cluster import Cluster
from imagecache_playground.processes import bare_environment

GUARD = f"{RELEASE}-uninstall"
DOCTOR = f"{RELEASE}-doctor"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
MERGE = "application/merge-patch+json"


@dataclass
class Kubelet:
    """Runs the pods of guard and doctor, and lets those of the operator look ready."""

    cluster: Cluster
    directory: Path
    said: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Meanwhile, pods are run as soon as they are there."""
        stop = threading.Event()
        worker = threading.Thread(target=self._work, args=(stop,))
        worker.start()
        try:
            yield
        finally:
            stop.set()
            worker.join()

    def _work(self, stop: threading.Event) -> None:
        while not stop.wait(0.1):
            for pod in self.cluster.plane.request("GET", PODS)["items"]:
                if pod["status"]["phase"] != "Pending":
                    continue
                if pod["metadata"]["labels"]["app.kubernetes.io/name"] in {GUARD, DOCTOR}:
                    self._run(pod)
                else:
                    self._report(pod, {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})

    def _run(self, pod: Object) -> None:
        (container,) = pod["spec"]["containers"]
        own = {item["name"]: item["value"] for item in container.get("env", [])}
        for source in container.get("envFrom", []):
            path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{source['configMapRef']['name']}"
            own = (self.cluster.plane.request("GET", path).get("data") or {}) | own
        kubeconfig = self.cluster.plane.service_account_kubeconfig(
            self.directory / "pod.kubeconfig", NAMESPACE, pod["spec"]["serviceAccountName"]
        )
        done = subprocess.run(
            [sys.executable, "-m", "imagecache_operator", *container["args"]],
            # In a pod its own namespace would be known from a file.
            env=bare_environment(KUBECONFIG=str(kubeconfig), IMAGECACHE_LEASE_NAMESPACE=NAMESPACE, **own),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        self.said.append(done.stdout + done.stderr)
        self._report(pod, {"phase": "Failed" if done.returncode else "Succeeded"})

    def _report(self, pod: Object, status: Object) -> None:
        # A pod that has been deleted meanwhile has nothing to report.
        with contextlib.suppress(ApiError):
            path = f"{PODS}/{pod['metadata']['name']}/status"
            self.cluster.plane.request("PATCH", path, {"status": status}, content_type=MERGE)
