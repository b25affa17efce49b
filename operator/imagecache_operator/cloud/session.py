"""From credentials to a client that knows who it is: endpoint, project, account, and the gate of the key."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import httpx

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.auth import SignatureAuth, TokenAuth
from imagecache_operator.cloud.client import CloudClient, Meter
from imagecache_operator.cloud.credentials import AccessKey, Credentials, CredentialsError, CredentialsSource
from imagecache_operator.cloud.endpoints import EndpointError, Endpoints
from imagecache_operator.cloud.gate import IN_FLIGHT, KeyGate
from imagecache_operator.cloud.iam import IamError, find_account_id, find_project_id
from imagecache_operator.identity import Identity, Location
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.placement import Placement

ACCOUNT_LOOKUP_TIMEOUT = 3.0
"""Seconds that the look-up of the account may take; identities compare by credential where it cannot be told."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """One set of credentials at one location, ready to be used."""

    credentials: Credentials
    identity: Identity
    client: CloudClient
    gate: KeyGate


class Sessions:
    """Opens sessions; gates are shared by all sessions of the same credentials.

    Args:
        http: the client of all requests.
        endpoints: where CCE and IAM are, and which hosts are allowed.
        source: the credentials, which may change at any time.
        request_timeout: seconds.
        clock: where time comes from.
        meter: told of each request.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        endpoints: Endpoints,
        source: CredentialsSource,
        *,
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
        self._total = asyncio.Semaphore(IN_FLIGHT)
        self._last: Credentials | None = None
        self._complaint = ""
        self._gates: dict[Credentials, KeyGate] = {}

    def version(self) -> Credentials | None:
        """The credentials as they are; those read last when they cannot be read now, None when they never could."""
        try:
            self._last = self._source.current()
        except CredentialsError as error:
            if self._last is not None and str(error) != self._complaint:
                logger.warning("%s; going on with the credentials that were read before", error)
            self._complaint = str(error)
        else:
            self._complaint = ""
        return self._last

    async def open(self, placement: Placement) -> Session | Trouble:
        """A session for that place, with the credentials as they are now."""
        try:
            credentials = self._source.current()
            return await self._open(placement, credentials)
        except (CredentialsError, EndpointError) as error:
            kind = TroubleKind.ENDPOINT_INVALID if isinstance(error, EndpointError) else TroubleKind.CREDENTIALS_INVALID
            return Trouble(kind, str(error))
        except IamError as error:
            return error.trouble

    def _gate(self, credentials: Credentials) -> KeyGate:
        """The gate of these credentials; those of former ones are dropped, which is what leaves the slow lane."""
        if credentials not in self._gates:
            self._gates = {credentials: KeyGate(self._clock, self._total)}
        return self._gates[credentials]
