"""The API gateway's part: who calls, for which project, and may they (sections 4.2, 5, 6 and 9)."""

from __future__ import annotations

import dataclasses
import hmac

from cce_simulator import errors, signatures
from cce_simulator.agencies import Agencies
from cce_simulator.answers import Answer, RefusedError
from cce_simulator.clock import Clock
from cce_simulator.identity import Directory
from cce_simulator.incoming import ACTIONS, Incoming
from cce_simulator.scenario import AccessKeySeed, AccountSeed, ProjectSeed
from cce_simulator.settings import LiveSettings

LOCKED_MESSAGE = "AK access failed to reach the limit,forbidden"


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """A caller whose identity is proven."""

    name: str
    account: AccountSeed
    # None: a token scoped to the domain.
    project: ProjectSeed | None
    denied_actions: tuple[str, ...]


class Gate:
    """Turns a request into a caller, or refuses it in the gateway's shape."""

    def __init__(self, directory: Directory, agencies: Agencies, clock: Clock, live: LiveSettings) -> None:
        self._directory = directory
        self._agencies = agencies
        self._clock = clock
        self._live = live

    def claimed(self, incoming: Incoming) -> str | None:
        """The AK or user the request claims to come from, unproven: for the log and for matching faults."""
        authorization = signatures.read_authorization(incoming.headers.get("Authorization", ""))
        if authorization is not None:
            return authorization.access_key
        token = incoming.headers.get("X-Auth-Token")
        return (self._directory.token_owner(token) or "unknown token") if token else None

    def admit(self, incoming: Incoming) -> Caller:
        """Prove the identity. A signature counts before a token; the sheet does not say what both together mean."""
        value = incoming.headers.get("Authorization")
        if value is not None:
            authorization = signatures.read_authorization(value)
            if authorization is None:
                raise RefusedError(_unauthenticated("Authorization format error"))
            return self._by_signature(incoming, authorization)
        token = incoming.headers.get("X-Auth-Token")
        if token is None:
            raise RefusedError(_unauthenticated("x-auth-token not found"))
        return self._by_token(token)

    def authorize(self, caller: Caller, operation: str) -> None:
        """Refuse an action that is denied (section 9)."""
        action = ACTIONS.get(operation)
        if action is None or (action not in caller.denied_actions and action not in self._live.now.denied_actions):
            return
        message = f"Policy doesn't allow {action} to be performed."
        if action.startswith("iam:"):
            raise RefusedError(errors.keystone(403, message))
        raise RefusedError(errors.cce(403, errors.FORBIDDEN, message))

    def _by_signature(self, incoming: Incoming, authorization: signatures.Authorization) -> Caller:
        access_key = authorization.access_key
        lockout = self._directory.lockout
        if lockout.is_locked(access_key):
            raise RefusedError(_unauthenticated(LOCKED_MESSAGE))
        try:
            account, key = self._key(access_key)
            signatures.verify(
                authorization,
                key.secret_key,
                method=incoming.method,
                path=incoming.path,
                query=incoming.query,
                headers=incoming.headers,
                body=incoming.body,
                now=self._clock.wall(),
            )
            self._check_security_token(key, incoming, authorization)
        except signatures.SignatureError as error:
            lockout.failed(access_key)
            raise RefusedError(_unauthenticated(str(error))) from error
        lockout.succeeded(access_key)
        project = self._named_project(account, incoming.headers.get("X-Project-Id"))
        return Caller(access_key, account, project, key.denied_actions)

    def _key(self, access_key: str) -> tuple[AccountSeed, AccessKeySeed]:
        """A key that may be used, permanent or temporary, with the denials in force."""
        known = self._directory.key(access_key)
        if known is not None and known[1].enabled:
            return known
        issued = self._agencies.key(access_key)
        if issued is None:
            raise signatures.SignatureError(f"ak {access_key} not exist")
        agency = self._agencies.named(issued.urn)
        if self._agencies.is_over(issued) or agency is None:
            raise signatures.SignatureError("the security token has expired")
        return issued.account, dataclasses.replace(issued.key, denied_actions=agency.denied_actions)

    def _check_security_token(
        self, key: AccessKeySeed, incoming: Incoming, authorization: signatures.Authorization
    ) -> None:
        wanted, given = key.security_token, incoming.headers.get("X-Security-Token")
        if wanted is None:
            return
        if given is None or not hmac.compare_digest(wanted.encode(), given.encode(errors="surrogateescape")):
            raise signatures.SignatureError("the security token is missing or wrong")
        strict = self._live.now.switches.unsigned_security_token == "refused"  # noqa: S105 (a position)
        if strict and "x-security-token" not in authorization.signed_headers:
            raise signatures.SignatureError("x-security-token is not signed")

    def _named_project(self, account: AccountSeed, project_id: str | None) -> ProjectSeed:
        if project_id is None:
            # Section 6.1: for the default project the header may be omitted.
            return account.projects[0]
        known = self._directory.project(project_id)
        if known is None or known[0].domain_id != account.domain_id:
            raise RefusedError(errors.gateway(403, errors.PROJECT_UNAVAILABLE, "The project is unavailable."))
        return known[1]

    def _by_token(self, text: str) -> Caller:
        token = self._directory.token(text)
        if token is None:
            raise RefusedError(token_refused())
        user = self._directory.user(token.account.domain_name, token.user)
        denied = user.denied_actions if user is not None else ()
        return Caller(token.user, token.account, token.project, denied)


def token_refused() -> Answer:
    """Section 4.2: the token is expired or was never issued."""
    return errors.gateway(401, errors.TOKEN_MUST_BE_UPDATED, "The token must be updated.")


def _unauthenticated(reason: str) -> Answer:
    return errors.gateway(401, errors.BAD_AUTHENTICATION, f"Incorrect IAM authentication information: {reason}")
