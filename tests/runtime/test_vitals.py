"""Signs of life: each part that may stand still is found by a fault, and nothing that goes on is taken for dead."""

from __future__ import annotations

import asyncio

from tests.decision.builders import ID
from tests.runtime.account_kit import Started
from tests.runtime.fakes import LIST
from tests.runtime.reconciler_kit import KEY, Kit, delete, touch
from tests.runtime.virtual_time import LoopClock, pass_time, settle
from tests.runtime.workqueue_kit import Passes

from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.vitals import ECHO_MAX, LOOP_MAX, Echo, Pulse
from imagecache_operator.workqueue import WorkQueue


async def test_a_loop_that_never_began_is_not_dead(clock: LoopClock) -> None:
    """An account that nobody has started yet, for one."""
    pulse = Pulse("It", 0.0, clock)
    await pass_time(10 * LOOP_MAX)
    assert pulse.wrong() is None


async def test_a_loop_that_stands_still(clock: LoopClock) -> None:
    """Its own pauses and time-outs are allowed for; one beat and it lives again."""
    pulse = Pulse("Listing the objects", 300.0, clock)
    pulse.beat()
    await pass_time(299 + LOOP_MAX)
    assert pulse.wrong() is None
    await pass_time(2)
    assert pulse.wrong() == f"Listing the objects has stood still for {301 + LOOP_MAX:.0f} s."
    pulse.beat()
    assert pulse.wrong() is None


async def test_a_poller_that_hangs(started: Started) -> None:
    """A LIST that never ends, also past its time-outs."""
    await pass_time(1)
    started.client.hold(LIST)
    await pass_time(120)
    assert started.account.pulse.wrong() is None
    await pass_time(600)
    wrong = started.account.pulse.wrong()
    assert wrong is not None
    assert wrong.startswith("Looking at the cloud (")


async def test_a_cloud_that_is_away_is_no_fault_of_the_poller(started: Started) -> None:
    """A restart would mend nothing: trouble for an hour, with all its back-offs, is no standstill."""
    for kind in TroubleKind:
        started.client.troubles[LIST] = Trouble(kind, "no", 200.0 if kind is TroubleKind.THROTTLED else None)
        for _ in range(60):
            await pass_time(60)
            assert started.account.pulse.wrong() is None


async def test_a_pass_that_never_ends(passes: Passes) -> None:
    """Others go on meanwhile; a restart is better all the same."""
    release = asyncio.Event()

    async def work(_: object) -> None:
        await release.wait()

    queue = WorkQueue(work)
    queue.start()
    queue.mark_due(KEY)
    await pass_time(100)
    assert queue.wrong() is None
    await pass_time(100)
    assert queue.wrong() == "A pass over an object has not ended for 200 s."
    release.set()
    await settle()
    assert queue.wrong() is None


async def test_a_watch_that_is_deaf(kit: Kit) -> None:
    """Our own patches are answered, and the watch never tells of them."""
    echo = kit.reconciler.objects.echo
    await told_all(kit)
    kit.edit(delete, watched=False)
    kit.reconciler.objects.upsert(kit.kubernetes.objects[KEY])  # as the own list does
    await pass_time(ECHO_MAX - 1)
    assert echo.wrong() is None
    await pass_time(10)
    echo.contact()
    assert echo.wrong() == f"The watch has told nothing for {ECHO_MAX + 9:.0f} s although objects changed."
    kit.reconciler.objects.told(kit.kubernetes.objects[KEY])
    assert echo.wrong() is None


async def test_a_watch_that_tells_is_not_deaf(kit: Kit) -> None:
    """Whatever comes first, the watch or the answer to the patch; and a cluster where nothing happens is silent."""
    for _ in range(10):
        await told_all(kit)
        await pass_time(300)
        kit.reconciler.objects.echo.contact()
        assert kit.reconciler.objects.echo.wrong() is None


async def told_all(kit: Kit) -> None:
    """An object that changes, with all that the operator writes to it; the watch tells everything."""
    kit.cloud.put(ID)
    if KEY not in kit.kubernetes.objects:
        kit.make(status={})
    kit.edit(touch, watched=False)
    for _ in range(3):
        kit.reconciler.objects.told(kit.kubernetes.objects[KEY])
        await pass_time(1)
    kit.reconciler.objects.told(kit.kubernetes.objects[KEY])


async def test_an_api_server_that_is_away_is_no_fault_of_the_watch(clock: LoopClock) -> None:
    """Silence counts only up to the last contact: an outage of an hour proves nothing."""
    echo = Echo(clock)
    echo.expect()
    await pass_time(3600)
    assert echo.wrong() is None
    echo.contact()
    assert echo.wrong() == "The watch has told nothing for 3600 s although objects changed."
    echo.heard()
    assert echo.wrong() is None
