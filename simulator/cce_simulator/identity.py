"""Accounts, access keys with their lock-out, users and tokens (sections 4.2, 5 and 6)."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

from cce_simulator.clock import Clock
from cce_simulator.parsing import Fields, MalformedError
from cce_simulator.scenario import AccessKeySeed, AccountSeed, ProjectSeed, UserSeed
from cce_simulator.settings import LiveSettings

FAILURES_TOLERATED = 5
LOCK_SECONDS = 300.0
TOKEN_SECONDS = 24 * 3600.0
# Access keys nobody knows are counted as well; a fuzzing client must not eat the memory.
_MAX_COUNTED_KEYS = 1000


@dataclasses.dataclass(slots=True)
class LockState:
    """Consecutive failures of one access key."""

    failures: int = 0
    failures_total: int = 0
    locked_until: float | None = None
    times_locked: int = 0


class LockOut:
    """More than five consecutive failures lock an access key for five minutes."""

    def __init__(self, clock: Clock, live: LiveSettings) -> None:
        self._clock = clock
        self._live = live
        self._states: dict[str, LockState] = {}

    def is_locked(self, access_key: str) -> bool:
        """Tell, and lift the lock when its time is over."""
        state = self._states.get(access_key)
        if state is None or state.locked_until is None:
            return False
        if self._live.now.lockout and self._clock.monotonic() < state.locked_until:
            return True
        state.locked_until, state.failures = None, 0
        return False

    def failed(self, access_key: str) -> None:
        """Count a failure; the sixth in a row locks."""
        if access_key not in self._states and len(self._states) >= _MAX_COUNTED_KEYS:
            return
        state = self._states.setdefault(access_key, LockState())
        state.failures += 1
        state.failures_total += 1
        if self._live.now.lockout and state.failures > FAILURES_TOLERATED:
            state.locked_until = self._clock.monotonic() + self._live.now.real(LOCK_SECONDS)
            state.times_locked += 1

    def succeeded(self, access_key: str) -> None:
        """End the row of failures."""
        state = self._states.get(access_key)
        if state is not None:
            state.failures = 0

    def unlock(self, access_key: str) -> None:
        """Lift the lock by hand."""
        state = self._states.get(access_key)
        if state is not None:
            state.locked_until, state.failures = None, 0

    def as_json(self, access_key: str) -> dict[str, Any]:
        """The counters of one key."""
        locked = self.is_locked(access_key)
        state = self._states.get(access_key, LockState())
        left = (state.locked_until or 0.0) - self._clock.monotonic() if locked else 0.0
        return {
            "failures": state.failures,
            "failures_total": state.failures_total,
            "locked": locked,
            "locked_for_seconds": left,
            "times_locked": state.times_locked,
        }

    def counted_keys(self) -> list[str]:
        """All keys that ever failed."""
        return list(self._states)


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """An issued token; without a project it is scoped to the domain."""

    account: AccountSeed
    user: str
    project: ProjectSeed | None
    expires_monotonic: float
    expires_wall: float


class Directory:
    """Who is who. Seeds are replaced, never changed in place."""

    def __init__(self, accounts: tuple[AccountSeed, ...], clock: Clock, live: LiveSettings) -> None:
        self._clock = clock
        self._live = live
        self.accounts = accounts
        self.lockout = LockOut(clock, live)
        self._projects = {project.id: (account, project) for account in accounts for project in account.projects}
        self._keys = {key.access_key: (account, key) for account in accounts for key in account.access_keys}
        self._users = {(account.domain_name, user.name): user for account in accounts for user in account.users}
        self._tokens: dict[str, Token] = {}

    @property
    def default_project(self) -> ProjectSeed:
        """The first project of the first account."""
        return self.accounts[0].projects[0]

    def project(self, project_id: str) -> tuple[AccountSeed, ProjectSeed] | None:
        """A project and whose it is."""
        return self._projects.get(project_id)

    def projects(self) -> list[tuple[AccountSeed, ProjectSeed]]:
        """All projects."""
        return list(self._projects.values())

    def key(self, access_key: str) -> tuple[AccountSeed, AccessKeySeed] | None:
        """An access key and whose it is."""
        return self._keys.get(access_key)

    def user(self, domain_name: str, name: str) -> UserSeed | None:
        """A user of a domain."""
        return self._users.get((domain_name, name))

    def account_named(self, domain_name: str) -> AccountSeed | None:
        """The account of that domain name."""
        return next((account for account in self.accounts if account.domain_name == domain_name), None)

    def issue_token(self, account: AccountSeed, user: str, project: ProjectSeed | None) -> tuple[str, Token]:
        """Make a token that lives 24 h; older ones stay good."""
        life = self._live.now.real(TOKEN_SECONDS)
        now = self._clock.monotonic()
        token = Token(account, user, project, now + life, self._clock.wall() + life)
        self._tokens = {text: old for text, old in self._tokens.items() if old.expires_monotonic > now}
        length = self._live.now.token_length
        text = ("MII" + secrets.token_urlsafe(length))[:length]
        self._tokens[text] = token
        return text, token

    def token(self, text: str) -> Token | None:
        """A token that is still good."""
        token = self._tokens.get(text)
        if token is None or token.expires_monotonic <= self._clock.monotonic():
            return None
        user = self.user(token.account.domain_name, token.user)
        return token if user is not None and user.enabled else None

    def token_owner(self, text: str) -> str | None:
        """Whose token it is or was, for the log."""
        token = self._tokens.get(text)
        return token.user if token else None

    def revoke_tokens(self) -> None:
        """Make all tokens bad, as a change of password does in the end (section 5)."""
        self._tokens.clear()

    def live_tokens(self) -> int:
        """How many tokens are good now."""
        return sum(token.expires_monotonic > self._clock.monotonic() for token in self._tokens.values())

    def change_key(self, access_key: str, fields: Fields) -> None:
        """Enable, disable, give a new secret, deny actions, lift the lock."""
        account, key = fields.known(self._keys, access_key, "access key")
        changed = fields.change(
            key,
            enabled=Fields.flag,
            secret_key=Fields.text,
            security_token=Fields.optional_text,
            denied_actions=Fields.texts,
        )
        unlock = fields.flag("unlock", default=False)
        fields.done()
        self._keys[access_key] = (account, changed)
        if unlock:
            self.lockout.unlock(access_key)

    def change_user(self, name: str, fields: Fields) -> None:
        """Enable, disable, give a new password, deny actions; for the users of that name in all domains."""
        matches = [key for key in self._users if key[1] == name]
        if not matches:
            raise MalformedError(f"{fields.where}: there is no such user.")
        for key in matches:
            self._users[key] = fields.change(
                self._users[key], enabled=Fields.flag, password=Fields.text, denied_actions=Fields.texts
            )
        fields.done()
