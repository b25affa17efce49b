"""An account with a fake cloud, whose poller runs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from tests.decision.builders import ID, PROJECT, US
from tests.runtime.fakes import LIST, FakeSessions, credentials
from tests.runtime.virtual_time import LoopClock

from imagecache_operator.account import Account
from imagecache_operator.identity import Identity
from imagecache_operator.looks import Change
from imagecache_operator.observation import Observation, Trouble, TroubleKind
from imagecache_operator.pace import Intervals
from imagecache_operator.placement import Placement

ACTIVE, IDLE = 5.0, 60.0
HERE = Placement("eu-west-101", PROJECT)
OUTAGE = Trouble(TroubleKind.CLOUD_UNAVAILABLE, "500: sorry")
FORBIDDEN = Trouble(TroubleKind.ACCESS_DENIED, "403: no", request_id="req-1")


class ChangingSessions(FakeSessions):
    """Sessions whose credentials a test changes."""

    def change_credentials(self, identity: Identity = US) -> None:
        """Other credentials, seen as that identity."""
        self.credentials = credentials(f"AK{len(self.opened):018d}")
        self.identity = identity


class Started:
    """The account, what is behind it, and what it told."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.sessions = ChangingSessions(clock)
        self.client = self.sessions.client
        self.changes: list[Change] = []
        self.account = Account(
            "default",
            HERE,
            self.sessions,
            clock=clock,
            intervals=Intervals(ACTIVE, IDLE),
            on_look=lambda _account, change: self.changes.append(change),
        )

    def observe(
        self, cache_id: str = ID, *, not_before: float = float("-inf"), proof_after: float = float("-inf")
    ) -> Observation:
        """What is known of the cache."""
        return self.account.observe(cache_id, not_before=not_before, proof_after=proof_after)

    def take_changes(self) -> list[Change]:
        """What was told since the last time."""
        changes, self.changes = self.changes, []
        return changes

    def pauses(self) -> list[float]:
        """Seconds between the beginnings of the LISTs."""
        begun = self.client.begun(LIST)
        return [after - before for before, after in pairwise(begun)]


def throttled(retry_after: float | None) -> Trouble:
    """A 429."""
    return replace(OUTAGE, kind=TroubleKind.THROTTLED, retry_after=retry_after)
