"""The ledger: what stays in the cloud is written down, in the background, and never more than there is room for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from tests.decision.builders import ID, PROJECT, resource
from tests.runtime.fakes import FakeKubernetes, unreachable
from tests.runtime.virtual_time import LoopClock, pass_time, settle

from imagecache_operator.kubernetes_client import ConflictError
from imagecache_operator.ledger import CONFIG_MAP, ENTRIES_MAX, KEY, Ledger

OURS = "imagecache-system"


class Kit:
    """A ledger and the ConfigMap that it writes."""

    def __init__(self, clock: LoopClock, namespace: str | None = OURS) -> None:
        self.kubernetes = FakeKubernetes()
        self.kubernetes.config_maps[OURS, CONFIG_MAP] = {"metadata": {"resourceVersion": "1"}}
        self.ledger = Ledger(self.kubernetes, namespace, clock)

    def lines(self) -> list[dict[str, Any]]:
        """What stands in it."""
        text = self.kubernetes.config_maps[OURS, CONFIG_MAP].get("data", {}).get(KEY, "")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
async def ledger(clock: LoopClock) -> AsyncIterator[Kit]:
    """A ledger that writes."""
    kit = Kit(clock)
    task = asyncio.create_task(kit.ledger.run())
    yield kit
    task.cancel()
    await asyncio.wait([task])


async def test_an_entry_says_all(ledger: Kit) -> None:
    """Id, name, location, when and why."""
    ledger.ledger.note(resource(), "deletionPolicy is Retain.", ID)
    await settle()
    [line] = ledger.lines()
    assert (line["id"], line["name"], line["region"], line["project"]) == (ID, "web", "eu-west-101", PROJECT)
    assert (line["object"], line["why"]) == ("team-a/web", "deletionPolicy is Retain.")
    assert line["time"].endswith("Z")


async def test_what_is_not_known_is_left_out(ledger: Kit) -> None:
    """An object that never saw a cache has little to tell."""
    ledger.ledger.note(resource(spec={"images": ["nginx"]}, status={}), "why", None)
    await settle()
    [line] = ledger.lines()
    assert sorted(line) == ["name", "object", "time", "why"]


async def test_the_newest_stay(ledger: Kit) -> None:
    """The 200 newest, however many come, and however they come."""
    for number in range(ENTRIES_MAX + 30):
        ledger.ledger.note(resource(name=f"web-{number}"), "x" * 2000, ID)
        if number % 50 == 0:
            await settle()
    await settle()
    names = [line["object"] for line in ledger.lines()]
    assert names == [f"team-a/web-{number}" for number in range(30, ENTRIES_MAX + 30)]
    text = ledger.kubernetes.config_maps[OURS, CONFIG_MAP]["data"][KEY]
    assert len(text) < 1_000_000


@pytest.mark.parametrize("error", [unreachable(), ConflictError("changed", 409)], ids=["outage", "conflict"])
@pytest.mark.parametrize("verb", ["get_config_map", "patch_config_map"])
async def test_nothing_is_lost_or_written_twice(ledger: Kit, verb: str, error: Exception) -> None:
    """What could not be written is written later, with what came meanwhile."""
    ledger.kubernetes.fail(verb, error)
    ledger.ledger.note(resource(name="first"), "why", ID)
    await settle()
    ledger.ledger.note(resource(name="second"), "why", ID)
    assert ledger.lines() == []
    await pass_time(10)
    assert [line["object"] for line in ledger.lines()] == ["team-a/first", "team-a/second"]


async def test_an_entry_that_did_not_come_true_is_taken_out(ledger: Kit) -> None:
    """Be it written already or not yet, and after an outage; the others stay."""
    notes = [ledger.ledger.note(resource(name=name), "why", ID) for name in ("first", "second")]
    await settle()
    ledger.kubernetes.fail("patch_config_map", unreachable())
    ledger.ledger.withdraw(notes[0])
    ledger.ledger.withdraw(ledger.ledger.note(resource(name="third"), "why", ID))
    await settle()
    assert (ledger.ledger.waiting, ledger.ledger.withdrawn) == (0, 2)
    await pass_time(10)
    assert [line["object"] for line in ledger.lines()] == ["team-a/second"]
    assert ledger.ledger.withdrawn == 0


@pytest.mark.parametrize("taken_back", [False, True])
async def test_a_write_whose_answer_was_lost(ledger: Kit, taken_back: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was carried out all the same is not there twice, and can be taken out."""
    patch_config_map = ledger.kubernetes.patch_config_map

    async def lost(namespace: str, name: str, patch: Mapping[str, Any]) -> None:
        await patch_config_map(namespace, name, patch)
        raise unreachable()

    monkeypatch.setattr(ledger.kubernetes, "patch_config_map", lost)
    entry = ledger.ledger.note(resource(), "why", ID)
    await settle()
    assert len(ledger.lines()) == ledger.ledger.waiting == 1
    monkeypatch.undo()
    if taken_back:
        ledger.ledger.withdraw(entry)
    await pass_time(10)
    assert len(ledger.lines()) == (0 if taken_back else 1)


async def test_without_a_namespace_nothing_is_written(clock: LoopClock) -> None:
    """Nor does anything wait for it."""
    kit = Kit(clock, None)
    kit.ledger.note(resource(), "why", ID)
    await kit.ledger.flush(1.0)
    assert kit.kubernetes.calls["get_config_map"] == 0


async def test_at_the_end_what_waits_is_written(clock: LoopClock) -> None:
    """For as long as there is time, and no longer."""
    kit = Kit(clock)
    kit.ledger.note(resource(), "why", ID)
    await kit.ledger.flush(1.0)
    assert len(kit.lines()) == 1
    kit.kubernetes.holds["get_config_map"] = asyncio.Event()
    kit.ledger.note(resource(), "why", ID)
    before = clock.monotonic()
    await kit.ledger.flush(1.0)
    assert clock.monotonic() - before == pytest.approx(1.0, abs=0.01)
