"""Credentials as values. Secrets are wrapped, so that no repr, log or error shows them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, TypeAlias, assert_never

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


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """CCE pod identity: an endpoint gives temporary keys for the token of the pod's service account."""

    uri: str
    token_file: Path

    uri_setting: ClassVar[str] = "HC_CONTAINER_CREDENTIALS_FULL_URI"
    token_file_setting: ClassVar[str] = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 (a name)


@dataclass(frozen=True, slots=True)
class OidcAgency:
    """A trust agency: STS gives temporary keys for a token of the cluster, which IAM knows as identity provider."""

    provider_urn: str
    agency_urn: str
    token_file: Path
    session_name: str
    duration: int
    policy: str | None = None
    policy_ids: tuple[str, ...] = ()

    token_file_setting: ClassVar[str] = "HUAWEICLOUD_OIDC_TOKEN_FILE"  # noqa: S105 (a name)


Secret: TypeAlias = AccessKey | UserPassword | PodIdentity | OidcAgency
"""What proves who asks; the last two are where temporary keys come from, and stay the same while those change."""


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
        """A short id that stays the same while the key or the user does, and from which neither can be told.

        For temporary keys it says where they come from; whose they are is told with the keys.
        """
        match self.secret:
            case AccessKey(access_key=access_key):
                return f"ak-{_digest(access_key)}"
            case UserPassword(username=username, domain_name=domain_name):
                return f"user-{_digest(chr(0).join((domain_name, username)))}"
            case PodIdentity(uri=uri):
                return f"pod-identity-{_digest(uri)}"
            case OidcAgency(agency_urn=agency_urn):
                return agency_urn
            case _:
                assert_never(self.secret)

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
            case PodIdentity():
                return "the agency that CCE pod identity binds to the operator's service account"
            case OidcAgency(agency_urn=agency_urn):
                return f"the agency {agency_urn}"
            case _:
                assert_never(self.secret)


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
