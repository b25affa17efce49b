"""/livez, by faults in real processes: the loop, the watch, or a poller stands still."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.e2e.deaf_proxy import DeafProxy
from tests.e2e.probes import QUICK, Probes, changed_program

from imagecache_playground.operator_process import Operator, operator_settings
from imagecache_playground.processes import Program, bare_environment, wait_for
from imagecache_playground.surroundings import Surroundings

RUN = [sys.executable, "-m", "imagecache_operator", "run"]

HANGING = """
import asyncio
from pathlib import Path
from imagecache_operator.cloud.client import CloudClient
from imagecache_operator.kubernetes_client import KubernetesClient

def hanging(name, asks):
    async def ask(*arguments):
        while Path({switch!r}).read_text() == name:
            await asyncio.sleep(0.05)
        return await asks(*arguments)
    return ask

def hanging_stream(name, asks):
    async def ask(*arguments):
        while Path({switch!r}).read_text() == name:
            await asyncio.sleep(0.05)
        async for item in asks(*arguments):
            yield item
    return ask

CloudClient.list = hanging("cloud", CloudClient.list)
KubernetesClient.list_objects = hanging_stream("objects", KubernetesClient.list_objects)
KubernetesClient.patch_status = hanging("pass", KubernetesClient.patch_status)
"""


def test_the_loop_stands_still(world: Surroundings) -> None:
    """A process that does nothing any more answers no probe, and the kubelet restarts it."""
    probes = Probes()
    operator = world.operator(**probes.settings)
    assert probes.ask("livez") == (200, "ok")
    operator.program.signal(signal.SIGSTOP)
    assert probes.ask("livez") == (None, "")
    operator.program.signal(signal.SIGCONT)
    probes.wait("livez", 200)


def test_nobody_reads_the_log(world: Surroundings, tmp_path: Path) -> None:
    """A pipe that is full holds up who writes to it, so no probe is answered; it goes on as soon as somebody reads."""
    probes, pipe = Probes(), tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    settings = operator_settings(world.cloud.endpoint, IMAGECACHE_NAMESPACES=world.namespace, **probes.settings)
    program = Program(RUN, bare_environment(KUBECONFIG=str(world.kubeconfig), **settings), pipe)
    try:
        probes.wait("readyz", 200)
        cache_id = world.bind()
        world.wait_reason("Available")
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"." * 4096)
        world.delete()
        wait_for(lambda: probes.ask("livez") == (None, ""), what="it stands still", seconds=15)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.read(reader, 65536)
        probes.wait("livez", 200)
        world.wait_gone()
        assert world.cloud.cache(cache_id) is None
    finally:
        program.stop()
        os.close(reader)
        os.close(writer)


def test_the_watch_goes_deaf(world: Surroundings, tmp_path: Path) -> None:
    """Told by /livez within the time allowed; meanwhile the own list serves objects, and the watch may come back."""
    probes = Probes()
    quick = changed_program(tmp_path / "quick", QUICK)
    with DeafProxy(world.cluster.plane) as proxy:
        kubeconfig = proxy.kubeconfig(world.kubeconfig, tmp_path / "proxied.kubeconfig")
        settings = operator_settings(
            world.cloud.endpoint,
            IMAGECACHE_NAMESPACES=world.namespace,
            IMAGECACHE_ACTIVE_INTERVAL="0.3",
            IMAGECACHE_IDLE_INTERVAL="1",
            **probes.settings,
            **quick,
        )
        with Operator(kubeconfig, settings, tmp_path / "operator.log"):
            world.bind("before")
            world.wait_reason("Available", name="before")
            probes.wait("readyz", 200)
            assert probes.ask("livez") == (200, "ok")
            proxy.deaf.set()
            cache_id = world.bind("meanwhile")
            told = probes.wait("livez", 503, "The watch has told nothing for")
            assert told.endswith("although objects changed.")
            world.wait_reason("Available", name="meanwhile")
            world.delete("meanwhile")
            world.wait_gone("meanwhile")
            assert world.cloud.cache(cache_id) is None
            proxy.deaf.clear()
            probes.wait("livez", 200)


@pytest.fixture
def switch(tmp_path: Path) -> Path:
    """Names the part that hangs."""
    path = tmp_path / "hangs"
    path.write_text("")
    return path


def test_a_poller_stands_still(world: Surroundings, tmp_path: Path, switch: Path) -> None:
    """Each part that would never end, past all its time-outs, is named; when it goes on, all is well again."""
    probes = Probes()
    quick = QUICK.replace("= 2.0", "= vitals.PASS_MAX = 2.0")
    hanging = changed_program(tmp_path / "hanging", quick + HANGING.format(switch=str(switch)))
    world.operator(IMAGECACHE_REQUEST_TIMEOUT="0.5", **probes.settings, **hanging)
    world.bind()
    world.wait_reason("Available")
    for name, sentence in (
        ("cloud", "Looking at the cloud (default"),
        ("objects", "Listing the objects has stood still for"),
        ("pass", "A pass over an object has not ended for"),
    ):
        assert probes.ask("livez") == (200, "ok")
        switch.write_text(name)
        world.annotate("web", name)
        probes.wait("livez", 503, sentence)
        switch.write_text("")
        probes.wait("livez", 200)
    world.delete()
    world.wait_gone()
