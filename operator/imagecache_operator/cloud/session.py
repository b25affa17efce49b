"""From credentials to a client that knows who it is: endpoint, project, account, and the gate of the key."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, assert_never
from weakref import WeakValueDictionary

import httpx

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.account_ids import AccountId, AccountIds
from imagecache_operator.cloud.auth import SignatureAuth, TemporaryKeyAuth, TokenAuth
from imagecache_operator.cloud.client import CloudClient, Meter
from imagecache_operator.cloud.credentials import (
    AccessKey,
    Credentials,
    CredentialsError,
    CredentialsSource,
    OidcAgency,
    PodIdentity,
    UserPassword,
)
from imagecache_operator.cloud.endpoints import EndpointNotAllowedError, Endpoints
from imagecache_operator.cloud.gate import IN_FLIGHT, KeyGate, Operation
from imagecache_operator.cloud.hosts import EndpointError
from imagecache_operator.cloud.iam import IamError, Token, find_project_id, issue_token
from imagecache_operator.cloud.renewal import Renewed
from imagecache_operator.cloud.temporary_keys import TemporaryKey, temporary_keys
from imagecache_operator.identity import Identity, Location
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.placement import Defaults, Placement

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """One set of credentials at one location, ready to be used.

    `reopen_at` (monotonic seconds): the account could not be told, and another session may know it; infinity: it is
    known.
    """

    credentials: Credentials
    identity: Identity
    client: CloudClient
    gate: KeyGate
    reopen_at: float = math.inf


@dataclass(frozen=True, slots=True)
class _Found:
    """How requests are authenticated, the project, what is known of the account, and whose credentials they are."""

    auth: httpx.Auth
    project_id: str
    account: AccountId
    credential: str


_Signs = Callable[[str | None], httpx.Auth]
"""Makes what signs requests, for a project or, for IAM, for none."""


class Gates:
    """The gate of each key, shared by all who use that key, for as long as somebody does.

    Args:
        clock: where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._total = asyncio.Semaphore(IN_FLIGHT)
        self._gates: WeakValueDictionary[object, KeyGate] = WeakValueDictionary()

    def of(self, credentials: Credentials) -> KeyGate:
        """The gate of the key; a repaired secret or endpoint is a new key, a project is none."""
        key = (credentials.secret, credentials.region, credentials.cce_endpoint, credentials.iam_endpoint)
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = KeyGate(self._clock, self._total)
        return gate


