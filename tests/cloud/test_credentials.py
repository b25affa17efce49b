"""Credentials as values: from settings, from keys; what makes two of them equal; and that nothing shows a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.cloud.kit import KEY, USER

from imagecache_operator.cloud.credentials import (
    AccessKey,
    Credentials,
    CredentialsError,
    OidcAgency,
    PodIdentity,
    UserPassword,
)
from imagecache_operator.cloud.credentials_directory import DirectoryCredentials
from imagecache_operator.cloud.credentials_keys import (
    check_access_key,
    check_cluster_id,
    check_name,
    check_password,
    check_project_id,
    check_secret_key,
    check_security_token,
    credentials_from,
)
from imagecache_operator.cloud.credentials_source import EnvironmentCredentials, source_from

AK, SK, TOKEN, PASSWORD = "AKPLAIN00001", "SKSECRET-SK/+=", "STOKENSECRET/+==", "pass word, secret"
KEY_TEXTS = {"accessKey": AK, "secretKey": SK}
USER_TEXTS = {"username": "ann", "password": PASSWORD, "domainName": "corp"}
WHERE = "the Secret team/cloud"


@dataclass
class Given:
    """Settings, as far as they matter here."""

    auth: str = "auto"
    credentials_dir: Path | None = None
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    security_token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    domain_name: str | None = None
    oidc_provider_urn: str | None = None
    oidc_agency_urn: str | None = None
    oidc_token_file: Path | None = None
    oidc_session_name: str = "a-session"
    oidc_duration: int = 3600
    oidc_policy: str | None = None
    oidc_policy_ids: tuple[str, ...] = ()
    pod_identity_uri: str | None = None
    pod_identity_token_file: Path | None = None


BOTH = Given(
    access_key=SecretStr(AK),
    secret_key=SecretStr(SK),
    username="ann",
    password=SecretStr(PASSWORD),
    domain_name="corp",
)

EVERY = replace(
    BOTH,
    oidc_provider_urn="iam::1:oidc-provider:p",
    oidc_agency_urn="iam::1:agency:a",
    oidc_token_file=Path("/oidc/token"),
    pod_identity_uri="http://169.254.1.1/v1/credentials",
    pod_identity_token_file=Path("/pod/token"),
)
AGENCY = OidcAgency("iam::1:oidc-provider:p", "iam::1:agency:a", Path("/oidc/token"), "a-session", 3600)
POD = PodIdentity("http://169.254.1.1/v1/credentials", Path("/pod/token"))


# --- from settings


@pytest.mark.parametrize(
    ("settings", "secret"),
    [
        pytest.param(BOTH, AccessKey(AK, SecretStr(SK)), id="both: the access key"),
        pytest.param(replace(BOTH, auth="token"), UserPassword("ann", SecretStr(PASSWORD), "corp"), id="token asked"),
        pytest.param(replace(BOTH, auth="aksk"), AccessKey(AK, SecretStr(SK)), id="access key asked"),
        pytest.param(
            replace(BOTH, security_token=SecretStr(TOKEN)),
            AccessKey(AK, SecretStr(SK), SecretStr(TOKEN)),
            id="a temporary key",
        ),
        pytest.param(
            replace(BOTH, secret_key=None), UserPassword("ann", SecretStr(PASSWORD), "corp"), id="half a key: the user"
        ),
        pytest.param(EVERY, AccessKey(AK, SecretStr(SK)), id="all ways: the access key"),
        pytest.param(replace(EVERY, secret_key=None, password=None), AGENCY, id="neither key nor user: the agency"),
        pytest.param(
            replace(EVERY, secret_key=None, password=None, oidc_token_file=None), POD, id="half of all else: the pod's"
        ),
        pytest.param(replace(EVERY, auth="oidc"), AGENCY, id="the agency asked"),
        pytest.param(replace(EVERY, auth="pod-identity"), POD, id="pod identity asked"),
    ],
)
def test_credentials_of_the_environment(settings: Given, secret: object) -> None:
    """The settings' credentials, the access key first unless the other kind is asked for; they never change."""
    source = source_from(settings)
    assert isinstance(source, EnvironmentCredentials)
    assert source.current().secret == secret
    assert source.current() is source.current()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(Given(), id="nothing"),
        pytest.param(Given(auth="token", access_key=SecretStr(AK), secret_key=SecretStr(SK)), id="a key, token asked"),
        pytest.param(replace(BOTH, auth="aksk", access_key=None), id="a user, access key asked"),
        pytest.param(replace(BOTH, auth="oidc"), id="key and user, agency asked"),
        pytest.param(replace(EVERY, auth="pod-identity", pod_identity_uri=None), id="half of pod identity, asked"),
        pytest.param(replace(BOTH, access_key=None, password=None), id="half of each"),
    ],
)
def test_no_credentials_in_the_environment(settings: Given) -> None:
    """The sentence names every way to set them."""
    with pytest.raises(CredentialsError, match="No credentials are set: set IMAGECACHE_CREDENTIALS_DIR, or HUAWEI"):
        EnvironmentCredentials(settings).current()


