"""A DELETE whose token had ended: counted like any write, and sent again under a slot of its own."""

from __future__ import annotations

import pytest
from tests.runtime.fakes import DELETE
from tests.runtime.reconciler_kit import Kit
from tests.runtime.virtual_time import EPOCH, pass_time

from imagecache_operator.cloud.client import TokenEnded
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import Trouble, TroubleKind

ENDED = TokenEnded(Trouble(TroubleKind.CLOUD_UNAVAILABLE, "The token has ended."))


async def test_a_token_that_has_ended_costs_seconds(kit: Kit) -> None:
    """The DELETE goes again as soon as a look has shown the cache, and it was no attempt."""
    kit.cloud.answers.append(ENDED)
    await kit.started_deletion()
    assert kit.status()["deletion"]["attempts"] == 1
    await pass_time(10)
    first, second = kit.cloud.begun(DELETE)
    assert second - first == pytest.approx(1.0, abs=5)
    assert kit.status()["deletion"]["attempts"] == 1


async def test_a_delete_whose_token_had_ended_takes_two_slots(kit: Kit) -> None:
    """The cloud saw two writes; ten in the minute, not eleven."""
    kit.cloud.answers.append(ENDED)
    await kit.started_deletion()
    await pass_time(10)
    assert kit.cloud.count(DELETE) == 2
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sum(free) == 8


async def test_without_a_slot_the_second_send_waits(kit: Kit) -> None:
    """The last slot of the minute went to the send that was refused."""
    for _ in range(9):
        kit.limiter().occupy(20.0)
    kit.cloud.answers.append(ENDED)
    await kit.started_deletion()
    await pass_time(39)
    assert kit.cloud.count(DELETE) == 1
    await pass_time(2)
    assert kit.cloud.count(DELETE) == 2
