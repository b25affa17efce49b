"""The image as it ships: what is in it, and that it does the operator's job as a restricted pod."""

from __future__ import annotations

import socket
import statistics
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from image import figures
from image.conftest import Built
from image.container import Container, Json, Run
from imagecache_playground.cloud import ACCESS_KEY, SECRET_KEY
from imagecache_playground.cluster import CRDS, OPERATOR_NAMESPACE, REPOSITORY, Cluster
from imagecache_playground.operator_process import operator_settings
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

AT_MOST = 70 * figures.MB
OURS_AT_MOST = 24 * figures.MB
"""What is left of 70 MB when the base (python:3.11-slim-trixie) takes 46."""

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
STARTS = 3


def _container(tmp_path: Path, run: Run) -> Container:
    directory = tmp_path / uuid4().hex[:8]
    directory.mkdir()
    return Container(f"imagecache-test-{directory.name}", directory, run)


def _finished(tmp_path: Path, run: Run) -> tuple[int, str]:
    with _container(tmp_path, run) as container:
        return container.program.wait(60), container.program.said()


# --- what is in it


def test_it_says_what_it_is(built: Built) -> None:
    """User by number, so that Kubernetes can tell that it is not root; program, ports and labels."""
    config = built.exported.image["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["imagecache-operator"]
    assert config["Cmd"] == ["run"]
    assert {port.partition("/")[0] for port in config["ExposedPorts"]} == {"8080", "8081"}
    assert any(line.startswith("MALLOC_MMAP_THRESHOLD_=") for line in config["Env"])
    labels = {name.removeprefix("org.opencontainers.image.") for name in config["Labels"]}
    assert labels >= {"title", "description", "licenses"}


def test_our_layers_hold_the_operator_and_nothing_else(built: Built) -> None:
    """No settings or caches of the build, no pip; byte-code once, in its own folder."""
    added = set()
    for path in built.exported.layers()[built.base_layers :]:
        with tarfile.open(path) as layer:
            added |= {member.name for member in layer if not member.isdir()}
    # Taken away: pip and what came with it.
    left = {name for name in added if "/.wh." not in name and name != "etc/pip.conf"}
    assert {name for name in left if not name.startswith("opt/imagecache/")} == set()
    assert {name for name in left if name.endswith(".pyc") and not name.startswith("opt/imagecache/pycache/")} == set()
    for module in ("imagecache_operator/run", "kopf/__init__", "asyncio/base_events"):
        assert [name for name in left if name.endswith(f"/{module}.cpython-311.pyc")] != [], module
    packages = {name.split("/site-packages/")[1].split("/")[0] for name in left if "/site-packages/" in name}
    assert packages & {"pip", "setuptools", "wheel", "hatchling"} == set()
    pip_settings = built.root / "etc" / "pip.conf"
    # The build mounts it; an empty file may be left where it was.
    assert not pip_settings.exists() or pip_settings.read_bytes() == b""


def test_nobody_but_root_can_change_its_files(built: Built) -> None:
    """The user that it runs as owns nothing."""
    ours = [built.root / "opt" / "imagecache", *(built.root / "opt" / "imagecache").rglob("*")]
    assert len(ours) > 1000
    assert [
        path for path in ours if path.lstat().st_uid or (not path.is_symlink() and path.stat().st_mode & 0o022)
    ] == []


def test_the_same_commit_makes_the_same_image(built: Built) -> None:
    """Built again from nothing: the same layers, byte for byte, and the same configuration."""
    assert built.again().manifest == built.exported.manifest


# --- what it does


def test_it_prints_the_crd_that_ships(built: Built, pod: Json, tmp_path: Path) -> None:
    """Without network, credentials or a cluster."""
    status, said = _finished(tmp_path, Run(built.root, built.exported.image, pod, arguments=("crd",)))
    assert status == 0
    assert said == (CRDS / "cce.huaweicloud.com_imagecaches.yaml").read_text(encoding="utf-8")


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> Iterator[Surroundings]:
    """A namespace and a simulator."""
    namespace = f"image-{uuid4().hex[:6]}"
    cluster.create_namespace(namespace)
    with Surroundings(cluster, namespace, tmp_path, {"timing": {"delete_seconds": 0.5}}) as world:
        yield world


@pytest.fixture
def in_the_pod(world: Surroundings, built: Built, pod: Json, tmp_path: Path) -> Run:
    """The operator with what the kubelet would give it: token, certificate, credentials, settings; and a free port."""
    kubeconfig = yaml.safe_load(world.kubeconfig.read_text(encoding="utf-8"))
    account, credentials = tmp_path / "account", tmp_path / "credentials"
    for directory, files in (
        (
            account,
            {
                "token": kubeconfig["users"][0]["user"]["token"],
                "ca.crt": world.cluster.plane.ca_file.read_text(encoding="utf-8"),
                "namespace": OPERATOR_NAMESPACE,
            },
        ),
        (credentials, {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}),
    ):
        directory.mkdir()
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
    host, _, port = world.cluster.plane.server.removeprefix("https://").rpartition(":")
    settings = operator_settings(
        world.cloud.endpoint,
        HUAWEICLOUD_SDK_AK="",
        HUAWEICLOUD_SDK_SK="",
        IMAGECACHE_NAMESPACES=world.namespace,
        IMAGECACHE_ACTIVE_INTERVAL="0.3",
        IMAGECACHE_HEALTH_ADDR=f"127.0.0.1:{_free_port()}",
    )
    return Run(
        built.root,
        built.exported.image,
        pod,
        environment=settings | {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port},
        mounts={account: SERVICE_ACCOUNT, credentials: "/etc/imagecache/credentials"},
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _probe(run: Run, path: str) -> Callable[[], bool]:
    def look() -> bool:
        url = f"http://{run.environment['IMAGECACHE_HEALTH_ADDR']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    return look


def _until(run: Run, container: Container, path: str) -> None:
    look = _probe(run, path)
    wait_for(
        lambda: look() or not container.program.running, what=f"200 at {path}", seconds=60, stand=container.program.said
    )
    assert container.program.running, container.program.said()


def test_it_deletes_a_cache_as_a_restricted_pod(world: Surroundings, in_the_pod: Run, tmp_path: Path) -> None:
    """Not root, no capabilities, nowhere to write: alive, ready, a cache deleted, ended by SIGTERM with 0."""
    with _container(tmp_path, in_the_pod) as container:
        _until(in_the_pod, container, "/livez")
        _until(in_the_pod, container, "/readyz")
        proc = Path("/proc") / str(container.pid())
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
        assert status["Uid"].split() == status["Gid"].split() == ["65532"] * 4
        assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
        assert status["NoNewPrivs"] == "1"
        mounts = [line.split() for line in (proc / "mountinfo").read_text().splitlines()]
        (root,) = (mount for mount in mounts if mount[4] == "/")
        assert "ro" in root[5].split(",")

        cache_id = world.bind()
        # At the very first start the time of a Lease is waited for.
        world.wait_reason("Available", seconds=40)
        world.delete()
        world.wait_gone()
        assert world.cloud.cache(cache_id) is None
        assert len(world.deletes(cache_id)) == 1
        assert container.terminate(10) == 0, container.program.said()


def test_size_and_start_are_as_they_should_be(
    built: Built, in_the_pod: Run, tmp_path: Path, say: Callable[[str], None]
) -> None:
    """Our layers leave room for the base within 70 MB; the figures are written down."""
    measured: dict[str, list[float]] = {"/livez": [], "/readyz": []}
    for _ in range(STARTS):
        began = time.monotonic()
        with _container(tmp_path, in_the_pod) as container:
            for path, times in measured.items():
                _until(in_the_pod, container, path)
                times.append(time.monotonic() - began)
    sizes = [path.stat().st_size for path in built.exported.layers()]
    # buildah makes an empty layer of the settings that both stages share.
    base, ours = sizes[: built.base_layers], [size for size in sizes[built.base_layers :] if size > 100]
    say(
        figures.write(
            REPOSITORY / "build",
            base=built.base.reference,
            layers={"base" if built.base.real else "base (a stand-in)": base, "ours": ours},
            starts={path: statistics.median(times) for path, times in measured.items()},
        )
    )
    assert sum(ours) < OURS_AT_MOST
    if built.base.real:
        assert sum(sizes) < AT_MOST