def test_the_directory_goes_before_all_else(tmp_path: Path) -> None:
    """A credentials directory wins over keys and users of the environment, even while it is empty."""
    assert isinstance(source_from(replace(EVERY, credentials_dir=tmp_path)), DirectoryCredentials)


@pytest.mark.parametrize(("auth", "secret"), [("oidc", AGENCY), ("pod-identity", POD)])
def test_temporary_keys_by_name_go_before_the_directory(tmp_path: Path, auth: str, secret: object) -> None:
    """The base of the deployment always sets a directory; asking for another way must suffice."""
    assert source_from(replace(EVERY, credentials_dir=tmp_path, auth=auth)).current().secret == secret


# --- from the keys of a Secret


def test_all_keys_are_taken() -> None:
    """Every key of the interface is read, line ends are dropped, unknown and empty keys do not matter."""
    places = {
        "projectID": "0123456789abcdef0123456789abcdef\n",
        "region": "cn-north-4",
        "clusterID": "c271e39f-1a6e-4d3d-8fa8-2a36329c68d2",
        "cceEndpoint": "HTTPS://cce.Example.com/",
        "iamEndpoint": "iam.example.com\r\n",
    }
    found = credentials_from(
        {"accessKey": f"{AK}\n", "secretKey": f" {SK} \r\n", "securityToken": "\n", "other": "\x00"} | places,
        where=WHERE,
    )
    assert found == Credentials(
        AccessKey(AK, SecretStr(SK)),
        project_id="0123456789abcdef0123456789abcdef",
        region="cn-north-4",
        cluster_id="c271e39f-1a6e-4d3d-8fa8-2a36329c68d2",
        cce_endpoint="https://cce.example.com",
        iam_endpoint="https://iam.example.com",
    )


def test_blanks_belong_to_a_password() -> None:
    """Only line ends are cut from a password; names are trimmed."""
    found = credentials_from(USER_TEXTS | {"password": "  two words \n", "username": " ann "}, where=WHERE)
    assert found.secret == UserPassword("ann", SecretStr("  two words "), "corp")


@pytest.mark.parametrize(
    ("texts", "auth", "kind"),
    [
        pytest.param(KEY_TEXTS | USER_TEXTS, "auto", AccessKey, id="both: the key"),
        pytest.param(KEY_TEXTS | USER_TEXTS, "token", UserPassword, id="both, token asked"),
        pytest.param(KEY_TEXTS | USER_TEXTS, "aksk", AccessKey, id="both, access key asked"),
        pytest.param(USER_TEXTS, "auto", UserPassword, id="a user"),
    ],
)
def test_which_kind_is_taken(texts: dict[str, str], auth: str, kind: type) -> None:
    """The kind that is asked for, else the access key first."""
    assert isinstance(credentials_from(texts, where=WHERE, auth=auth).secret, kind)


