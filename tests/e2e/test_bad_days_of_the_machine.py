"""Bad days of the machine: its clock is wrong, a port is taken, no byte can be written."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from pathlib import Path

import yaml
from tests.e2e.probes import Probes, ShiftedClock

from imagecache_playground.cluster import condition
from imagecache_playground.operator_process import operator_settings
from imagecache_playground.processes import Program, bare_environment
from imagecache_playground.surroundings import Surroundings

RUN = [sys.executable, "-m", "imagecache_operator", "run"]


def test_the_clock_is_twenty_minutes_off(world: Surroundings, tmp_path: Path) -> None:
    """The condition says by how much; once the clock is set, the work goes on within seconds, by itself."""
    clock = ShiftedClock(tmp_path / "clock", 20)
    cache_id = world.bind()
    world.operator(**clock.settings)
    message = condition(world.wait_stalled("CredentialsInvalid"), "Stalled")["message"]
    assert "the clock of the operator's machine is 20 min ahead of the cloud's, and 15 min are allowed" in message
    world.delete()
    refused = [call for call in world.cloud.calls() if call["status"] == 401]
    assert 1 <= len(refused) <= 2
    clock.set(0)
    world.wait_gone(seconds=10)
    assert world.cloud.cache(cache_id) is None
    assert [call for call in world.cloud.calls() if call["status"] == 401] == refused


def test_a_port_that_is_taken(world: Surroundings) -> None:
    """Exit status 2, and one sentence that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        settings = operator_settings(world.cloud.endpoint, IMAGECACHE_METRICS_ADDR=address)
        done = subprocess.run(
            RUN,
            env=bare_environment(KUBECONFIG=str(world.kubeconfig), **settings),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 2
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith(f"imagecache-operator: Cannot listen on {address}: ")
    assert sentence.endswith("Choose another address, or `off`.")


class FullDisk(Program):
    """The operator where no file takes a byte, its own output included, and no folder is its home."""

    def __init__(self, world: Surroundings, kubeconfig: Path, **changes: str) -> None:
        settings = operator_settings(world.cloud.endpoint, IMAGECACHE_NAMESPACES=world.namespace, **changes)
        nowhere = dict.fromkeys(("HOME", "TMPDIR"), "/proc/nowhere")
        environment = bare_environment(KUBECONFIG=str(kubeconfig), **settings) | nowhere
        super().__init__([sys.executable, "-c", _WITHOUT_FILES, *RUN[1:]], environment, Path("/dev/full"))


# A limit holds for root, too, and on a disk that others use.
_WITHOUT_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_a_full_disk(world: Surroundings, tmp_path: Path) -> None:
    """Nothing can be written, not even the log: the work goes on, the probes answer, and SIGTERM ends it well."""
    kubeconfig = yaml.safe_load(world.kubeconfig.read_text(encoding="utf-8"))
    # As in a pod: what is in a kubeconfig would have to be written to a file first.
    kubeconfig["clusters"][0]["cluster"] = {
        "server": world.cluster.plane.server,
        "certificate-authority": str(world.cluster.plane.ca_file),
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig), encoding="utf-8")
    probes = Probes()
    # What is odd about the settings is told by another way than the log.
    program = FullDisk(world, path, IMAGECACHE_REGOIN="x", **probes.settings)
    try:
        probes.wait("readyz", 200)
        cache_id = world.bind()
        world.wait_reason("Available")
        world.delete()
        world.wait_gone()
        assert world.cloud.cache(cache_id) is None
        assert probes.ask("livez") == (200, "ok")
    finally:
        status = program.stop()
    assert status == 0


def test_a_full_disk_and_a_certificate_in_the_kubeconfig(world: Surroundings) -> None:
    """It cannot be used without a temporary file: one sentence and exit status 2, not a hang."""
    settings = operator_settings(world.cloud.endpoint)
    done = subprocess.run(
        RUN,
        env=bare_environment(KUBECONFIG=str(world.kubeconfig), **settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert done.returncode == 2
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("imagecache-operator: No access to a Kubernetes API server: ")
