"""Settings: what is accepted, and how each variable is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imagecache_operator.cloud.endpoints import HUAWEI_DOMAINS
from imagecache_operator.imagecache import Key
from imagecache_operator.placement import Defaults
from imagecache_operator.settings import PREFIX, Settings, flag_of, variable_of
from imagecache_operator.settings_loading import load_settings

KEY = {"HUAWEICLOUD_SDK_AK": "AKAKAKAKAKAKAKAKAKAK", "HUAWEICLOUD_SDK_SK": "sk-made-up"}
PROJECT = "0123456789abcdef0123456789abcdef"

# Interface, section 2.1.
OURS = """
    IMAGECACHE_REGION IMAGECACHE_PROJECT_ID IMAGECACHE_CCE_ENDPOINT IMAGECACHE_IAM_ENDPOINT IMAGECACHE_STS_ENDPOINT
    IMAGECACHE_ALLOW_HTTP IMAGECACHE_AUTH IMAGECACHE_CREDENTIALS_DIR IMAGECACHE_USERNAME IMAGECACHE_PASSWORD
    IMAGECACHE_DOMAIN_NAME IMAGECACHE_CLUSTER_ID IMAGECACHE_NAMESPACES IMAGECACHE_OWN_CREDENTIALS_NAMESPACES
    IMAGECACHE_PULL_SECRET_NAMESPACES IMAGECACHE_NAMESPACED_CREDENTIALS IMAGECACHE_ALLOWED_ENDPOINTS
    IMAGECACHE_ACTIVE_INTERVAL IMAGECACHE_IDLE_INTERVAL IMAGECACHE_WRITES_PER_MINUTE IMAGECACHE_REQUEST_TIMEOUT
    IMAGECACHE_STALLED_AFTER IMAGECACHE_DELETE_RETRY_AFTER IMAGECACHE_LEADER_ELECTION IMAGECACHE_LEASE_NAMESPACE
    IMAGECACHE_LEASE_NAME IMAGECACHE_METRICS_ADDR IMAGECACHE_HEALTH_ADDR IMAGECACHE_LOG_FORMAT IMAGECACHE_LOG_LEVEL
""".split()  # noqa: SIM905 (a table reads best as text)
OFFICIAL = """
    HUAWEICLOUD_SDK_AK HUAWEICLOUD_SDK_SK HUAWEICLOUD_SDK_SECURITY_TOKEN HUAWEICLOUD_SDK_PROJECT_ID
    HUAWEICLOUD_SDK_IAM_ENDPOINT HUAWEICLOUD_SDK_STS_ENDPOINT
