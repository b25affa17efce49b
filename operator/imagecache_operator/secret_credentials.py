"""Credentials in Secrets of users' namespaces: read by their type, again every few seconds; those that worked are kept.

One LIST for all of them, answered from the API server's memory, instead of a watch: it cannot go deaf, and a change
takes effect in time. No Secret of another type is ever asked for.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.credentials import Credentials, CredentialsError
from imagecache_operator.cloud.credentials_keys import CHECKS, credentials_from
from imagecache_operator.identity import Location
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError
from imagecache_operator.names import SECRET_TYPE
from imagecache_operator.observation import TroubleKind
from imagecache_operator.vitals import Pulse

INTERVAL = 5.0
"""Seconds between two lists."""

SPACING = 0.5
"""Seconds between two lists, at least, however many Secrets are missed for the first time."""

logger = logging.getLogger(__name__)

Found = Credentials | CredentialsError


class Secrets:
    """What the newest list of Secrets says.

    Args:
        kubernetes: the API server.
        namespaces: those that are served, None for all.
        clock: where time comes from.
    """

    def __init__(self, kubernetes: KubernetesClient, namespaces: Collection[str] | None, clock: Clock) -> None:
        self._kubernetes = kubernetes
        self._namespaces: Collection[str | None] = [None] if namespaces is None else namespaces
        self._found: dict[Key, Found] = {}
        self._obstacle: str | None = "The Secrets were not listed yet."
        self._wanted = asyncio.Event()
        self.pulse = Pulse("Listing the Secrets", INTERVAL, clock)

    def find(self, ref: Key) -> Credentials:
        """The credentials in a Secret.

        Raises:
            CredentialsError: there is no such Secret of the right type, or it cannot be used.
        """
        found = self._found.get(ref)
        if found is None:
            raise CredentialsError(self._obstacle or _missing(ref))
        if isinstance(found, CredentialsError):
            raise found
        return found

    def look_soon(self) -> None:
        """List out of turn."""
        self._wanted.set()

    async def look(self) -> bool:
        """List once; what cannot be listed leaves everything as it was. Returns whether anything has changed."""
        found: dict[Key, Found] = {}
        try:
            for namespace in self._namespaces:
                async for body in self._kubernetes.list_secrets(namespace):
                    meta = body["metadata"]
                    ref = Key(meta["namespace"], meta["name"])
                    found[ref] = _read(ref, body.get("data") or {})
        except KubernetesError as error:
            obstacle = f"The operator cannot list Secrets ({error}): give it the permission, or unset the setting."
            if obstacle != self._obstacle:
                logger.warning("%s", obstacle)
            self._obstacle = obstacle
            return False
        former, first = self._found, self._obstacle is not None
        self._found, self._obstacle = found, None
        changed = {ref for ref in former.keys() | found.keys() if _differs(former.get(ref), found.get(ref))}
        for ref in changed:
            if isinstance(what := found.get(ref), CredentialsError):
                logger.warning("%s", what, extra={"account": str(ref), "reason": TroubleKind.CREDENTIALS_INVALID.value})
        return first or bool(changed)

    async def run(self, changed: Callable[[], None]) -> None:
        """List for ever: every few seconds, and soon when that is wanted."""
        while True:
            self.pulse.beat()
            self._wanted.clear()
            await asyncio.sleep(SPACING)
            try:
                async with asyncio.timeout(INTERVAL - SPACING):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            if await self.look():
                changed()


class SecretCredentials:
    """The credentials of one Secret, for as long as objects name it: those that worked last outlive the Secret.

    What merely stands in the Secret is used, and shown with its faults, for as long as it stands there. It takes no
    place of what has worked before a LIST has succeeded with it. Of each location one copy is kept, because a Secret
    that led elsewhere before it vanished must not take the way back to the caches along.

    Args:
        secrets: what the newest list says.
        ref: the Secret.
    """

    def __init__(self, secrets: Secrets, ref: Key) -> None:
        self._secrets = secrets
        self._ref = ref
        self._worked: dict[Location, Credentials] = {}
        self._missed = False

    def current(self) -> Credentials:
        """See `CredentialsSource`."""
        try:
            return self._find()
        except CredentialsError:
            if not self._worked:
                raise
            return self._newest

    def worked(self, credentials: Credentials, location: Location) -> None:
        """A LIST has succeeded with them there."""
        self._worked.pop(location, None)
        self._worked[location] = credentials

    def kept(self, location: Location) -> Credentials | None:
        """What worked at that location, where the Secret is gone or bad and what worked last is something else."""
        copy = self._worked.get(location)
        return None if copy is None or copy == self._newest or self.withdrawn() is None else copy

    def withdrawn(self) -> str | None:
        """Why the credentials in use may create nothing any more: their Secret is gone or bad. None when it is good."""
        try:
            self._find()
        except CredentialsError as error:
            kept = " What exists is still looked after with the credentials that worked last." if self._worked else ""
            return f"{error}{kept}"
        return None

    @property
    def _newest(self) -> Credentials:
        return next(reversed(self._worked.values()))

    def _find(self) -> Credentials:
        try:
            found = self._secrets.find(self._ref)
        except CredentialsError:
            if not self._missed:
                # Once: a Secret that comes together with its object is there soon, any other in its turn.
                self._missed = True
                self._secrets.look_soon()
            raise
        self._missed = False
        return found


@dataclass(frozen=True, slots=True)
class KeptCredentials:
    """A copy of what a Secret once held."""

    copy: Credentials

    def current(self) -> Credentials:
        """See `CredentialsSource`."""
        return self.copy


def _read(ref: Key, data: Mapping[str, Any]) -> Found:
    where, texts = f"the Secret {ref}", dict[str, str]()
    for key, value in data.items():
        if key not in CHECKS:
            continue
        try:
            texts[key] = base64.b64decode(value, validate=True).decode()
        except (TypeError, ValueError):
            return CredentialsError(
                f"{key} in {where} is no text in UTF-8: put the value itself there, as kubectl create secret generic "
                "--from-literal or --from-file does."
            )
    try:
        return credentials_from(texts, where=where)
    except CredentialsError as error:
        return error


def _differs(one: Found | None, other: Found | None) -> bool:
    if isinstance(one, CredentialsError) and isinstance(other, CredentialsError):
        return str(one) != str(other)
    return one != other


def _missing(ref: Key) -> str:
    return (
        f"There is no Secret {ref} of type {SECRET_TYPE} (no other type is read): create it with the keys accessKey "
        "and secretKey, or username, password and domainName."
    )
