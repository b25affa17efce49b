"""Credentials as values, and where they come from. Secrets are wrapped, so that no repr, log or error shows them."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from pydantic import SecretStr

from imagecache_operator.cloud.endpoints import check_endpoint, check_region
from imagecache_operator.spec import PROJECT_PATTERN

KEY_BYTES_MAX = 64 * 1024
"""Bytes of one file of a credentials directory; security tokens have several KiB."""

READ_ATTEMPTS = 5
"""How often a directory that changes while it is read is read again before giving up for now."""

_HEADER_WORD = re.compile(r"[!-+\--~]{1,256}")
_HEADER_LINE = re.compile(r"[!-~]{1,32768}")


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


def check_access_key(text: str) -> str:
    """An access key id, which travels in a header; raises ValueError."""
    return _check(text.strip(), _HEADER_WORD, "must be an access key id: printable characters, no blank, no comma")


def check_secret_key(text: str) -> str:
    """A secret access key; raises ValueError."""
    return _check(text.strip(), _HEADER_WORD, "must be a secret access key: printable characters, no blank, no comma")


def check_security_token(text: str) -> str:
    """A security token, which travels in a header; raises ValueError."""
    return _check(text.strip(), _HEADER_LINE, "must be a security token: printable characters, no blank")


def check_name(text: str) -> str:
    """The name of a user or an account; raises ValueError."""
    return _check(text.strip(), re.compile(r"[^\x00-\x1f\x7f]{1,256}"), "must be a name of 1 to 256 characters")


def check_password(text: str) -> str:
    """A password; blanks may belong to it, line ends do not. Raises ValueError."""
    return _check(text.rstrip("\r\n"), re.compile(r"[^\x00-\x1f\x7f]{1,1024}"), "must be a password in one line")


def check_project_id(text: str) -> str:
    """A project id; raises ValueError."""
    return _check(text.strip(), re.compile(PROJECT_PATTERN), "must be a project id: 32 hexadecimal digits, lower-case")


def check_cluster_id(text: str) -> str:
    """The uid of a cluster; raises ValueError."""
    return _check(
        text.strip(), re.compile(r"[0-9A-Za-z-]{1,64}"), "must be the uid of a cluster: at most 64 letters, digits, -"
    )


def _check(text: str, pattern: re.Pattern[str], sentence: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(sentence)
    return text


class CredentialsSource(Protocol):
    """Where credentials come from."""

    def current(self) -> Credentials:
        """The credentials as they are now; cheap enough for every request.

        Raises:
            CredentialsError: there are none, or they cannot be used.
        """
        ...


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
            raise CredentialsError(
                "No credentials are set: set IMAGECACHE_CREDENTIALS_DIR, or HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, "
                "or IMAGECACHE_USERNAME, IMAGECACHE_PASSWORD and IMAGECACHE_DOMAIN_NAME."
            )
        return self._credentials


def _from_settings(settings: CredentialSettings) -> Credentials | None:
    if settings.auth != "token" and settings.access_key is not None and settings.secret_key is not None:
        access_key = settings.access_key.get_secret_value()
        return Credentials(AccessKey(access_key, settings.secret_key, settings.security_token))
    if settings.auth != "aksk" and settings.username and settings.password is not None and settings.domain_name:
        return Credentials(UserPassword(settings.username, settings.password, settings.domain_name))
    return None


_CHECKS: Mapping[str, Callable[[str], str]] = {
    "accessKey": check_access_key,
    "secretKey": check_secret_key,
    "securityToken": check_security_token,
    "username": check_name,
    "password": check_password,
    "domainName": check_name,
    "projectID": check_project_id,
    "region": check_region,
    "clusterID": check_cluster_id,
    "cceEndpoint": check_endpoint,
    "iamEndpoint": check_endpoint,
}
"""The keys of a credentials Secret or directory (interface: fixed), and what each must be."""

_KEY_PAIR = ("accessKey", "secretKey")
_USER = ("username", "password", "domainName")


def credentials_from(texts: Mapping[str, str], *, where: str, auth: str = "auto") -> Credentials:
    """Credentials out of the keys of a Secret or directory; unknown keys are ignored, empty ones count as absent.

    Args:
        texts: what stands under each key.
        where: how to name the Secret or directory in a sentence.
        auth: `aksk` or `token` asks for one kind; `auto` takes the access key when both are there.

    Raises:
        CredentialsError: keys are missing or unusable.
    """
    values: dict[str, str] = {}
    for key, check in _CHECKS.items():
        text = texts.get(key, "").rstrip("\r\n")
        if not text.strip():
            continue
        try:
            values[key] = check(text)
        except ValueError as error:
            raise CredentialsError(f"{key} in {where} {error}.") from None
    return Credentials(
        _secret(values, where, auth),
        project_id=values.get("projectID"),
        region=values.get("region"),
        cluster_id=values.get("clusterID"),
        cce_endpoint=values.get("cceEndpoint"),
        iam_endpoint=values.get("iamEndpoint"),
    )


def _secret(values: Mapping[str, str], where: str, auth: str) -> Secret:
    has_key = not {*_KEY_PAIR, "securityToken"}.isdisjoint(values)
    if auth == "aksk" or (auth != "token" and has_key):
        _require(values, _KEY_PAIR, where)
        token = values.get("securityToken")
        return AccessKey(values["accessKey"], SecretStr(values["secretKey"]), SecretStr(token) if token else None)
    if auth == "token" or not set(_USER).isdisjoint(values):
        _require(values, _USER, where)
        return UserPassword(values["username"], SecretStr(values["password"]), values["domainName"])
    raise CredentialsError(
        f"There are no credentials in {where}: it needs the keys accessKey and secretKey, or username, password and "
        "domainName."
    )


def _require(values: Mapping[str, str], keys: tuple[str, ...], where: str) -> None:
    missing = [key for key in keys if key not in values]
    if missing:
        raise CredentialsError(
            f"{' and '.join(missing)} missing or empty in {where}: the keys {', '.join(keys)} belong together."
        )


Stamp: TypeAlias = tuple[object, ...]


class DirectoryCredentials:
    """A mounted Secret, one file per key, read again when it changes.

    The kubelet swaps the link `..data` to a new directory, so all files are read through one target of it, and what
    was read counts only when nothing changed meanwhile.

    Args:
        path: the directory; it need not be there yet.
        auth: see `credentials_from`.
    """

    def __init__(self, path: Path, *, auth: str = "auto") -> None:
        self._path = path
        self._auth = auth
        self._where = f"the credentials directory {path}"
        self._stamp: Stamp | None = None
        self._outcome: Credentials | str = ""

    def current(self) -> Credentials:
        """See `CredentialsSource`."""
        for _ in range(READ_ATTEMPTS):
            base = self._base()
            before = self._look(base)
            if before != self._stamp:
                outcome = self._read(base)
                if before != self._look(self._base()):
                    continue
                self._stamp, self._outcome = before, outcome
            if isinstance(self._outcome, str):
                raise CredentialsError(self._outcome)
            return self._outcome
        raise CredentialsError(f"What is in {self._where} changes faster than it can be read; it is read again later.")

    def _base(self) -> Path:
        try:
            return self._path / (self._path / "..data").readlink()
        except OSError:
            return self._path

    @staticmethod
    def _look(base: Path) -> Stamp:
        """What differs after any change of the files."""
        stamps: list[object] = [str(base)]
        for name in (".", *_CHECKS):
            try:
                found = (base / name).stat()
            except OSError as error:
                stamps.append(error.errno)
            else:
                stamps.append((found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size))
        return tuple(stamps)

    def _read(self, base: Path) -> Credentials | str:
        """The credentials, or the sentence that says why there are none."""
        if not base.is_dir():
            return f"There is no {self._where.removeprefix('the ')}: mount the Secret with the credentials there."
        texts: dict[str, str] = {}
        for key in _CHECKS:
            try:
                texts[key] = _read_file(base / key)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8 of at most 64 KiB"
                return f"{key} in {self._where} cannot be read ({reason}): check its mode, owner and content."
        try:
            return credentials_from(texts, where=self._where, auth=self._auth)
        except CredentialsError as error:
            return str(error)


def _read_file(path: Path) -> str:
    # O_NONBLOCK: a pipe in this place must not hold up the program.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(KEY_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > KEY_BYTES_MAX:
        raise ValueError
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError from None  # its own text would show what was read
