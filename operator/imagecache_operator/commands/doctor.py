"""`imagecache-operator doctor`: looks at everything that the operator needs, and says how to mend what is wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

from imagecache_operator.clock import Clock, SystemClock
from imagecache_operator.commands.doctor_cloud import look_at_cloud
from imagecache_operator.commands.doctor_cluster import look_at_cluster
from imagecache_operator.commands.findings import Finding, Outcome, good, to_json
from imagecache_operator.commands.output import say
from imagecache_operator.settings import Settings


async def doctor(settings: Settings, odd: Sequence[str], *, try_delete: bool, as_json: bool) -> int:
    """Report as the checks are made; returns the exit status."""
    found: list[Finding] = []
    async for finding in examine(settings, odd, try_delete=try_delete, clock=SystemClock()):
        found.append(finding)
        if not as_json:
            say(f"{finding.to_text()}\n")
    if as_json:
        say(json.dumps(to_json(found), indent=2, ensure_ascii=False) + "\n")
    return 0 if good(found) else 1


async def examine(settings: Settings, odd: Sequence[str], *, try_delete: bool, clock: Clock) -> AsyncIterator[Finding]:
    """All checks, each of the two sides whatever is wrong with the other."""
    if odd:
        yield Finding("settings", Outcome.WARNING, " ".join(odd), "Correct their spelling, or unset them.")
    else:
        yield Finding("settings", Outcome.OK)
    async for finding in look_at_cluster(settings, clock):
        yield finding
    async for finding in look_at_cloud(settings, clock, try_delete=try_delete):
        yield finding
