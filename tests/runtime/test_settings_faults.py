"""Wrong settings: one sentence per fault, all faults at once, and never a secret in them."""

from __future__ import annotations

import pytest
from tests.runtime.test_settings import KEY, OURS

from imagecache_operator.settings_loading import SettingsError, load_settings

REGION = "must be a region such as cn-north-4: lower-case letters, digits and hyphens, at most 63"
PROJECT = "must be a project id: 32 hexadecimal digits, lower-case"
URL = (
    "must be a URL such as https://cce.{region}.myhuaweicloud.com: https, a host, at most a port and a simple path; "
    "without user, query and fragment, and with no braces but {region}"
)
SUFFIX = (
    "must have a fixed domain of at least two labels behind {region}, such as .example.com: whoever writes a region "
    "would choose the domain"
)
FLAG = "must be true or false"
SECONDS = "must be a number of seconds, 0.1 at least, such as 30 or 0.5"
COUNT = "must be a whole number, 0 for no limit"
NAMESPACES = "must be * or a comma list of namespaces"
ADDRESS = "must be host:port, :port, or off"
URN = "must be a URN, such as iam::<account id>:agency:<name>"
DURATION = "must be a whole number of seconds from 900 to 43200"
PATH = "must be an absolute path"
LOCAL = (
    "must be https, or http to this machine or to a link-local address (169.254.0.0/16, fe80::/10): the token would go "
    "over the network for everybody to read"
)
OIDC = "HUAWEICLOUD_OIDC_PROVIDER_URN, HUAWEICLOUD_OIDC_AGENCY_URN, HUAWEICLOUD_OIDC_TOKEN_FILE"
POD = "HC_CONTAINER_CREDENTIALS_FULL_URI, HC_CONTAINER_AUTHORIZATION_TOKEN_FILE"
HOSTS = "must be a comma list of hosts such as cce.example.com or *.example.com, without scheme, port and path"
NAME = "must be a name of 1 to 256 characters"
USER = "IMAGECACHE_USERNAME, IMAGECACHE_PASSWORD, IMAGECACHE_DOMAIN_NAME"
NONE_SET = (
    "No credentials are set: set IMAGECACHE_CREDENTIALS_DIR, or HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or "
    "IMAGECACHE_USERNAME, IMAGECACHE_PASSWORD and IMAGECACHE_DOMAIN_NAME, or HUAWEICLOUD_OIDC_PROVIDER_URN, "
    "HUAWEICLOUD_OIDC_AGENCY_URN and HUAWEICLOUD_OIDC_TOKEN_FILE; or bind an agency to the operator's service account "
    "(CCE pod identity)."
)


def faults(environ: dict[str, str], flags: dict[str, str] | None = None) -> list[str]:
    """The sentences."""
    with pytest.raises(SettingsError) as caught:
        load_settings(flags or {}, environ)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


NO_PLAIN_NUMBERS = ["1_0", "1e3", "nan", "inf", "-inf", "+5", "0x10", "\u0663", "1 0", "1,5", "5.", ".5", "1" * 10]
"""Most of them are numbers to Python."""

