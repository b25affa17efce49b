"""What a Secret holds as tenants: one for what is in it now, one for each copy that objects have to go back to."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TypeAlias

from imagecache_operator.accounts import Tenant
from imagecache_operator.cloud.credentials import Credentials, CredentialsSource
from imagecache_operator.cloud.session import Session, Sessions
from imagecache_operator.identity import Location
from imagecache_operator.imagecache import Key
from imagecache_operator.placement import Defaults
from imagecache_operator.secret_credentials import KeptCredentials, SecretCredentials, Secrets

Opener: TypeAlias = Callable[[CredentialsSource, Callable[[Session], None]], Sessions]
"""Opens the sessions of a source; the second argument is told of each session with which a LIST has succeeded."""


def tenant_of_secret(secrets: Secrets, ref: Key, open_sessions: Opener, settings: Defaults) -> Tenant:
    """The tenant of a Secret.

    Args:
        secrets: what the newest list says.
        ref: the Secret.
        open_sessions: see `Opener`.
        settings: what holds where neither a spec nor the Secret says anything.
    """
    source = SecretCredentials(secrets, ref)

    def tenant(used: CredentialsSource, worked: Callable[[Session], None]) -> Tenant:
        sessions = open_sessions(used, worked)
        return Tenant(str(ref), sessions, partial(sessions.defaults, settings), source.withdrawn, kept)

    @cache
    def tenant_of_copy(copy: Credentials) -> Tenant:
        # That a copy works for some is no reason for others to go back to it.
        return tenant(KeptCredentials(copy), lambda _session: None)

    def kept(location: Location) -> Tenant | None:
        copy = source.kept(location)
        return None if copy is None else tenant_of_copy(copy)

    return tenant(source, lambda session: source.worked(session.credentials, session.identity.location))
