"""The CRD on the real API server: as it ships, and with the rule taken out that refuses to create caches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any
from uuid import uuid4

import pytest

from imagecache_controlplane import ApiError, ControlPlane
from imagecache_operator.crd import crd
from imagecache_operator.names import KIND, PLURAL
from imagecache_playground.processes import wait_for

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Api:
    """The objects of one CRD in one namespace.

    A variant of the CRD has an API group of its own, so that it and the one that ships live side by side.
    """

    def __init__(self, plane: ControlPlane, group: str, namespace: str) -> None:
        self.plane = plane
        self.group = group
        self.namespace = namespace
        self._root = f"/apis/{group}/v1alpha1/namespaces/{namespace}/{PLURAL}"

    def install(self, definition: Object) -> Object:
        """Apply a CRD under this group, and wait until it is served; returns it."""
        definition = deepcopy(definition)
        definition["spec"]["group"] = self.group
        name = definition["metadata"]["name"] = f"{PLURAL}.{self.group}"
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        self.plane.request("PATCH", f"{path}?fieldManager=tests&force=true", definition, APPLY)
        wait_for(self._served, what=f"{name} is served", seconds=30)
        found: Object = self.plane.request("GET", path)
        return found

    def _served(self) -> bool:
        try:
            self.plane.request("GET", self._root)
        except ApiError:
            return False
        return True

    def manifest(self, name: str, spec: Object, **metadata: Any) -> Object:
        """An object to be sent."""
        return {
            "apiVersion": f"{self.group}/v1alpha1",
            "kind": KIND,
            "metadata": {"name": name, "namespace": self.namespace, **metadata},
            "spec": spec,
        }

    def create(self, spec: Object, *, name: str | None = None, dry_run: bool = False, **metadata: Any) -> Object:
        """Create an object, refusing unknown fields as `kubectl apply` does; returns it."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        body = self.manifest(name or f"case-{uuid4().hex[:8]}", spec, **metadata)
        found: Object = self.plane.request("POST", self._root + query, body)
        return found

    def update(self, name: str, spec: Object, *, dry_run: bool = False) -> Object:
        """Merge into an object's spec; None unsets a field."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        found: Object = self.plane.request("PATCH", f"{self._root}/{name}{query}", {"spec": spec}, MERGE)
        return found

    def patch(self, name: str, patch: Object) -> Object:
        """Merge into an object."""
        found: Object = self.plane.request("PATCH", f"{self._root}/{name}", patch, MERGE)
        return found

    def patch_status(self, name: str, status: Object) -> Object:
        """Merge into an object's status, refusing unknown fields; returns the status."""
        path = f"{self._root}/{name}/status?fieldValidation=Strict"
        found: Object = self.plane.request("PATCH", path, {"status": status}, MERGE)["status"]
        return found

    def delete(self, name: str) -> None:
        """Ask for an object's deletion."""
        self.plane.request("DELETE", f"{self._root}/{name}")

    def get(self, name: str) -> Object | None:
        """The object, None when it is gone."""
        try:
            found: Object = self.plane.request("GET", f"{self._root}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found


@pytest.fixture(scope="session")
def crd_namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace for these tests; it goes afterwards with all that is in it."""
    name = f"crd-{uuid4().hex[:6]}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def shipped(control_plane: ControlPlane, crd_namespace: str) -> Api:
    """The CRD as it ships."""
    api = Api(control_plane, "cce.huaweicloud.com", crd_namespace)
    api.install(crd())
    return api


@pytest.fixture
def variant(control_plane: ControlPlane, crd_namespace: str) -> Callable[[], Api]:
    """A group for a CRD of the test's own."""
    return lambda: Api(control_plane, f"v{uuid4().hex[:8]}.example.com", crd_namespace)
