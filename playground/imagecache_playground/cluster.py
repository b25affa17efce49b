"""What is done with the cluster, as a person with kubectl or as a client of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagecache_controlplane import ApiError, ControlPlane, kubectl_path
from imagecache_playground.processes import bare_environment, output_of, wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
CRDS = REPOSITORY / "crds"
BASE = REPOSITORY / "deploy" / "kustomize" / "base"

GROUP_PATH = "/apis/cce.huaweicloud.com/v1alpha1"
OPERATOR_NAMESPACE = "imagecache-system"
OPERATOR_ACCOUNT = "imagecache-operator"

Object = dict[str, Any]


class KubectlError(RuntimeError):
    """kubectl said no; the text is what it said."""


class Cluster:
    """A control plane with the CRD and the operator's role in it."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def install(self) -> None:
        """Apply CRD, namespace, service account and role as they ship; the Deployment has no kubelet to run on here."""
        self.kubectl("apply", "--server-side", "-k", str(BASE))
        self.wait_served()

    def install_definition(self) -> None:
        """Apply the CRD alone."""
        self.kubectl("apply", "--server-side", "-k", str(CRDS))
        self.wait_served()

    def wait_served(self) -> None:
        """Wait until the API server serves ImageCaches."""
        wait_for(self._established, what="the CRD is served", seconds=30)

    def _established(self) -> bool:
        try:
            self.plane.request("GET", f"{GROUP_PATH}/imagecaches")
        except ApiError:
            return False
        return True

    def operator_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig with the token of the operator's own service account."""
        return self.plane.service_account_kubeconfig(path, OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as an administrator; returns what it printed.

        Raises:
            KubectlError: it failed.
        """
        environment = bare_environment(KUBECONFIG=str(self.plane.kubeconfig))
        return output_of([str(kubectl_path()), *arguments], environment, KubectlError, stdin=stdin)

    def ledger(self, namespace: str = OPERATOR_NAMESPACE) -> list[dict[str, Any]]:
        """The caches that an operator of that namespace has left in the cloud on purpose, as it has written them."""
        path = f"/api/v1/namespaces/{namespace}/configmaps/imagecache-retained"
        data = self.plane.request("GET", path).get("data") or {}
        return [json.loads(line) for line in data.get("caches", "").splitlines()]

    # --- objects

    def create_namespace(self, name: str) -> None:
        """Create a namespace."""
        self.plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def create(self, namespace: str, name: str, /, **spec: Any) -> Object:
        """Create an ImageCache; returns it."""
        answer: Object = self.plane.request("POST", _path(namespace), manifest(namespace, name, **spec))
        return answer

    def get(self, namespace: str, name: str) -> Object | None:
        """The object, None when it is gone."""
        try:
            answer: Object = self.plane.request("GET", _path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return answer

    def objects(self, namespace: str | None = None) -> list[Object]:
        """All objects (of a namespace)."""
        path = _path(namespace) if namespace else f"{GROUP_PATH}/imagecaches"
        items: list[Object] = self.plane.request("GET", path)["items"]
        return items

    def delete(self, namespace: str, name: str) -> None:
        """Ask for the deletion of an object."""
        self.plane.request("DELETE", _path(namespace, name))

    def patch(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        """Merge-patch an object."""
        answer: Object = self.plane.request(
            "PATCH", _path(namespace, name), dict(patch), content_type="application/merge-patch+json"
        )
        return answer

    def events(self, namespace: str, name: str) -> list[Object]:
        """The Events about an object, oldest first."""
        items = self.plane.request("GET", f"/api/v1/namespaces/{namespace}/events?limit=500")["items"]
        about = [event for event in items if event["involvedObject"].get("name") == name]
        return sorted(about, key=lambda event: str(event["metadata"]["name"]))


def _path(namespace: str, name: str = "") -> str:
    return f"{GROUP_PATH}/namespaces/{namespace}/imagecaches" + (f"/{name}" if name else "")


def manifest(namespace: str, name: str, /, **spec: Any) -> Object:
    """An ImageCache to be applied."""
    return {
        "apiVersion": "cce.huaweicloud.com/v1alpha1",
        "kind": "ImageCache",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def manifests(objects: list[Object]) -> str:
    """Objects as text for `kubectl apply -f -`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def condition(found: Object | None, kind: str) -> dict[str, Any]:
    """A condition of an object; an empty one when it is not there."""
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def reason(found: Object | None) -> str | None:
    """The reason of Ready."""
    return condition(found, "Ready").get("reason")
