"""Why a cloud was not reached, found out after it was not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from cce_simulator.testing import RunningSimulator
from imagecache_operator.commands.access import Guard, explain, guarded_client
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.settings_loading import load_settings

AWAY = Trouble(TroubleKind.CLOUD_UNAVAILABLE, "ConnectError: [Errno 111] Connect call failed")


async def explained(trouble: Trouble, url: str | None) -> str:
    """What is said of that trouble, when the newest request went there."""
    settings, _ = load_settings({}, {}, without_credentials=True)
    guard = Guard()
    async with guarded_client(settings, guard) as http:
        if url is not None:
            await guard.before(httpx.Request("GET", f"{url}/v5/imagecaches?limit=1"))
        return await explain(trouble, http, guard)


@pytest.fixture
def refusing() -> Iterator[str]:
    """The URL of a port on which nobody listens, and nobody will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_the_step_at_which_the_way_ends_is_named(refusing: str) -> None:
    """Of the address that was asked last, with what to look at."""
    address = refusing.removeprefix("http://")
    said = await explained(AWAY, refusing)
    assert said == f"{address} refuses connections. Check host and port of the endpoint."


@pytest.mark.parametrize("asked", [True, False])
async def test_where_it_answers_its_own_words_stay(cloud: RunningSimulator, asked: bool) -> None:
    """A 503 is not for want of a way, nor is what kept a request from being sent."""
    assert await explained(AWAY, cloud.url if asked else None) == AWAY.message


async def test_a_refusal_is_no_reason_to_look(refusing: str) -> None:
    """Whoever refuses was reached."""
    assert await explained(Trouble(TroubleKind.ACCESS_DENIED, "Sorry."), refusing) == "Sorry."