REFUSED = [
    ("IMAGECACHE_REGION", "CN North", REGION),
    ("IMAGECACHE_REGION", "x" * 64, REGION),
    ("IMAGECACHE_REGION", "evil.example.com/", REGION),
    ("IMAGECACHE_PROJECT_ID", "0123", PROJECT),
    ("IMAGECACHE_PROJECT_ID", "F" * 32, PROJECT),
    ("HUAWEICLOUD_SDK_PROJECT_ID", "../../etc", PROJECT),
    ("IMAGECACHE_CCE_ENDPOINT", "ftp://cce.example.com", URL),
    ("IMAGECACHE_CCE_ENDPOINT", "https://user:pass@cce.example.com", URL),
    ("IMAGECACHE_CCE_ENDPOINT", "https://cce.{zone}.example.com", URL),
    ("IMAGECACHE_CCE_ENDPOINT", "https://cce.{region}", SUFFIX),
    ("IMAGECACHE_CCE_ENDPOINT", "https://{region}.com", SUFFIX),
    ("IMAGECACHE_IAM_ENDPOINT", "https://iam.{region}.com", SUFFIX),
    ("IMAGECACHE_IAM_ENDPOINT", "https://iam.example.com?x=1", URL),
    ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "https://iam.example.com#x", URL),
    ("IMAGECACHE_STS_ENDPOINT", "https://sts.example.com:99999", "must have a port from 1 to 65535"),
    ("HUAWEICLOUD_SDK_STS_ENDPOINT", "https://-", "must have a host name or an IP address in its usual form"),
    ("IMAGECACHE_ALLOW_HTTP", "perhaps", FLAG),
    ("IMAGECACHE_AUTH", "magic", "must be one of auto, aksk, token, oidc, pod-identity"),
    ("IMAGECACHE_CREDENTIALS_DIR", "secrets", "must be an absolute path"),
    ("HUAWEICLOUD_SDK_AK", "a b", "must be an access key id: printable characters, no blank, no comma"),
    ("HUAWEICLOUD_SDK_SK", "a,b", "must be a secret access key: printable characters, no blank, no comma"),
    ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "a\nb", "must be a security token: printable characters, no blank"),
    ("IMAGECACHE_USERNAME", "x" * 257, NAME),
    ("IMAGECACHE_PASSWORD", "two\nlines", "must be a password in one line"),
    ("IMAGECACHE_DOMAIN_NAME", "a\x00b", NAME),
    ("HUAWEICLOUD_OIDC_PROVIDER_URN", "a b", URN),
    ("HUAWEICLOUD_OIDC_AGENCY_URN", "x" * 257, URN),
    ("HUAWEICLOUD_OIDC_TOKEN_FILE", "token", PATH),
    ("HUAWEICLOUD_OIDC_SESSION_NAME", "x", "must be a name of 2 to 64 letters, digits and _+=,.@-"),
    ("HUAWEICLOUD_OIDC_DURATION_SECONDS", "899", DURATION),
    ("HUAWEICLOUD_OIDC_DURATION_SECONDS", "43201", DURATION),
    ("HUAWEICLOUD_OIDC_DURATION_SECONDS", "1h", DURATION),
    ("HUAWEICLOUD_OIDC_POLICY_IDS", "a,\x00", NAME),
    ("HC_CONTAINER_CREDENTIALS_FULL_URI", "http://credentials.example.com/v1", LOCAL),
    ("HC_CONTAINER_CREDENTIALS_FULL_URI", "169.254.1.1/v1", URL),
    ("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token", PATH),
    ("IMAGECACHE_CLUSTER_ID", "a/b", "must be the uid of a cluster: at most 64 letters, digits, -"),
    ("IMAGECACHE_NAMESPACES", "Team_A", NAMESPACES),
    ("IMAGECACHE_NAMESPACES", ",", NAMESPACES),
    ("IMAGECACHE_NAMESPACES", "a,*", NAMESPACES),
    ("IMAGECACHE_OWN_CREDENTIALS_NAMESPACES", "-a", NAMESPACES),
    ("IMAGECACHE_PULL_SECRET_NAMESPACES", "*", NAMESPACES),
    ("IMAGECACHE_NAMESPACED_CREDENTIALS", "2", FLAG),
    ("IMAGECACHE_ALLOWED_ENDPOINTS", "*", HOSTS),
    ("IMAGECACHE_ALLOWED_ENDPOINTS", "https://cce.example.com", HOSTS),
    ("IMAGECACHE_ACTIVE_INTERVAL", "0", SECONDS),
    ("IMAGECACHE_IDLE_INTERVAL", "0.09", SECONDS),
    ("IMAGECACHE_STALLED_AFTER", "30m", SECONDS),
    ("IMAGECACHE_DELETE_RETRY_AFTER", "-60", SECONDS),
    ("IMAGECACHE_WRITES_PER_MINUTE", "-1", COUNT),
    *(("IMAGECACHE_STALLED_AFTER", text, SECONDS) for text in NO_PLAIN_NUMBERS),
    *(("IMAGECACHE_WRITES_PER_MINUTE", text, COUNT) for text in ("2.5", *NO_PLAIN_NUMBERS)),
    *(("IMAGECACHE_HEALTH_ADDR", f":{text}", ADDRESS) for text in ("2.5", *NO_PLAIN_NUMBERS)),
    ("IMAGECACHE_LEADER_ELECTION", "maybe", FLAG),
    ("IMAGECACHE_METRICS_ADDR", "8080", ADDRESS),
    ("IMAGECACHE_METRICS_ADDR", ":0", ADDRESS),
    ("IMAGECACHE_HEALTH_ADDR", "localhost:65536", ADDRESS),
    ("IMAGECACHE_LOG_FORMAT", "xml", "must be one of json, text"),
    ("IMAGECACHE_LOG_LEVEL", "loud", "must be one of debug, info, warning, error"),
]


