"""Whose account a key belongs to: asked once, and again after a while where it could not be told.

All works without it, with identities that compare by credential (identity.py). So it may cost neither long waits nor
refusals, of which a key bears few before it is locked (cce-api section 4.2).
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

import httpx

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.iam import IamError, find_account_id

ACCOUNT_RETRY = 600.0
"""Seconds after which an account that is not told is asked for again."""

ACCOUNT_RETRY_FIRST = 30.0
"""The same where nobody answered; doubles up to `ACCOUNT_RETRY`, because each attempt may hold up a LIST."""

ACCOUNT_LOOKUP_TIMEOUT = 3.0
"""Seconds that one attempt may take."""


@dataclass(frozen=True, slots=True)
class AccountId:
    """What is known of a key.

    Attributes:
        id: the IAM domain id; None where it could not be told.
        again_at: monotonic seconds from which on it is worth another attempt; infinity where it is known.
        pause: seconds between the last attempt and that.
    """

    id: str | None
    again_at: float = math.inf
    pause: float = 0.0


_UNASKED = AccountId(None, -math.inf)


class AccountIds:
    """What was told of the keys of one source.

    Args:
        http: the client of all requests.
        clock: where time comes from.
    """

    def __init__(self, http: httpx.AsyncClient, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._asking = asyncio.Lock()
        # By credential and IAM endpoint.
        self._known: dict[tuple[str, str], AccountId] = {}
        # Keys that were refused, and until when they are spared; by credential, for a key is refused everywhere.
        self._refused: dict[str, float] = {}

    async def of(self, credential: str, auth: httpx.Auth, iam: str, sts: str | None, *, who: str) -> AccountId:
        """What is known of a key, asked for when that is due.

        Args:
            credential: stands for the key.
            auth: authenticates with it, for no project.
            iam: base URL of IAM.
            sts: base URL of STS; None where it must not be asked.
            who: how to name the key to a person.
        """
        which = (credential, iam)
        async with self._asking:
            known, now = self._known.get(which, _UNASKED), self._clock.monotonic()
            if now < known.again_at:
                return known
            if now < (until := self._refused.get(credential, -math.inf)):
                return AccountId(None, until)
            found, pause = None, ACCOUNT_RETRY
            try:
                found = await find_account_id(self._http, iam, sts, auth, who=who, within=ACCOUNT_LOOKUP_TIMEOUT / 2)
            except IamError as error:
                if error.trouble.passing or error.trouble.unsent:
                    pause = min(max(2 * known.pause, ACCOUNT_RETRY_FIRST), ACCOUNT_RETRY)
                else:
                    self._refused[credential] = now + ACCOUNT_RETRY
            known = AccountId(found) if found is not None else AccountId(None, now + pause, pause)
            self._known[which] = known
            return known

    def forget(self) -> None:
        """Ask anew, because the credentials have changed, or the clock was set that had their signatures refused."""
        self._known.clear()
        self._refused.clear()
