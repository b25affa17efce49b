"""A cloud behind a gate, for the tests of gates."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from imagecache_operator.cloud.gate import KeyGate, Operation
from imagecache_operator.observation import Trouble, TroubleKind

REFUSED = Trouble(TroubleKind.CREDENTIALS_INVALID, "401")
DENIED = Trouble(TroubleKind.ACCESS_DENIED, "403")
BUSY = Trouble(TroubleKind.CLOUD_UNAVAILABLE, "503")
GOOD = "good"

Answer = Trouble | str
"""What comes back through the gate in these tests."""


@dataclass
class Gated:
    """A cloud behind a gate: answers calls, at once or when told to, and counts them."""

    gate: KeyGate
    answer: Answer = GOOD
    sent: list[tuple[Operation, str]] = field(default_factory=list)
    in_flight: int = 0
    most: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, operation: Operation = Operation.GET, subject: str = "a") -> Answer:
        """One call through the gate."""

        async def call() -> Answer:
            self.sent.append((operation, subject))
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            await self.open.wait()
            self.in_flight -= 1
            return self.answer

        return await self.gate.run(operation, subject, call, lambda a: a if isinstance(a, Trouble) else None)


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(200):
        await asyncio.sleep(0)
