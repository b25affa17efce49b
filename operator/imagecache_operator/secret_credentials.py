"""Credentials in Secrets of users' namespaces: read by their type, again every few seconds, and kept while in use.

One LIST for all of them, answered from the API server's memory, instead of a watch: it cannot go deaf, and a change
takes effect in time. No Secret of another type is ever asked for.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.credentials import Credentials, CredentialsError
from imagecache_operator.cloud.credentials_keys import credentials_from
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError
from imagecache_operator.names import SECRET_TYPE
from imagecache_operator.vitals import Pulse

INTERVAL = 5.0
"""Seconds between two lists."""

SPACING = 0.5
"""Seconds between two lists, at least, however many objects name Secrets that are not known."""

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
            self._wanted.set()
            raise CredentialsError(self._obstacle or _missing(ref))
        if isinstance(found, CredentialsError):
            raise found
        return found

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
                logger.warning("%s", what)
        return first or bool(changed)

    async def run(self, changed: Callable[[], None]) -> None:
        """List for ever: every few seconds, and soon when an object names a Secret that is not known."""
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
    """The credentials of one Secret, for as long as objects use them: the last good ones outlive the Secret.

    Args:
        secrets: what the newest list says.
        ref: the Secret.
    """

    def __init__(self, secrets: Secrets, ref: Key) -> None:
        self._secrets = secrets
        self._ref = ref
        self._kept: Credentials | None = None

    def current(self) -> Credentials:
        """See `CredentialsSource`."""
        try:
            self._kept = self._secrets.find(self._ref)
        except CredentialsError:
            if self._kept is None:
                raise
        return self._kept

    def withdrawn(self) -> str | None:
        """Why the credentials in use may create nothing any more: their Secret is gone or bad. None when it is good."""
        try:
            self._secrets.find(self._ref)
        except CredentialsError as error:
            return f"{error} What exists is still looked after with the credentials that were used last."
        return None


def _read(ref: Key, data: Mapping[str, Any]) -> Found:
    where = f"the Secret {ref}"
    try:
        texts = {key: base64.b64decode(value, validate=True).decode() for key, value in data.items()}
    except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
        return CredentialsError(f"{where.capitalize()} holds something that is no text.")
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