class Sessions:
    """Opens sessions with the credentials of one source.

    Args:
        http: the client of all requests.
        endpoints: where CCE and IAM are, and which hosts are allowed.
        source: the credentials, which may change at any time.
        request_timeout: seconds.
        clock: where time comes from.
        meter: told of each request.
        gates: shared with other sources; None: its own.
        trusted: whether the source is the administrator's own: it may name any endpoint, and what was read last holds
            while it cannot be read. Any other source says itself what holds then.
        worked: told of each session with which a LIST has succeeded.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        endpoints: Endpoints,
        source: CredentialsSource,
        *,
        gates: Gates | None = None,
        trusted: bool = True,
        worked: Callable[[Session], None] = lambda _session: None,
        request_timeout: float,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._http = http
        self._endpoints = endpoints
        self._source = source
        self._timeout = request_timeout
        self._clock = clock
        self._meter = meter
        self._gates = gates or Gates(clock)
        self._trusted = trusted
        self.worked = worked
        self._gate: tuple[Credentials, KeyGate] | None = None
        self._last: Credentials | None = None
        self._repairs = 0
        self._complaint = ""
        # By where they come from and the STS that is asked: sessions of all projects share them.
        self._keys: dict[tuple[PodIdentity | OidcAgency, str], Renewed[TemporaryKey]] = {}
        self._account_ids = AccountIds(http, clock)
        # A region's project of a key never changes, so it is looked up once.
        self._project_ids: dict[tuple[str, str, str], str] = {}

    def version(self) -> object:
        """The credentials as they are; those that hold when they cannot be read, or why there are none.

        With temporary keys also whose they are, and whether there are any. A clock that is set after signatures were
        refused for it counts as a change, too.
        """
        newest = self._newest() or self._complaint
        repairs = self._gate[1].repairs if self._gate is not None else 0
        if not self._keys and not repairs:
            return newest
        return newest, repairs, *((keys.version, keys.latest and keys.latest.name) for keys in self._keys.values())

    def _newest(self) -> Credentials | None:
        try:
            self._last = self._source.current()
        except CredentialsError as error:
            if not self._trusted:
                self._last = None
            if self._last is not None and str(error) != self._complaint:
                logger.warning("%s; going on with the credentials that were read before", error)
            self._complaint = str(error)
        else:
            self._complaint = ""
        return self._last

    def defaults(self, settings: Defaults) -> Defaults:
        """What holds where a spec is silent: what the credentials' place says, then the settings."""
        credentials = self._newest()
        if credentials is None:
            return replace(settings, trouble=self._complaint)
        region = credentials.region or settings.region
        # A project belongs to one region: that of the settings says nothing about another region.
        project = credentials.project_id or (settings.project_id if region == settings.region else None)
        cluster_id = credentials.cluster_id or settings.cluster_id
        return replace(settings, region=region, project_id=project, cluster_id=cluster_id)

    async def open(self, placement: Placement) -> Session | Trouble:
        """A session for that place, with the credentials as they are now."""
        try:
            credentials = self._source.current()
            return await self._open(placement, credentials)
        except (CredentialsError, EndpointError) as error:
            return Trouble(_kind_of(error), str(error))
        except IamError as error:
            return error.trouble

    async def _open(self, placement: Placement, credentials: Credentials) -> Session | Trouble:
        override = self._endpoints.overridden if self._trusted else self._endpoints.named_by_secret
        endpoints = override(region=credentials.region, cce=credentials.cce_endpoint, iam=credentials.iam_endpoint)
        cce = endpoints.cce(placement.region)
        gate = self._gate_of(credentials)
        match credentials.secret:
            case AccessKey() as key:
                sign: _Signs = partial(SignatureAuth, key, clock=self._clock)
                found = await self._for_key(placement, credentials, sign, gate, endpoints, credentials.fingerprint)
            case PodIdentity() | OidcAgency() as where:
                keys = self._keys_from(where, endpoints, placement.region)
                name = (await keys.current()).value.name
                sign = partial(TemporaryKeyAuth, keys, name, clock=self._clock)
                found = await self._for_key(placement, credentials, sign, gate, endpoints, name)
            case UserPassword() as user:
                found = await self._for_user(
                    placement, user, gate, endpoints.iam(placement.region), credentials.fingerprint
                )
            case _:
                assert_never(credentials.secret)
        if isinstance(found, Trouble):
            return found
        client = CloudClient(
            self._http,
            cce,
            found.auth,
            who=credentials.who,
            request_timeout=self._timeout,
            clock=self._clock,
            meter=self._meter,
        )
        location = Location(endpoint=cce, region=placement.region, project_id=found.project_id)
        identity = Identity(location, found.account.id, found.credential)
        return Session(credentials, identity, client, gate, reopen_at=found.account.again_at)

    def _keys_from(self, where: PodIdentity | OidcAgency, endpoints: Endpoints, region: str) -> Renewed[TemporaryKey]:
        sts = endpoints.sts(region) if isinstance(where, OidcAgency) else ""
        keys = self._keys.get((where, sts))
        if keys is None:
            keys = temporary_keys(self._http, where, sts, self._clock, request_timeout=self._timeout)
            self._keys[where, sts] = keys
        return keys

    async def _for_key(
        self,
        placement: Placement,
        credentials: Credentials,
        sign: _Signs,
        gate: KeyGate,
        endpoints: Endpoints,
        credential: str,
    ) -> _Found | Trouble:
        iam, unscoped = endpoints.iam(placement.region), sign(None)
        which = (credential, iam, placement.region)
        project_id = placement.project_id or self._project_ids.get(which)
        if project_id is None:
            answer = await gate.run(
                Operation.PROJECT,
                placement.region,
                lambda: _caught(
                    find_project_id(
                        self._http, iam, unscoped, placement.region, who=credentials.who, within=self._timeout
                    )
                ),
                _trouble_in,
            )
            if isinstance(answer, Trouble):
                return answer
            project_id = self._project_ids[which] = answer
        sts = _sts(endpoints, placement.region)
        account = await self._account_ids.of(credential, unscoped, iam, sts, who=credentials.who)
        return _Found(sign(project_id), project_id, account, credential)

    async def _for_user(
        self, placement: Placement, user: UserPassword, gate: KeyGate, iam: str, credential: str
    ) -> _Found | Trouble:
        scope = {"name": placement.region} if placement.project_id is None else {"id": placement.project_id}

        async def issue() -> Token:
            return await issue_token(self._http, iam, user, scope=scope, now=self._clock.now(), within=self._timeout)

        token = await gate.run(Operation.TOKEN, str(scope), lambda: _caught(issue()), _trouble_in)
        if isinstance(token, Trouble):
            return token
        project_id = placement.project_id or token.project_id
        if project_id is None:
            return Trouble(
                TroubleKind.ENDPOINT_INVALID,
                f"The token from {iam} names no project: set spec.projectID or IMAGECACHE_PROJECT_ID.",
            )
        auth = TokenAuth(issue, self._clock, token=token, project_id=project_id)
        return _Found(auth, project_id, AccountId(token.account_id), credential)

    def _gate_of(self, credentials: Credentials) -> KeyGate:
        """The gate of these credentials; what was learnt of former ones is dropped, which ends their slow lane.

        What was refused for the clock alone is asked again once that is set.
        """
        if self._gate is None or self._gate[0] != credentials:
            self._gate = credentials, self._gates.of(credentials)
            self._gate[1].forgive()
            self._keys.clear()
            self._account_ids.forget()
            self._project_ids.clear()
        elif self._gate[1].repairs != self._repairs:
            self._account_ids.forget()
        self._repairs = self._gate[1].repairs
        return self._gate[1]


def _kind_of(error: CredentialsError | EndpointError) -> TroubleKind:
    match error:
        case EndpointNotAllowedError():
            return TroubleKind.NOT_ALLOWED
        case EndpointError():
            return TroubleKind.ENDPOINT_INVALID
        case CredentialsError():
            return TroubleKind.CREDENTIALS_INVALID
        case _:
            assert_never(error)


def _sts(endpoints: Endpoints, region: str) -> str | None:
    """STS serves a look-up that may fail, so where it must not be asked nothing is held up."""
    try:
        return endpoints.sts(region)
    except EndpointError:
        return None


T = TypeVar("T")


async def _caught(asked: Awaitable[T]) -> T | Trouble:
    """The answer, or the trouble in the stead of an exception, as gates have it."""
    try:
        return await asked
    except IamError as error:
        return error.trouble


def _trouble_in(answer: object) -> Trouble | None:
    return answer if isinstance(answer, Trouble) else None