@pytest.mark.parametrize(
    ("texts", "auth", "sentence"),
    [
        pytest.param(
            {},
            "auto",
            f"There are no credentials in {WHERE}: it needs the keys accessKey and secretKey, or username, password "
            "and domainName.",
            id="nothing",
        ),
        pytest.param(
            {"accessKey": AK, "secretKey": " \n"},
            "auto",
            f"secretKey missing or empty in {WHERE}: the keys accessKey, secretKey belong together.",
            id="an empty secret key",
        ),
        pytest.param(
            {"securityToken": TOKEN},
            "auto",
            f"accessKey and secretKey missing or empty in {WHERE}: the keys accessKey, secretKey belong together.",
            id="a security token alone",
        ),
        pytest.param(
            {"username": "ann"},
            "auto",
            f"password and domainName missing or empty in {WHERE}: the keys username, password, domainName belong "
            "together.",
            id="a user without a password",
        ),
        pytest.param(
            KEY_TEXTS,
            "token",
            f"username and password and domainName missing or empty in {WHERE}: the keys username, password, "
            "domainName belong together.",
            id="a key, token asked",
        ),
        pytest.param(
            USER_TEXTS | {"accessKey": AK},
            "auto",
            f"secretKey missing or empty in {WHERE}: the keys accessKey, secretKey belong together.",
            id="half a key is not passed over for a whole user",
        ),
        pytest.param(
            KEY_TEXTS | {"region": "evil.example/x?"},
            "auto",
            f"region in {WHERE} must be a region such as cn-north-4: lower-case letters, digits and hyphens, at most "
            "63.",
            id="a bad region",
        ),
        pytest.param(
            KEY_TEXTS | {"projectID": "0123456789ABCDEF0123456789ABCDEF"},
            "auto",
            f"projectID in {WHERE} must be a project id: 32 hexadecimal digits, lower-case.",
            id="a bad project",
        ),
        pytest.param(
            KEY_TEXTS | {"cceEndpoint": "https://cce.{region}"},
            "auto",
            f"cceEndpoint in {WHERE} must have a fixed domain of at least two labels behind {{region}}, such as "
            ".example.com: whoever writes a region would choose the domain.",
            id="an endpoint that gives the host away",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(texts: dict[str, str], auth: str, sentence: str) -> None:
    """Which keys, where, and what they must be."""
    with pytest.raises(CredentialsError) as caught:
        credentials_from(texts, where=WHERE, auth=auth)
    assert str(caught.value) == sentence


GARBAGE = ["two words", "comma,comma", "line\nline", "nul\x00", "\u00e4\u00f6", "\ufeffAK", "x" * 40_000]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda text: repr(text)[:12])
@pytest.mark.parametrize("check", [check_access_key, check_secret_key])
def test_what_cannot_travel_in_a_header_is_no_key(check: Callable[[str], str], garbage: str) -> None:
    """Blanks, commas, line ends, letters outside of ASCII and endless texts are refused, unquoted."""
    with pytest.raises(ValueError, match=r"^must be a") as caught:
        check(garbage)
    assert garbage not in str(caught.value)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (check_security_token, TOKEN * 500, "two words"),
        (check_security_token, "x" * 32768, "x" * 32769),
        (check_name, "Ann Müller", "tab\tbed"),
        (check_name, "x" * 256, "x" * 257),
        (check_password, "p" * 1024, "p" * 1025),
        (check_password, " ", "line\nline"),
        (check_project_id, "0" * 32, "0" * 31),
        (check_cluster_id, "c-1", "../etc"),
    ],
)
def test_the_forms_of_the_other_keys(check: Callable[[str], str], good: str, bad: str) -> None:
    """Each key has a form and a longest text."""
    assert check(good) == good
    with pytest.raises(ValueError, match=r"^must be "):
        check(bad)


def test_two_credentials_are_equal_only_in_every_part() -> None:
    """A new secret, token, project or endpoint is a change, though the access key is the same."""
    mine = Credentials(KEY)
    assert mine == Credentials(AccessKey(KEY.access_key, SecretStr(KEY.secret_key.get_secret_value())))
    others = [
        Credentials(replace(KEY, secret_key=SecretStr("other"))),
        Credentials(replace(KEY, security_token=SecretStr("other"))),
        replace(mine, project_id="p"),
        replace(mine, iam_endpoint="https://iam.example.com"),
        Credentials(USER),
    ]
    assert mine not in others
    assert len({mine, *others}) == len(others) + 1


def test_a_fingerprint_names_the_key_and_gives_nothing_away() -> None:
    """The same key or user has the same fingerprint whatever its secret; another has another; it shows neither."""
    rotated = Credentials(replace(KEY, secret_key=SecretStr("new")))
    prints = [Credentials(secret).fingerprint for secret in (KEY, AccessKey("AKOTHER", KEY.secret_key), USER)]
    assert rotated.fingerprint == prints[0] == rotated.key_id
    assert len(set(prints)) == 3
    assert KEY.access_key not in prints[0]
    assert USER.username not in prints[2]
    split = [Credentials(UserPassword(name, USER.password, of)).fingerprint for name, of in (("b", "a"), ("", "ab"))]
    assert split[0] != split[1]


def test_how_they_are_named_to_a_person() -> None:
    """A key by its fingerprint, a user by name and account."""
    assert Credentials(KEY).who == f"the access key with the fingerprint {Credentials(KEY).fingerprint}"
    assert Credentials(USER).who == "the user example-user of example-domain"


@pytest.mark.parametrize("texts", [KEY_TEXTS | {"securityToken": TOKEN}, USER_TEXTS])
def test_nothing_shows_a_secret(texts: dict[str, str]) -> None:
    """Neither repr nor str nor format of credentials nor the sentence of any error shows a secret."""
    found = credentials_from(texts, where=WHERE)
    shown = [repr(found), str(found), f"{found.secret}", found.who, found.fingerprint]
    for key, text in texts.items():
        with pytest.raises(CredentialsError) as caught:
            credentials_from(texts | {key: text + "\x00"}, where=WHERE)
        shown += [str(caught.value), repr(caught.value), repr(caught.value.__context__), repr(caught.value.__cause__)]
    for secret in (SK, TOKEN, PASSWORD, AK):
        assert all(secret not in text for text in shown)
