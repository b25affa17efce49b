"""The keys of credentials: the form that each must have, which of them belong together, and credentials out of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import SecretStr

from imagecache_operator.cloud.credentials import AccessKey, Credentials, CredentialsError, Secret, UserPassword
from imagecache_operator.cloud.endpoints import check_region
from imagecache_operator.cloud.hosts import check_endpoint
from imagecache_operator.spec import PROJECT_PATTERN

_HEADER_WORD = re.compile(r"[!-+\--~]{1,256}")
_SESSION_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
_URN = re.compile(r"[!-~]{1,256}")
_HEADER_LINE = re.compile(r"[!-~]{1,32768}")


def check_access_key(text: str) -> str:
    """An access key id, which travels in a header; raises ValueError."""
    return _check(text.strip(), _HEADER_WORD, "must be an access key id: printable characters, no blank, no comma")


def check_secret_key(text: str) -> str:
    """A secret access key; raises ValueError."""
    return _check(text.strip(), _HEADER_WORD, "must be a secret access key: printable characters, no blank, no comma")


def check_security_token(text: str) -> str:
    """A security token, which travels in a header; raises ValueError."""
    return _check(text.strip(), _HEADER_LINE, "must be a security token: printable characters, no blank")


def check_token(text: str) -> str:
    """A token of a service account, which travels in a header or a body; raises ValueError."""
    return _check(text.strip(), _HEADER_LINE, "it must be one token: printable characters, no blank")


def check_urn(text: str) -> str:
    """The URN of an agency or an identity provider; raises ValueError."""
    return _check(text.strip(), _URN, "must be a URN, such as iam::<account id>:agency:<name>")


def check_session_name(text: str) -> str:
    """The name of an agency session, which audit logs show; raises ValueError."""
    return _check(text.strip(), _SESSION_NAME, "must be a name of 2 to 64 letters, digits and _+=,.@-")


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


CHECKS: Mapping[str, Callable[[str], str]] = {
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
    for key, check in CHECKS.items():
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
