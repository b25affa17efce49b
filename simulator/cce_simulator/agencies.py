"""Agencies and the temporary keys that they give out (section 7): which of them are good, and for how long."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

from cce_simulator.clock import Clock
from cce_simulator.parsing import Fields
from cce_simulator.scenario import AccessKeySeed, AccountSeed, AgencySeed
from cce_simulator.settings import LiveSettings

# Keys that have ended are kept, so that the refusal can say so; but not for ever.
_MAX_KEPT_KEYS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class TemporaryKey:
    """A key that was given out; the requests must bring its security token."""

    key: AccessKeySeed
    account: AccountSeed
    urn: str
    session: str
    expires_monotonic: float
    expires_wall: float


class Agencies:
    """Who may take on which agency. Seeds are replaced, never changed in place."""

    def __init__(self, accounts: tuple[AccountSeed, ...], clock: Clock, live: LiveSettings) -> None:
        self._clock = clock
        self._live = live
        self._agencies = {agency.urn: (account, agency) for account in accounts for agency in account.agencies}
        self._keys: dict[str, TemporaryKey] = {}

    def named(self, urn: str) -> AgencySeed | None:
        """The agency of that URN."""
        found = self._agencies.get(urn)
        return found[1] if found else None

    def of_pod(self, token: str) -> AgencySeed | None:
        """The agency that is bound to the service account of that token."""
        bound = (agency for _, agency in self._agencies.values() if agency.association_id is not None)
        return next((agency for agency in bound if token in agency.tokens), None)

    def issue(self, agency: AgencySeed, session: str, seconds: float) -> TemporaryKey:
        """A new key; those that were given out before stay good until their end."""
        account = self._agencies[agency.urn][0]
        life = self._live.now.real(min(seconds, self._live.now.temporary_key_seconds))
        key = AccessKeySeed(
            access_key="HST" + secrets.token_hex(9).upper(),
            secret_key=secrets.token_urlsafe(30)[:40],
            security_token=secrets.token_urlsafe(600),
        )
        now = self._clock.monotonic()
        issued = TemporaryKey(key, account, agency.urn, session, now + life, self._clock.wall() + life)
        while len(self._keys) >= _MAX_KEPT_KEYS:
            del self._keys[next(iter(self._keys))]
        self._keys[key.access_key] = issued
        return issued

    def key(self, access_key: str) -> TemporaryKey | None:
        """A key that was given out, be it good or not."""
        return self._keys.get(access_key)

    def is_over(self, issued: TemporaryKey) -> bool:
        """Tell whether its time is over."""
        return issued.expires_monotonic <= self._clock.monotonic()

    def expire_all(self) -> None:
        """End all keys that were given out."""
        now = self._clock.monotonic()
        self._keys = {
            name: dataclasses.replace(issued, expires_monotonic=min(issued.expires_monotonic, now))
            for name, issued in self._keys.items()
        }

    def change(self, urn: str, fields: Fields) -> None:
        """Enable, disable, take other tokens, bind anew, deny actions."""
        account, agency = fields.known(self._agencies, urn, "agency")
        changed = fields.change(
            agency,
            enabled=Fields.flag,
            tokens=Fields.texts,
            association_id=Fields.optional_text,
            denied_actions=Fields.texts,
        )
        fields.done()
        self._agencies[urn] = (account, changed)

    def as_json(self) -> list[dict[str, Any]]:
        """The keys that were given out, the oldest first, without their secrets."""
        now = self._clock.monotonic()
        return [
            {
                "access_key": name,
                "agency": issued.urn,
                "session": issued.session,
                "expires_in_seconds": issued.expires_monotonic - now,
            }
            for name, issued in self._keys.items()
        ]