@pytest.mark.parametrize(("variable", "text", "reason"), REFUSED)
def test_refused(variable: str, text: str, reason: str) -> None:
    """The variable, and what it must be; nothing of what was set."""
    assert faults(KEY | {"IMAGECACHE_REGION": "eu-west-101"} | {variable: text}) == [f"{variable} {reason}."]


@pytest.mark.parametrize(("variable", "text", "reason"), [row for row in REFUSED if row[0] in OURS])
def test_a_flag_that_is_refused_is_named_as_a_flag(variable: str, text: str, reason: str) -> None:
    """People look for what they wrote."""
    flag = "--" + variable.removeprefix("IMAGECACHE_").lower().replace("_", "-")
    assert faults(KEY, {variable: text}) == [f"{flag} {reason}."]


def test_all_faults_are_told_at_once() -> None:
    """One sentence each, in the order of the settings, flags and variables mixed."""
    environ = KEY | {"IMAGECACHE_REGION": "??", "IMAGECACHE_IDLE_INTERVAL": "soon", "IMAGECACHE_LOG_LEVEL": "loud"}
    environ["HUAWEICLOUD_SDK_REGION_CCE_EU_WEST_101"] = "ftp://x"
    assert faults(environ, {"IMAGECACHE_IDLE_INTERVAL": "later"}) == [
        f"HUAWEICLOUD_SDK_REGION_CCE_EU_WEST_101 {URL}.",
        f"IMAGECACHE_REGION {REGION}.",
        f"--idle-interval {SECONDS}.",
        "IMAGECACHE_LOG_LEVEL must be one of debug, info, warning, error.",
    ]


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        pytest.param({}, NONE_SET, id="no credentials at all"),
        pytest.param(
            {"HUAWEICLOUD_SDK_AK": "ak"},
            "HUAWEICLOUD_SDK_SK must be set, too: HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK belong together.",
            id="half a key",
        ),
        pytest.param(
            {"IMAGECACHE_AUTH": "aksk"},
            "HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK must be set, too: HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK belong "
            "together.",
            id="a key is asked for and there is none",
        ),
        pytest.param(
            {"IMAGECACHE_PASSWORD": "p"},
            f"IMAGECACHE_USERNAME and IMAGECACHE_DOMAIN_NAME must be set, too: {USER} belong together.",
            id="a password alone",
        ),
        pytest.param(
            KEY | {"IMAGECACHE_AUTH": "token"},
            "IMAGECACHE_USERNAME and IMAGECACHE_PASSWORD and IMAGECACHE_DOMAIN_NAME must be set, too: "
            f"{USER} belong together.",
            id="a user is asked for and there is a key",
        ),
        pytest.param(
            {"HUAWEICLOUD_OIDC_AGENCY_URN": "iam::1:agency:a", "HUAWEICLOUD_OIDC_TOKEN_FILE": "/token"},
            f"HUAWEICLOUD_OIDC_PROVIDER_URN must be set, too: {OIDC} belong together.",
            id="an agency without its provider",
        ),
        pytest.param(
            {"HC_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.1.1/v1"},
            f"HC_CONTAINER_AUTHORIZATION_TOKEN_FILE must be set, too: {POD} belong together.",
            id="half of pod identity",
        ),
        pytest.param(
            KEY | {"IMAGECACHE_AUTH": "pod-identity"},
            "HC_CONTAINER_CREDENTIALS_FULL_URI and HC_CONTAINER_AUTHORIZATION_TOKEN_FILE must be set, too: "
            f"{POD} belong together.",
            id="pod identity is asked for and there is a key",
        ),
        pytest.param(
            {"IMAGECACHE_CREDENTIALS_DIR": "/etc/imagecache", "IMAGECACHE_AUTH": "pod-identity"},
            "HC_CONTAINER_CREDENTIALS_FULL_URI and HC_CONTAINER_AUTHORIZATION_TOKEN_FILE must be set, too: "
            f"{POD} belong together.",
            id="a directory does not stand in for pod identity that is asked for",
        ),
        pytest.param(
            KEY | {"IMAGECACHE_CCE_ENDPOINT": "https://cce.example.com"},
            "IMAGECACHE_CCE_ENDPOINT has no {region} in it, so IMAGECACHE_REGION must be set, too.",
            id="an endpoint for one region and no region",
        ),
        pytest.param(
            KEY | {"IMAGECACHE_LEADER_ELECTION": "true"},
            "IMAGECACHE_LEASE_NAMESPACE must be set, too: outside of a pod nothing else says where the Lease of "
            "IMAGECACHE_LEADER_ELECTION is.",
            id="leader election without a place for the Lease",
        ),
    ],
)
def test_contradictions(environ: dict[str, str], sentence: str) -> None:
    """What no variable has wrong alone."""
    assert faults(environ) == [sentence]


