"""Which of the operator's own credentials are used: the directory's, an access key or a user of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from imagecache_operator.cloud.credentials import (
    AccessKey,
    Credentials,
    CredentialsError,
    CredentialsSource,
    UserPassword,
)
from imagecache_operator.cloud.credentials_directory import DirectoryCredentials

NONE_SET = (
    "No credentials are set: set IMAGECACHE_CREDENTIALS_DIR, or HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or "
    "IMAGECACHE_USERNAME, IMAGECACHE_PASSWORD and IMAGECACHE_DOMAIN_NAME."
)


class CredentialSettings(Protocol):
    """What of the settings matters here."""

    @property
    def auth(self) -> str:
        """`auto`, `aksk` or `token`."""
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


def source_from(settings: CredentialSettings) -> CredentialsSource:
    """The source that the settings name; `auto`: directory, access key, user, in this order."""
    if settings.credentials_dir is not None:
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
    if settings.auth != "token" and settings.access_key is not None and settings.secret_key is not None:
        access_key = settings.access_key.get_secret_value()
        return Credentials(AccessKey(access_key, settings.secret_key, settings.security_token))
    if settings.auth != "aksk" and settings.username and settings.password is not None and settings.domain_name:
        return Credentials(UserPassword(settings.username, settings.password, settings.domain_name))
    return None
