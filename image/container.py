"""The image as a container: run by runc, as the kubelet would run the Deployment of deploy/kustomize/base."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from imagecache_controlplane import kubectl_path
from imagecache_playground.processes import Program, bare_environment

Json = dict[str, Any]


def deployed_pod(base: Path) -> Json:
    """The pod of the Deployment, as kustomize renders it."""
    command = [str(kubectl_path()), "kustomize", str(base)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (deployment,) = (found for found in yaml.safe_load_all(rendered) if found["kind"] == "Deployment")
    pod: Json = deployment["spec"]["template"]["spec"]
    return pod


@dataclass(frozen=True)
class Run:
    """What is to be run."""

    root: Path
    """The image's files."""
    image: Json
    """Its configuration."""
    pod: Json
    """The pod that it is the only container of."""
    arguments: tuple[str, ...] = ()
    """Instead of the pod's, when there are any."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beside the pod's."""
    mounts: Mapping[Path, str] = field(default_factory=dict)
    """Files and folders of this machine that are mounted, read-only; by default there is no place to write to."""


def specification(run: Run) -> Json:
    """The OCI runtime's specification of it; what the pod asks for and this does not know is an error."""
    config = run.image["config"]
    (container,) = run.pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    pod_context = run.pod["securityContext"]
    user, group = config["User"].split(":")
    assert (pod_context["runAsUser"], pod_context["runAsGroup"]) == (int(user), int(group))
    environment = dict(pair.split("=", 1) for pair in config["Env"])
    environment |= {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    limit = container["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    nothing: list[str] = []
    return {
        "ociVersion": "1.0.2",
        "process": {
            "args": [*config["Entrypoint"], *(run.arguments or container["args"])],
            "env": [f"{name}={value}" for name, value in (environment | dict(run.environment)).items()],
            "cwd": config["WorkingDir"],
            "user": {"uid": int(user), "gid": int(group)},
            "noNewPrivileges": True,
            "capabilities": dict.fromkeys(("bounding", "effective", "inheritable", "permitted", "ambient"), nothing),
        },
        "root": {"path": str(run.root), "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
            *(
                {"destination": target, "type": "bind", "source": str(source), "options": ["rbind", "ro"]}
                for source, target in run.mounts.items()
            ),
        ],
        "linux": {
            # All but the network, in which the control plane and the simulator are.
            "namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts", "cgroup")],
            "resources": {"memory": {"limit": int(limit.removesuffix("Mi")) << 20}},
        },
    }


class Container:
    """A container that runs until its end, or until it is stopped.

    Args:
        name: of this machine's containers, no other has it.
        directory: for its specification and log; a fresh one.
    """

    def __init__(self, name: str, directory: Path, run: Run) -> None:
        (directory / "config.json").write_text(json.dumps(specification(run)), encoding="utf-8")
        self._runc = ["runc", "--root", str(directory / "state")]
        self._name = name
        command = [*self._runc, "run", "--bundle", str(directory), name]
        self.program = Program(command, bare_environment(), directory / "log")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.program.running:
            subprocess.run([*self._runc, "kill", self._name, "KILL"], capture_output=True, check=False)
            self.program.wait(10)

    def pid(self) -> int:
        """Of its first process, as this machine counts."""
        done = subprocess.run([*self._runc, "state", self._name], capture_output=True, text=True, check=True)
        return int(json.loads(done.stdout)["pid"])

    def terminate(self, seconds: float) -> int:
        """SIGTERM, as the kubelet sends it; returns the exit status."""
        subprocess.run([*self._runc, "kill", self._name, "TERM"], capture_output=True, check=True)
        return self.program.wait(seconds)