@pytest.mark.parametrize(
    ("variable", "template"),
    [
        ("IMAGECACHE_CCE_ENDPOINT", "http://cce.{region}.example.com"),
        ("IMAGECACHE_IAM_ENDPOINT", "http://iam.example.com"),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "http://iam.example.com"),
        ("IMAGECACHE_STS_ENDPOINT", "http://sts.example.com"),
        ("HUAWEICLOUD_SDK_STS_ENDPOINT", "http://sts.example.com"),
        ("HUAWEICLOUD_SDK_REGION_CCE_EU_WEST_101", "http://cce.example.com"),
    ],
)
def test_http_is_for_this_machine_or_when_allowed(variable: str, template: str) -> None:
    """Else it is refused, with the repair, under the name that was set."""
    [sentence] = faults(KEY | {variable: template})
    assert sentence.startswith(f"{variable}: The endpoint http://")
    assert sentence.endswith("use https, or set IMAGECACHE_ALLOW_HTTP=true.")
    load_settings({}, KEY | {variable: template, "IMAGECACHE_ALLOW_HTTP": "true"})
    load_settings({}, KEY | {variable: "http://127.0.0.1:8080", "IMAGECACHE_REGION": "eu-west-101"})


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"IMAGECACHE_CREDENTIALS_DIR": "/etc/imagecache"}, id="the directory may come later"),
        pytest.param(
            {"IMAGECACHE_USERNAME": "u", "IMAGECACHE_PASSWORD": "p", "IMAGECACHE_DOMAIN_NAME": "d"}, id="a user"
        ),
        pytest.param(
            {
                "HUAWEICLOUD_OIDC_PROVIDER_URN": "iam::1:oidc-provider:p",
                "HUAWEICLOUD_OIDC_AGENCY_URN": "iam::1:agency:a",
                "HUAWEICLOUD_OIDC_TOKEN_FILE": "/token",
            },
            id="a trust agency",
        ),
        pytest.param(
            {
                "HC_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.1.1/v1",
                "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token",
            },
            id="pod identity",
        ),
        pytest.param(KEY | {"IMAGECACHE_USERNAME": "u"}, id="a key, and half a user that nobody asked for"),
        pytest.param(
            {"IMAGECACHE_CREDENTIALS_DIR": "/x", "IMAGECACHE_CCE_ENDPOINT": "https://cce.example.com"},
            id="the region may come from the directory",
        ),
    ],
)
def test_no_contradictions(environ: dict[str, str]) -> None:
    """What looks incomplete and is not."""
    settings, odd = load_settings({}, environ)
    assert odd == []
    assert settings.auth == "auto"


