"""A namespace with a cloud of its own, the operator's role in it, and an account that a Secret opens."""

from __future__ import annotations

import base64
import contextlib
import random
import sys
from pathlib import Path
from typing import Any, Self

import yaml

from imagecache_chaos.soak.crew import persist
from imagecache_chaos.soak.verdict import Known
from imagecache_playground.cloud import BUILDER, PROJECT, REGION, SECRET_KEY, Cloud
from imagecache_playground.cluster import BASE, GROUP_PATH, REPOSITORY, Cluster, manifest
from imagecache_playground.operator_process import operator_settings
from imagecache_playground.processes import Program, bare_environment, wait_for
from imagecache_playground.replicas import LEADS, LEASE_NAME, STANDS_BY, leases_of, offer_lease

SECRET = "tenant"  # noqa: S105 (its name)
TENANT_PROJECT = "fedcba9876543210fedcba9876543210"
OWN_KEY, TENANT_KEYS = "AKOPERATOR000000000", ("AKTENANT00000000000", "AKTENANT10000000000")
BROKEN = "nowhere/broken:1"
POLICY = REPOSITORY / "deploy/kustomize/components/finalizer-policy/policy.yaml"
SECRETS_ROLE = REPOSITORY / "deploy/kustomize/components/namespaced-credentials/role.yaml"

CREATE_SECONDS, DELETE_SECONDS = 60.0, 30.0
"""Of the cloud's time."""


def _account(letter: str, project: str, *keys: str) -> dict[str, Any]:
    return {
        "domain_id": letter * 32,
        "domain_name": f"domain-{letter}",
        "projects": [{"id": project, "name": REGION}],
        "access_keys": [{"access_key": key, "secret_key": SECRET_KEY} for key in keys],
    }


def scenario(factor: float) -> dict[str, Any]:
    """A cloud in which time passes faster, with the limit on writes that the real one has."""
    return {
        "accounts": [_account("a", PROJECT, OWN_KEY), _account("b", TENANT_PROJECT, *TENANT_KEYS)],
        "timing": {"time_scale": factor, "create_seconds": CREATE_SECONDS, "delete_seconds": DELETE_SECONDS},
        "quota": 0,
        "retry_after": "decimal",
        "failing_images": {BROKEN: "the image cannot be pulled"},
        "switches": {"name_reuse": "allowed"},
    }


def settings(factor: float, endpoint: str, namespace: str) -> dict[str, str]:
    """The operator's defaults, in a time that passes faster."""
    seconds = {
        "IMAGECACHE_ACTIVE_INTERVAL": 5.0,
        "IMAGECACHE_IDLE_INTERVAL": 60.0,
        "IMAGECACHE_REQUEST_TIMEOUT": 30.0,
        "IMAGECACHE_STALLED_AFTER": 1800.0,
        "IMAGECACHE_DELETE_RETRY_AFTER": 60.0,
    }
    return operator_settings(
        endpoint,
        HUAWEICLOUD_SDK_AK=OWN_KEY,
        IMAGECACHE_CLUSTER_ID=BUILDER,
        IMAGECACHE_NAMESPACES=namespace,
        IMAGECACHE_NAMESPACED_CREDENTIALS="true",
        IMAGECACHE_LEADER_ELECTION="true",
        IMAGECACHE_LEASE_NAMESPACE=namespace,
        **{name: f"{value / factor:.3f}" for name, value in seconds.items()},
    )


def close_the_gap(cluster: Cluster) -> None:
    """Have the finalizer on objects from their creation: these may be deleted while no operator leads for seconds."""
    cluster.kubectl("apply", "-f", str(POLICY))
    path = f"{GROUP_PATH}/namespaces/default/imagecaches?dryRun=All"
    probe = manifest("default", "probe", name="probe")

    def in_force() -> bool:
        # A kind that is new is refused for a moment while policies do not know it yet.
        created = persist(lambda: cluster.plane.request("POST", path, probe))
        return bool(created and created["metadata"].get("finalizers"))

    wait_for(in_force, what="the finalizer policy is in force", seconds=30)


