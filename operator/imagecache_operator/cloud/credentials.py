"""Credentials as values. Secrets are wrapped, so that no repr, log or error shows them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from pydantic import SecretStr


class CredentialsError(Exception):
    """There are no usable credentials; the sentence says where, which key, and the repair, never a value."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key (AK/SK); with a security token it is a temporary one."""

    access_key: str = field(repr=False)
    secret_key: SecretStr
    security_token: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class UserPassword:
    """An IAM user; `domain_name` is the name of the account that it belongs to."""

    username: str
    password: SecretStr
    domain_name: str


Secret: TypeAlias = AccessKey | UserPassword


@dataclass(frozen=True, slots=True)
class Credentials:
    """A secret and what came with it; two are equal only when every part is.

    None: the place where the secret was found does not say; the settings hold then.
    """

    secret: Secret
    project_id: str | None = None
    region: str | None = None
    cluster_id: str | None = None
    cce_endpoint: str | None = None
    iam_endpoint: str | None = None

    @property
    def fingerprint(self) -> str:
        """A short id that stays the same while the key or the user does, and from which neither can be told."""
        match self.secret:
            case AccessKey(access_key=access_key):
                return f"ak-{_digest(access_key)}"
            case UserPassword(username=username, domain_name=domain_name):
                return f"user-{_digest(chr(0).join((domain_name, username)))}"

    @property
    def key_id(self) -> str:
        """What the cloud locks after too many failures: the access key or the user."""
        return self.fingerprint

    @property
    def who(self) -> str:
        """How to name them to a person."""
        match self.secret:
            case AccessKey():
                return f"the access key with the fingerprint {self.fingerprint}"
            case UserPassword(username=username, domain_name=domain_name):
                return f"the user {username} of {domain_name}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class CredentialsSource(Protocol):
    """Where credentials come from."""

    def current(self) -> Credentials:
        """The credentials as they are now; cheap enough for every request.

        Raises:
            CredentialsError: there are none, or they cannot be used.
        """
        ...