def test_unknown_variables_of_ours_are_told() -> None:
    """A typing error must not pass in silence; it does not stop the program."""
    environ = KEY | {"IMAGECACHE_REGOIN": "x", "IMAGECACHE_WRITES": "3", "OTHER": "y", "HUAWEICLOUD_SDK_X": "z"}
    _, odd = load_settings({}, environ)
    assert odd == [
        "IMAGECACHE_REGOIN is no setting of this program and is ignored.",
        "IMAGECACHE_WRITES is no setting of this program and is ignored.",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "IMAGECACHE_OPERATOR_SERVICE_HOST",
        "IMAGECACHE_OPERATOR_SERVICE_PORT",
        "IMAGECACHE_OPERATOR_SERVICE_PORT_METRICS",
        "IMAGECACHE_OPERATOR_PORT",
        "IMAGECACHE_OPERATOR_PORT_8080_TCP",
        "IMAGECACHE_OPERATOR_PORT_8080_TCP_ADDR",
    ],
)
def test_variables_of_services_are_nobodys_typing_error(name: str) -> None:
    """Kubernetes puts them into every pod of a namespace with a Service of that name."""
    assert load_settings({}, KEY | {name: "tcp://10.0.0.1:8080"})[1] == []


SECRETS = {
    "HUAWEICLOUD_SDK_AK": "AKSECRETAKSECRET",
    "HUAWEICLOUD_SDK_SK": "sk-secret-secret",
    "HUAWEICLOUD_SDK_SECURITY_TOKEN": "token-secret-secret",
    "IMAGECACHE_USERNAME": "jane",
    "IMAGECACHE_PASSWORD": "password-secret",
    "IMAGECACHE_DOMAIN_NAME": "acme",
}


def test_no_secret_is_shown() -> None:
    """Neither by repr nor by str, nor in JSON."""
    settings, _ = load_settings({}, SECRETS)
    for text in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.endpoints)):
        for name, value in SECRETS.items():
            assert value not in text or name in {"IMAGECACHE_USERNAME", "IMAGECACHE_DOMAIN_NAME"}


@pytest.mark.parametrize("variable", [name for name, text in SECRETS.items() if "secret" in text.lower()])
def test_no_secret_is_in_an_error(variable: str) -> None:
    """Also when the secret itself is what is wrong, and another setting beside it."""
    secret = SECRETS[variable]
    with pytest.raises(SettingsError) as caught:
        load_settings({}, SECRETS | {variable: f"{secret}\n{secret}", "IMAGECACHE_LOG_LEVEL": "loud"})
    assert len(caught.value.faults) == 2
    for text in (str(caught.value), repr(caught.value), repr(caught.value.__context__), repr(caught.value.__cause__)):
        for value in SECRETS.values():
            assert value not in text or value in {"jane", "acme"}


def test_whoever_never_talks_to_the_cloud_needs_no_credentials() -> None:
    """No fault then; every other fault remains one."""
    assert load_settings({}, {}, without_credentials=True)[0].region is None
    with pytest.raises(SettingsError, match="IMAGECACHE_REGION"):
        load_settings({}, {"IMAGECACHE_REGION": "NOWHERE"}, without_credentials=True)
