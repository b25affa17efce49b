"""Which of the operator's own credentials are used: the directory's, or what the environment names."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from imagecache_operator.cloud.credentials import (
    AccessKey,
    Credentials,
    CredentialsError,
    CredentialsSource,
    OidcAgency,
    PodIdentity,
    Secret,
    UserPassword,
)
from imagecache_operator.cloud.credentials_directory import DirectoryCredentials

DIRECTORY_WAYS = frozenset({"auto", "aksk", "token"})
"""What a directory may hold the credentials for; whoever asks for temporary keys by name does not mean it."""

NONE_SET = (
    "No credentials are set: set IMAGECACHE_CREDENTIALS_DIR, or HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or "
    "IMAGECACHE_USERNAME, IMAGECACHE_PASSWORD and IMAGECACHE_DOMAIN_NAME, or HUAWEICLOUD_OIDC_PROVIDER_URN, "
    "HUAWEICLOUD_OIDC_AGENCY_URN and HUAWEICLOUD_OIDC_TOKEN_FILE; or bind an agency to the operator's service account "
    "(CCE pod identity)."
)


class CredentialSettings(Protocol):
    """What of the settings matters here."""

    @property
    def auth(self) -> str:
        """`auto`, or one way."""
        ...

    @property
    def credentials_dir(self) -> Path | None:
        """A mounted Secret."""
        ...

    @property
    def access_key(self) -> SecretStr | None:
        """The access key id."""
        ...

    @property
    def secret_key(self) -> SecretStr | None:
        """Its secret."""
        ...

    @property
    def security_token(self) -> SecretStr | None:
        """For temporary access keys."""
        ...

    @property
    def username(self) -> str | None:
        """The IAM user."""
        ...

    @property
    def password(self) -> SecretStr | None:
        """Its password."""
        ...

    @property
    def domain_name(self) -> str | None:
        """Its account."""
        ...

    @property
    def oidc_provider_urn(self) -> str | None:
        """The identity provider that a trust agency trusts."""
        ...

    @property
    def oidc_agency_urn(self) -> str | None:
        """The trust agency."""
        ...

    @property
    def oidc_token_file(self) -> Path | None:
        """The token for it."""
        ...

    @property
    def oidc_session_name(self) -> str:
        """What audit logs call its sessions."""
        ...

    @property
    def oidc_duration(self) -> int:
        """Seconds that its keys live."""
        ...

    @property
    def oidc_policy(self) -> str | None:
        """What narrows its keys."""
        ...

    @property
    def oidc_policy_ids(self) -> tuple[str, ...]:
        """The same, by name."""
        ...

    @property
    def pod_identity_uri(self) -> str | None:
        """Where pod identity gives keys."""
        ...

    @property
    def pod_identity_token_file(self) -> Path | None:
        """The token for it."""
        ...


def source_from(settings: CredentialSettings) -> CredentialsSource:
    """The source that the settings name; `auto`: directory, access key, user, agency, pod identity, in this order."""
    if settings.credentials_dir is not None and settings.auth in DIRECTORY_WAYS:
        return DirectoryCredentials(settings.credentials_dir, auth=settings.auth)
    return EnvironmentCredentials(settings)


class EnvironmentCredentials:
    """What the process was started with; it never changes."""

    def __init__(self, settings: CredentialSettings) -> None:
        self._credentials = _from_settings(settings)

    def current(self) -> Credentials:
        """See `CredentialsSource`."""
        if self._credentials is None:
            raise CredentialsError(NONE_SET)
        return self._credentials


def _from_settings(settings: CredentialSettings) -> Credentials | None:
    ways = {
        "aksk": _access_key,
        "token": _user,
        "oidc": _agency,
        "pod-identity": _pod_identity,
    }
    found = (look(settings) for way, look in ways.items() if settings.auth in {"auto", way})
    secret = next((secret for secret in found if secret is not None), None)
    return Credentials(secret) if secret is not None else None


def _access_key(settings: CredentialSettings) -> Secret | None:
    if settings.access_key is None or settings.secret_key is None:
        return None
    return AccessKey(settings.access_key.get_secret_value(), settings.secret_key, settings.security_token)


def _user(settings: CredentialSettings) -> Secret | None:
    if not settings.username or settings.password is None or not settings.domain_name:
        return None
    return UserPassword(settings.username, settings.password, settings.domain_name)


def _agency(settings: CredentialSettings) -> Secret | None:
    if not settings.oidc_provider_urn or not settings.oidc_agency_urn or settings.oidc_token_file is None:
        return None
    return OidcAgency(
        settings.oidc_provider_urn,
        settings.oidc_agency_urn,
        settings.oidc_token_file,
        settings.oidc_session_name,
        settings.oidc_duration,
        settings.oidc_policy,
        settings.oidc_policy_ids,
    )


def _pod_identity(settings: CredentialSettings) -> Secret | None:
    if settings.pod_identity_uri is None or settings.pod_identity_token_file is None:
        return None
    return PodIdentity(settings.pod_identity_uri, settings.pod_identity_token_file)