""".split()  # noqa: SIM905 (as above)


def load(environ: dict[str, str] | None = None, flags: dict[str, str] | None = None) -> Settings:
    """The settings of a program that has an access key and these variables."""
    settings, odd = load_settings(flags or {}, KEY | (environ or {}))
    assert odd == []
    return settings


def shown(value: object) -> object:
    """A value, secrets included."""
    reveal = getattr(value, "get_secret_value", None)
    return value if reveal is None else reveal()


def test_every_setting_of_the_interface_is_there() -> None:
    """The table of the interface, no more and no less."""
    variables = {variable_of(name) for name in Settings.model_fields}
    assert {name for name in variables if name.startswith(PREFIX)} == set(OURS)
    assert set(OFFICIAL) <= variables


def test_every_setting_says_what_it_is_for() -> None:
    """`--help` is made of the descriptions."""
    for name, field in Settings.model_fields.items():
        assert name == "cce_by_region" or field.description, name


IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "IMAGECACHE_LEASE_NAMESPACE": "imagecache-system"}


@pytest.mark.parametrize(
    ("environ", "lease"),
    [
        pytest.param(IN_A_POD, Key("imagecache-system", "imagecache-operator"), id="a pod elects"),
        pytest.param(IN_A_POD | {"IMAGECACHE_LEADER_ELECTION": "false"}, None, id="unless it is told not to"),
        pytest.param({"IMAGECACHE_LEASE_NAMESPACE": "ops"}, None, id="others do not"),
        pytest.param(
            {"IMAGECACHE_LEADER_ELECTION": "true", "IMAGECACHE_LEASE_NAMESPACE": "ops", "IMAGECACHE_LEASE_NAME": "x"},
            Key("ops", "x"),
            id="unless they are told to",
        ),
    ],
)
def test_who_elects_and_by_which_lease(environ: dict[str, str], lease: Key | None) -> None:
    """Leader election is on in pods, and off elsewhere."""
    assert load(environ).lease == lease


def test_defaults() -> None:
    """What holds when only the credentials are set."""
    settings = load()
    expected: dict[str, Any] = {
        "region": None,
        "project_id": None,
        "cce_endpoint": None,
        "allow_http": False,
        "auth": "auto",
        "credentials_dir": None,
        "namespaces": None,
        "own_credentials_namespaces": None,
        "pull_secret_namespaces": (),
        "namespaced_credentials": False,
        "allowed_endpoints": None,
        "active_interval": 5.0,
        "idle_interval": 60.0,
        "writes_per_minute": 10,
        "request_timeout": 30.0,
        "stalled_after": 1800.0,
        "delete_retry_after": 60.0,
        "leader_election": None,
        "elects": False,
        "lease": None,
        "lease_namespace": None,
        "lease_name": "imagecache-operator",
        "metrics_address": ("", 8080),
        "health_address": ("", 8081),
        "log_format": None,
        "log_json": False,
        "log_level": "info",
        "oidc_session_name": "oidc-sts-session",
        "oidc_duration": 3600,
        "oidc_policy_ids": (),
        "pod_identity_uri": None,
    }
    assert {name: getattr(settings, name) for name in expected} == expected
    assert settings.defaults == Defaults(None, None, None)
    assert (settings.endpoints.cce_template, settings.endpoints.allowed) == (None, HUAWEI_DOMAINS)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("IMAGECACHE_REGION", "eu-west-101", "region", "eu-west-101"),
        ("IMAGECACHE_REGION", " cn-north-4 ", "region", "cn-north-4"),
        ("IMAGECACHE_PROJECT_ID", PROJECT, "project_id", PROJECT),
        ("HUAWEICLOUD_SDK_PROJECT_ID", PROJECT, "project_id", PROJECT),
        ("IMAGECACHE_CCE_ENDPOINT", "CCE.{region}.Example.com/", "cce_endpoint", "https://cce.{region}.example.com"),
        ("IMAGECACHE_IAM_ENDPOINT", "https://iam.example.com:443", "own_iam_endpoint", "https://iam.example.com"),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "https://iam.example.com", "sdk_iam_endpoint", "https://iam.example.com"),
        ("IMAGECACHE_STS_ENDPOINT", "https://sts.example.com/a", "own_sts_endpoint", "https://sts.example.com/a"),
        ("HUAWEICLOUD_SDK_STS_ENDPOINT", "https://sts.example.com", "sdk_sts_endpoint", "https://sts.example.com"),
        ("IMAGECACHE_ALLOW_HTTP", "true", "allow_http", True),
        ("IMAGECACHE_ALLOW_HTTP", "ON", "allow_http", True),
        ("IMAGECACHE_ALLOW_HTTP", " 1", "allow_http", True),
        ("IMAGECACHE_ALLOW_HTTP", "Yes", "allow_http", True),
        ("IMAGECACHE_ALLOW_HTTP", "no", "allow_http", False),
        ("IMAGECACHE_ALLOW_HTTP", "0", "allow_http", False),
        ("IMAGECACHE_AUTH", "AKSK", "auth", "aksk"),
        ("IMAGECACHE_CREDENTIALS_DIR", "/etc/imagecache", "credentials_dir", Path("/etc/imagecache")),
        ("HUAWEICLOUD_SDK_AK", " ak\n", "access_key", "ak"),
        ("HUAWEICLOUD_SDK_SK", "a/b+c=", "secret_key", "a/b+c="),
        ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "x" * 8000, "security_token", "x" * 8000),
        ("IMAGECACHE_USERNAME", "jane", "username", "jane"),
        ("IMAGECACHE_PASSWORD", " blanks belong to it \n", "password", " blanks belong to it "),
        ("IMAGECACHE_DOMAIN_NAME", "acme", "domain_name", "acme"),
        ("HUAWEICLOUD_OIDC_PROVIDER_URN", "iam::1:oidc-provider:p\n", "oidc_provider_urn", "iam::1:oidc-provider:p"),
        ("HUAWEICLOUD_OIDC_AGENCY_URN", "iam::1:agency:a", "oidc_agency_urn", "iam::1:agency:a"),
        ("HUAWEICLOUD_OIDC_TOKEN_FILE", "/oidc/token", "oidc_token_file", Path("/oidc/token")),
        ("HUAWEICLOUD_OIDC_SESSION_NAME", "caches", "oidc_session_name", "caches"),
        ("HUAWEICLOUD_OIDC_DURATION_SECONDS", "900", "oidc_duration", 900),
        ("HUAWEICLOUD_OIDC_DURATION_SECONDS", "43200", "oidc_duration", 43200),
        ("HUAWEICLOUD_OIDC_POLICY", '{"Version": "5.0"}', "oidc_policy", '{"Version": "5.0"}'),
        ("HUAWEICLOUD_OIDC_POLICY_IDS", "a, b", "oidc_policy_ids", ("a", "b")),
        ("HC_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.1.1/v1", "pod_identity_uri", "http://169.254.1.1/v1"),
        ("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/pod/token", "pod_identity_token_file", Path("/pod/token")),
        ("IMAGECACHE_CLUSTER_ID", "c-1", "cluster_id", "c-1"),
        ("IMAGECACHE_NAMESPACES", "*", "namespaces", None),
        ("IMAGECACHE_NAMESPACES", "team-a, team-b,", "namespaces", ("team-a", "team-b")),
        ("IMAGECACHE_OWN_CREDENTIALS_NAMESPACES", "team-a", "own_credentials_namespaces", ("team-a",)),
        ("IMAGECACHE_PULL_SECRET_NAMESPACES", "shared,infra", "pull_secret_namespaces", ("shared", "infra")),
        ("IMAGECACHE_ALLOWED_ENDPOINTS", "*.Example.com, cce.test", "allowed_endpoints", ("*.example.com", "cce.test")),
        ("IMAGECACHE_ACTIVE_INTERVAL", "0.5", "active_interval", 0.5),
        ("IMAGECACHE_IDLE_INTERVAL", "120", "idle_interval", 120.0),
        ("IMAGECACHE_WRITES_PER_MINUTE", "0", "writes_per_minute", 0),
        ("IMAGECACHE_WRITES_PER_MINUTE", " 250 ", "writes_per_minute", 250),
        ("IMAGECACHE_REQUEST_TIMEOUT", "0.1", "request_timeout", 0.1),
        ("IMAGECACHE_IDLE_INTERVAL", " 120.50\n", "idle_interval", 120.5),
        ("IMAGECACHE_STALLED_AFTER", "999999999", "stalled_after", 999999999.0),
        ("IMAGECACHE_DELETE_RETRY_AFTER", "1", "delete_retry_after", 1.0),
        ("IMAGECACHE_LEADER_ELECTION", "false", "leader_election", False),
        ("IMAGECACHE_LEASE_NAMESPACE", "kube-system", "lease_namespace", "kube-system"),
        ("IMAGECACHE_LEASE_NAME", "mine.example", "lease_name", "mine.example"),
        ("IMAGECACHE_METRICS_ADDR", "off", "metrics_address", None),
        ("IMAGECACHE_METRICS_ADDR", "127.0.0.1:9090", "metrics_address", ("127.0.0.1", 9090)),
        ("IMAGECACHE_HEALTH_ADDR", ":9091", "health_address", ("", 9091)),
        ("IMAGECACHE_HEALTH_ADDR", "[::1]:9091", "health_address", ("::1", 9091)),
        ("IMAGECACHE_LOG_FORMAT", "JSON", "log_format", "json"),
        ("IMAGECACHE_LOG_LEVEL", "debug", "log_level", "debug"),
    ],
)
def test_accepted(variable: str, text: str, field: str, value: object) -> None:
    """Each variable sets its own field, in its normal form."""
    extra = {"IMAGECACHE_REGION": "eu-west-101"} if variable != "IMAGECACHE_REGION" else {}
    assert shown(getattr(load(extra | {variable: text}), field)) == value


@pytest.mark.parametrize("variable", [*OURS, *OFFICIAL])
def test_an_empty_variable_is_not_set(variable: str) -> None:
    """Charts and manifests leave empty strings where nothing is wanted."""
    others = KEY | {"IMAGECACHE_CREDENTIALS_DIR": "/etc/imagecache"}
    if variable == "IMAGECACHE_CREDENTIALS_DIR":
        others = dict(KEY)
    without, _ = load_settings({}, {name: text for name, text in others.items() if name != variable})
    for empty in ("", "  "):
        settings, odd = load_settings({}, others | {variable: empty})
        assert (settings, odd) == (without, [])


@pytest.mark.parametrize(
    ("explicit", "pod", "as_json"),
    [
        pytest.param("text", True, False, id="text in a pod"),
        pytest.param("json", False, True, id="JSON on a terminal"),
        pytest.param(None, True, True, id="a pod logs JSON"),
        pytest.param(None, False, False, id="a terminal shows text"),
    ],
)
def test_the_format_of_logs(explicit: str | None, pod: bool, as_json: bool) -> None:
    """What is set holds; else it depends on where the program runs."""
    environ = {"IMAGECACHE_LOG_FORMAT": explicit} if explicit else {}
    assert load(environ | (IN_A_POD if pod else {})).log_json is as_json


@pytest.mark.parametrize("variable", OURS)
def test_flags_are_the_variables_in_kebab_case(variable: str) -> None:
    """`IMAGECACHE_STALLED_AFTER` is `--stalled-after`."""
    flag = flag_of(variable)
    assert flag == "--" + variable[len("IMAGECACHE_") :].lower().replace("_", "-")
    assert "_" not in flag


def test_flags_win() -> None:
    """Over the environment, and only for their own variable."""
    environ = {"IMAGECACHE_REGION": "cn-north-4", "IMAGECACHE_STALLED_AFTER": "60", "IMAGECACHE_LOG_LEVEL": "debug"}
    settings = load(environ, {"IMAGECACHE_REGION": "eu-west-101", "IMAGECACHE_STALLED_AFTER": "120"})
    assert (settings.region, settings.stalled_after, settings.log_level) == ("eu-west-101", 120.0, "debug")


def test_our_own_names_win_over_the_official_ones() -> None:
    """For the project and both endpoints."""
    own, sdk = "a" * 32, "b" * 32
    settings = load(
        {
            "IMAGECACHE_PROJECT_ID": own,
            "HUAWEICLOUD_SDK_PROJECT_ID": sdk,
            "IMAGECACHE_IAM_ENDPOINT": "https://iam.own.test",
            "HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://iam.sdk.test",
            "HUAWEICLOUD_SDK_STS_ENDPOINT": "https://sts.sdk.test",
        }
    )
    assert settings.project_id == settings.defaults.project_id == own
    assert settings.endpoints.iam("eu-west-101") == "https://iam.own.test"
    assert settings.endpoints.sts("eu-west-101") == "https://sts.sdk.test"


def test_endpoints_of_regions_by_the_official_names() -> None:
    """`HUAWEICLOUD_SDK_REGION_CCE_<REGION>` serves that region; of several endpoints the first is used."""
    settings = load({"HUAWEICLOUD_SDK_REGION_CCE_EU_WEST_101": "https://one.test, https://two.test"})
    assert settings.endpoints.cce("eu-west-101") == "https://one.test"
    assert settings.endpoints.cce("cn-north-4") == "https://cce.cn-north-4.myhuaweicloud.com"


def test_whom_the_own_credentials_serve() -> None:
    """The namespaces reach the rule that decides."""
    settings = load({"IMAGECACHE_OWN_CREDENTIALS_NAMESPACES": "team-a,team-b", "IMAGECACHE_REGION": "eu-west-101"})
    assert settings.defaults == Defaults("eu-west-101", None, frozenset({"team-a", "team-b"}))


def test_settings_never_change() -> None:
    """They are handed to many parts."""
    with pytest.raises(ValueError, match="frozen"):
        load().region = "cn-north-4"  # type: ignore[misc]
