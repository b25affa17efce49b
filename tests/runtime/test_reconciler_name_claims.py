"""Who is about to ask for a cache holds its name, though no status tells that yet, or a person has changed his mind."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import CREATED
from tests.runtime.fakes import CREATE, unreachable
from tests.runtime.reconciler_kit import Kit
from tests.runtime.virtual_time import pass_time, settle

from imagecache_operator.answers import Lost
from imagecache_operator.imagecache import Key
from imagecache_operator.names import FINALIZER

YOUNGER = Key("team-a", "younger")


def born(number: int) -> dict[str, Any]:
    """The metadata of an object that was created so many minutes after the first."""
    return {"created": CREATED + timedelta(minutes=number), "uid": f"uid-{number}"}


def manage(changed: dict[str, Any]) -> None:
    """A person wants the cache, not only its sight."""
    changed["spec"]["managementPolicy"] = "Manage"


async def test_an_intent_that_is_being_written_is_a_claim(kit: Kit) -> None:
    """An older object that begins to create at that very moment waits, though no status tells it why."""
    kit.apply({"name": "shared", "managementPolicy": "Observe"}, **born(1))
    await pass_time(1)
    writing = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    kit.apply({"name": "shared"}, name="younger", finalizers=[FINALIZER], **born(2))
    await pass_time(1)
    kit.edit(manage)
    await pass_time(1)
    del kit.kubernetes.holds["patch_status"]
    writing.set()
    await pass_time(10)
    assert kit.cloud.count(CREATE) == 1
    assert (kit.reason(), kit.reason(YOUNGER)) == ("Conflict", "Creating")


async def test_an_intent_that_could_not_be_written_claims_nothing(kit: Kit) -> None:
    """The older one goes first again."""
    kit.apply({"name": "shared", "managementPolicy": "Observe"}, **born(1))
    await pass_time(1)
    kit.kubernetes.fail("patch_status team-a/younger", unreachable())
    kit.apply({"name": "shared"}, name="younger", finalizers=[FINALIZER], **born(2))
    await settle()
    kit.edit(manage)
    await pass_time(30)
    assert (kit.reason(), kit.reason(YOUNGER)) == ("Creating", "Conflict")


@pytest.mark.parametrize("lost", [True, False], ids=["its answer was lost", "it is on its way"])
async def test_a_post_of_one_that_only_observes_by_now_holds_the_name(kit: Kit, lost: bool) -> None:
    """It may be carried out until what came of it is known; then the other one sees the cache, or creates its own."""
    if lost:
        kit.cloud.create_answers.append(Lost("cut off"))
    hold = kit.cloud.hold(CREATE)
    kit.apply({"name": "shared"}, name="younger", **born(2))
    await settle()
    if lost:
        hold.set()
        kit.cloud.let_go(CREATE)
    kit.apply({"name": "shared"}, **born(1))
    kit.edit(lambda it: it["spec"].update(managementPolicy="Observe"), key=YOUNGER)
    await pass_time(100)
    assert (kit.reason(), kit.cloud.count(CREATE)) == ("Conflict", 1)
    hold.set()
    kit.cloud.let_go(CREATE)
    await pass_time(60)
    assert kit.cloud.count(CREATE) == (2 if lost else 1)
    assert kit.reason() == ("Creating" if lost else "Conflict")
