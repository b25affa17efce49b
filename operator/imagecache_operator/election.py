"""Leader election by a Lease: of several replicas one acts, and the next takes over when it is gone.

The times are client-go's. A candidate never trusts the clock of another machine: the Lease counts as abandoned when
nothing in it has changed for `LEASE_DURATION` on the candidate's own monotonic clock. A leader stops acting
`RENEW_DEADLINE` after its last good renewal was begun, which leaves what it sent last five seconds to arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imagecache_operator.clock import Clock
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.vitals import Pulse

LEASE_DURATION = 15.0
"""Seconds without a change after which a Lease may be taken from its holder."""

RENEW_DEADLINE = 10.0
"""Seconds after which a leader that could not renew acts no more."""

RETRY_PERIOD = 2.0
"""Seconds between two renewals, and between two attempts after a failure."""

ATTEMPT_TIMEOUT = 4.0
"""Seconds for one request, so that more than one attempt fits into the deadline."""

RELEASE_TIMEOUT = 1.0
"""Seconds for handing the Lease back at the end."""

HANDED_BACK = 1
"""The duration in a Lease that its holder has handed back; one that was only wiped out by hand has another."""

TRANSITIONS_MAX = 2**31 - 1
"""The API server takes no larger number."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at the Lease showed, None for its fields when there is none."""

    holder: str
    version: str


