"""Removals that take too long are Stalled, whoever began them; nothing waits in silence."""

from __future__ import annotations

from typing import Any

from tests.decision.builders import ID
from tests.runtime.reconciler_kit import MADE, Kit
from tests.runtime.virtual_time import pass_time

from imagecache_operator.answers import NotDone
from imagecache_operator.observation import CacheStatus, Trouble, TroubleKind

HOUR = 3600.0


def resize(changed: dict[str, Any]) -> None:
    """Another cache is wanted."""
    changed["spec"]["sizeGiB"] = 40


def stalled(kit: Kit) -> bool:
    """Whether a person is told."""
    return any(condition["type"] == "Stalled" for condition in kit.status()["conditions"])


async def made(kit: Kit) -> None:
    """An object whose cache was created, and that may have it replaced."""
    kit.apply({"recreateOn": ["SpecChanged"]})
    await pass_time(1)
    kit.cloud.become(MADE, CacheStatus.AVAILABLE)
    await pass_time(6)
    assert kit.reason() == "Available"


async def test_somebody_elses_deletion_that_hangs(kit: Kit) -> None:
    """Of a cache whose object lives: DeleteOverdue after the stall time, with few writes, and no end to looking."""
    kit.cloud.put(ID)
    kit.make()
    await pass_time(5)
    kit.cloud.become(ID, CacheStatus.DELETING)
    await pass_time(1700)
    assert (kit.reason(), stalled(kit)) == ("Deleting", False)
    before = len(kit.kubernetes.patches)
    await pass_time(5 * HOUR)
    assert (kit.reason(), stalled(kit)) == ("DeleteOverdue", True)
    assert len(kit.kubernetes.patches) == before + 1
    kit.cloud.become(ID, CacheStatus.AVAILABLE)
    await pass_time(10)
    assert (kit.reason(), stalled(kit)) == ("Available", False)


async def test_a_replacement_whose_cache_somebody_else_deletes_for_ever(kit: Kit) -> None:
    """It never asked, so nothing in its status says since when; how long it has shown it does."""
    await made(kit)
    kit.cloud.become(MADE, CacheStatus.DELETING)
    await pass_time(6)
    kit.edit(resize)
    await pass_time(1700)
    assert not stalled(kit)
    await pass_time(5 * HOUR)
    assert (kit.reason(), stalled(kit)) == ("DeleteOverdue", True)


async def test_a_replacement_that_is_throttled_for_ever(kit: Kit) -> None:
    """Each DELETE meets a 429."""
    await made(kit)
    kit.cloud.answers.extend([NotDone(Trouble(TroubleKind.THROTTLED, "429", 60.0))] * 1000)
    kit.edit(resize)
    await pass_time(1700)
    assert not stalled(kit)
    await pass_time(5 * HOUR)
    assert stalled(kit)


async def test_what_was_shown_long_ago_says_nothing_of_a_removal_that_begins(kit: Kit) -> None:
    """An object that was Available for days is not late in its first second."""
    await made(kit)
    await pass_time(48 * HOUR)
    kit.cloud.become(MADE, CacheStatus.DELETING)
    await pass_time(70)
    assert (kit.reason(), stalled(kit)) == ("Deleting", False)