class Replica:
    """One replica of the operator, in scaled time."""

    def __init__(
        self, kubeconfig: Path, environment: dict[str, str], factor: float, log: Path, trace: Path | None
    ) -> None:
        command = [sys.executable, "-m", "imagecache_chaos.soak.scaled", f"{factor:g}"]
        command += [str(trace)] if trace is not None else []
        self._command, self._environment = command, bare_environment(KUBECONFIG=str(kubeconfig), **environment)
        self._log = log
        self._said = 0
        self.starts = 0
        self.start()

    def start(self) -> None:
        """Start it, again where it has ended."""
        self._said = self._log.stat().st_size if self._log.exists() else 0
        self.starts += 1
        self.program = Program(self._command, self._environment, self._log)

    def stop(self) -> None:
        """End it in order."""
        self.program.stop()

    @property
    def leads(self) -> bool:
        """Whether it leads, by what it has said since its start."""
        with self._log.open("rb") as stream:
            stream.seek(self._said)
            said = stream.read().decode(errors="replace")
        return self.program.running and said.count(LEADS) > said.count(STANDS_BY)

    @property
    def terms(self) -> int:
        """For how many terms all its processes have led."""
        return self.program.said().count(LEADS)


class World:
    """The surroundings of some replicas.

    Args:
        cluster: has the CRD in it.
        namespace: to be made; the replicas' Lease and ledger are in it, too.
        directory: for logs.
        factor: by which time passes faster.
        replicas: how many.
        trace: where the first replica writes down what it has allocated; None: it does not.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, directory: Path, factor: float, *, replicas: int, trace: Path | None
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.directory = directory
        self.known: dict[str, Known] = {}
        self._core = f"/api/v1/namespaces/{namespace}"
        self._stack = contextlib.ExitStack()
        directory.mkdir()
        cluster.create_namespace(namespace)
        self._allow()
        self._offer_secret()
        offer_lease(cluster, namespace)
        self.cloud = self._stack.enter_context(Cloud(directory, scenario(factor)))
        self.key = 0
        kubeconfig = cluster.operator_kubeconfig(directory / "operator.kubeconfig")
        environment = settings(factor, self.cloud.endpoint, namespace)
        self.replicas = []
        for number in range(replicas):
            log = directory / f"replica-{number}.log"
            self.replicas.append(Replica(kubeconfig, environment, factor, log, None if number else trace))
            self._stack.callback(self.replicas[number].stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _allow(self) -> None:
        """The roles that the operator has in its own namespace, and the right to list Secrets, for this one."""
        documents = _documents(BASE / "role.yaml") + _documents(BASE / "retained.yaml")
        role, binding = _documents(SECRETS_ROLE)
        binding["roleRef"]["kind"] = "Role"
        mine = [role | {"kind": "Role"}, binding | {"kind": "RoleBinding"}]
        mine += [document for document in documents if not document["kind"].startswith("Cluster")]
        for document in mine:
            document["metadata"]["namespace"] = self.namespace
        self.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(mine))

    def _offer_secret(self) -> None:
        """The tenant's."""
        texts = {"accessKey": TENANT_KEYS[0], "secretKey": SECRET_KEY, "projectID": TENANT_PROJECT}
        secret = {
            "type": "cce.huaweicloud.com/credentials",
            "metadata": {"name": SECRET},
            "data": {name: _coded(text) for name, text in texts.items()},
        }
        self.cluster.plane.request("POST", f"{self._core}/secrets", secret)

    def use_key(self, number: int) -> None:
        """One of the tenant's two keys into the Secret."""
        data = {"accessKey": _coded(TENANT_KEYS[number])}
        path = f"{self._core}/secrets/{SECRET}"
        self.cluster.plane.request("PATCH", path, {"data": data}, content_type="application/merge-patch+json")
        self.key = number

    def delete_lease(self) -> None:
        """Delete the Lease, as by hand."""
        self.cluster.plane.request("DELETE", f"{leases_of(self.namespace)}/{LEASE_NAME}")

    def look(self, _dice: random.Random) -> None:
        """Note which caches there are."""
        self.note_caches()

    def note_caches(self) -> dict[str, dict[str, Any]]:
        """The caches that are in the cloud now; all that ever were are kept in `known`."""
        caches = self.cloud.caches()
        for cache_id, cache in caches.items():
            self.known[cache_id] = Known(cache["name"], cache["project"])
        return caches


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