class Election:
    """The part of one replica.

    Args:
        kubernetes: the API server, by connections of its own: nothing else may keep a renewal waiting.
        where: namespace and name of the Lease.
        identity: names this replica; unique for each start of the program.
        clock: where time comes from.

    Attributes:
        obstacle: why the Lease cannot be read or written; None when it can.
    """

    def __init__(self, kubernetes: KubernetesClient, where: Key, identity: str, clock: Clock) -> None:
        self._kubernetes = kubernetes
        self._where = where
        self._identity = identity
        self._clock = clock
        self._lease: dict[str, Any] | None = None
        self._seen: _Seen | None = None
        self._free_at = float("-inf")
        self._renewed = float("-inf")
        self._held = False
        self._may_hold = False
        self._deaf = ""
        self.pulse = Pulse("The election", LEASE_DURATION, clock)
        self.obstacle: str | None = "The Lease was not read yet."

    def leading(self) -> bool:
        """Whether this replica may act now."""
        return self._held and self._clock.monotonic() - self._renewed < RENEW_DEADLINE

    async def campaign(self) -> None:
        """Wait until this replica leads."""
        while True:
            self.pulse.beat()
            try:
                if await self._look():
                    await self._take()
                    return
                self.obstacle = None
                async with asyncio.timeout(max(self._free_in(), 0.0)) as limit:
                    await self._follow(limit)
            except TimeoutError:
                continue
            except ConflictError:
                continue  # another candidate was quicker
            except KubernetesError as error:
                self._complain(f"The Lease cannot be had: {error}")
                await asyncio.sleep(RETRY_PERIOD)
                continue
            # A watch that ends or is refused leaves polling.
            await asyncio.sleep(min(RETRY_PERIOD, max(self._free_in(), 0.05)))

    async def keep(self) -> str:
        """Renew for as long as it is possible; returns why this replica does not lead any more."""
        while True:
            self.pulse.beat()
            await asyncio.sleep(max(self._renewed + RETRY_PERIOD - self._clock.monotonic(), 0.0))
            lost = await self._renew_in_time()
            if lost is not None:
                # It may name us all the same, and then it is still to be handed back.
                self._held = False
                return lost

    async def release(self) -> None:
        """Hand the Lease back, so that the next replica need not wait; best effort."""
        if not self._may_hold:
            return
        self._held = self._may_hold = False
        with contextlib.suppress(KubernetesError, TimeoutError):
            async with asyncio.timeout(RELEASE_TIMEOUT):
                try:
                    await self._hand_back(self._lease)
                except ConflictError:
                    # A write that was cut off may have been carried out all the same.
                    await self._hand_back(await self._kubernetes.get_lease(self._where))

    async def _hand_back(self, lease: dict[str, Any] | None) -> None:
        spec = (lease or {}).get("spec") or {}
        if lease is None or spec.get("holderIdentity") != self._identity:
            raise ConflictError("it is not known to be ours")
        spec |= {"holderIdentity": "", "leaseDurationSeconds": HANDED_BACK, "renewTime": self._now()}
        await self._kubernetes.replace_lease(self._where, lease | {"spec": spec})
        logger.info("The Lease was handed back")

    # --- as a candidate

    async def _look(self) -> bool:
        """Read the Lease; whether it is free."""
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                self._observe(await self._kubernetes.get_lease(self._where))
        except NotFoundError:
            self._observe(None)
        except TimeoutError:
            raise KubernetesError("the API server did not answer in time") from None
        return self._free_in() <= 0

    def _observe(self, lease: dict[str, Any] | None) -> None:
        spec = (lease or {}).get("spec") or {}
        version = str((lease or {}).get("metadata", {}).get("resourceVersion", ""))
        seen = _Seen(str(spec.get("holderIdentity") or ""), version)
        self._lease = lease
        if seen == self._seen:
            return
        self._seen = seen
        # Where there is none, or none that was handed back, somebody may have changed it by hand, and its holder still
        # acts.
        handed_back = not seen.holder and spec.get("leaseDurationSeconds") == HANDED_BACK
        free = seen.holder == self._identity or handed_back
        self._free_at = self._clock.monotonic() + (0.0 if free else LEASE_DURATION)

    def _free_in(self) -> float:
        return self._free_at - self._clock.monotonic()

    async def _take(self) -> None:
        """Write ourselves into it; `ConflictError` when somebody else was quicker."""
        begun, now = self._clock.monotonic(), self._now()
        former = (self._lease or {}).get("spec") or {}
        changes_hands = bool(former) and former.get("holderIdentity") != self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LEASE_DURATION),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": min(int(former.get("leaseTransitions") or 0) + changes_hands, TRANSITIONS_MAX),
        }
        self._may_hold = True
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                await self._write(spec)
        except TimeoutError:
            raise KubernetesError("the API server did not answer in time") from None
        self._held, self._renewed, self.obstacle = True, begun, None
        logger.info("This replica leads now")

    async def _follow(self, limit: asyncio.Timeout) -> None:
        """Watch until the Lease is free; each renewal puts that off."""
        version = self._seen.version if self._seen is not None else ""
        loop = asyncio.get_running_loop()
        try:
            async with contextlib.aclosing(self._kubernetes.watch_lease(self._where, version)) as changes:
                async for lease in changes:
                    self.pulse.beat()
                    self._observe(lease)
                    limit.reschedule(loop.time() + max(self._free_in(), 0.0))
        except KubernetesError as error:
            if str(error) != self._deaf:
                logger.warning("The Lease cannot be watched, so it is polled: %s", error)
            self._deaf = str(error)

    # --- as the leader

    async def _renew_in_time(self) -> str | None:
        """One attempt; why the Lease is lost, None while it is not."""
        begun = self._clock.monotonic()
        remaining = self._renewed + RENEW_DEADLINE - begun
        if remaining <= 0:
            return f"it could not be renewed for {RENEW_DEADLINE:g} s"
        try:
            async with asyncio.timeout(min(ATTEMPT_TIMEOUT, remaining)):
                lost = await self._renew()
        except (KubernetesError, TimeoutError) as error:
            self._complain(f"The Lease could not be renewed: {str(error) or 'no answer'}")
            await asyncio.sleep(min(RETRY_PERIOD, max(self._renewed + RENEW_DEADLINE - self._clock.monotonic(), 0.0)))
            return None
        if lost is None:
            self._renewed, self.obstacle = begun, None
        return lost

    async def _renew(self) -> str | None:
        # All that counts, so that what somebody changed by hand does not stay.
        ours = {"holderIdentity": self._identity, "leaseDurationSeconds": int(LEASE_DURATION)}
        # Of a Lease that was deleted, and could not be written anew yet, nothing is left.
        former = (self._lease or {}).get("spec") or {}
        spec = former | ours | {"renewTime": self._now()}
        try:
            await self._write(spec)
        except (ConflictError, NotFoundError):
            # Somebody changed it, deleted it, or took it. A PUT of what is deleted is a conflict, too.
            try:
                self._lease = await self._kubernetes.get_lease(self._where)
            except NotFoundError:
                self._lease = None
            else:
                now = self._lease.get("spec") or {}
                if now.get("holderIdentity") != self._identity:
                    return f"{now.get('holderIdentity') or 'nobody'} holds it now"
            await self._write(spec)
        return None

    async def _write(self, spec: dict[str, Any]) -> None:
        if self._lease is None:
            self._lease = await self._kubernetes.create_lease(self._where, {"spec": spec})
        else:
            self._lease = await self._kubernetes.replace_lease(self._where, self._lease | {"spec": spec})
        self._seen = _Seen(self._identity, str(self._lease["metadata"]["resourceVersion"]))

    def _now(self) -> str:
        return micro_time(self._clock.now())

    def _complain(self, sentence: str) -> None:
        if sentence != self.obstacle:
            logger.warning("%s", sentence)
        self.obstacle = sentence


def micro_time(moment: datetime) -> str:
    """As Leases have times: always with microseconds, which the API server does not take for optional."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
