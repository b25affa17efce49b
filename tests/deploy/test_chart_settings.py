"""Every setting of the operator can be reached through the chart's values, and arrives as it was meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.helm import CHART, Helm, Object, is_hook

from imagecache_operator.settings import Settings, variable_of
from imagecache_operator.settings_loading import load_settings

ELSEWHERE = {
    # In the Secret of the credentials, or official names of settings that have one of our own; extraEnv reaches these.
    "access_key",
    "secret_key",
    "security_token",
    "username",
    "password",
    "domain_name",
    "sdk_project_id",
    "sdk_iam_endpoint",
    "sdk_sts_endpoint",
    # The pod's own namespace, where the chart's Role is.
    "lease_namespace",
    # Kubernetes sets the first, CCE the others.
    "pod",
    "pod_identity_uri",
    "pod_identity_token_file",
}
"""Settings that are no value of the chart."""

PROJECT = "0123456789abcdef0123456789abcdef"

URN = "iam::0123456789abcdef0123456789abcdef:{}:ours"


def oidc(**values: Any) -> Object:
    """Values with credentials of a trust agency."""
    urns = {"providerURN": URN.format("oidcProvider"), "agencyURN": URN.format("agency")}
    return {"credentials": {"source": "oidc", "oidc": urns | values}}


REACHED: dict[str, tuple[Object, Any]] = {
    "region": ({"settings": {"region": "cn-north-4"}}, "cn-north-4"),
    "own_project_id": ({"settings": {"projectID": PROJECT}}, PROJECT),
    "cce_endpoint": (
        {"settings": {"cceEndpoint": "https://cce.{region}.example.com"}},
        "https://cce.{region}.example.com",
    ),
    "own_iam_endpoint": ({"settings": {"iamEndpoint": "https://iam.example.com"}}, "https://iam.example.com"),
    "own_sts_endpoint": ({"settings": {"stsEndpoint": "https://sts.example.com"}}, "https://sts.example.com"),
    "cce_by_region": (
        {"settings": {"cceEndpointByRegion": {"cn-north-4": "https://cce.example.com"}}},
        {"cn-north-4": "https://cce.example.com"},
    ),
    "allow_http": ({"settings": {"allowHTTP": True}}, True),
    "allowed_endpoints": (
        {"settings": {"allowedEndpoints": ["*.example.com", "cce.test.org"]}},
        ("*.example.com", "cce.test.org"),
    ),
    "auth": ({"settings": {"auth": "aksk"}}, "aksk"),
    "credentials_dir": ({}, Path("/etc/imagecache/credentials")),
    "oidc_provider_urn": (oidc(), URN.format("oidcProvider")),
    "oidc_agency_urn": (oidc(), URN.format("agency")),
    "oidc_token_file": (oidc(), Path("/var/run/secrets/huaweicloud/token")),
    "oidc_session_name": (oidc(sessionName="caches"), "caches"),
    "oidc_duration": (oidc(durationSeconds=7200), 7200),
    "oidc_policy": (oidc(policy='{"Version": "5.0"}'), '{"Version": "5.0"}'),
    "oidc_policy_ids": (oidc(policyIDs=["one", "two"]), ("one", "two")),
    "cluster_id": ({"settings": {"clusterID": "c271e39f"}}, "c271e39f"),
    "namespaces": ({"namespaces": ["team-a", "team-b"]}, ("team-a", "team-b")),
    "own_credentials_namespaces": ({"settings": {"ownCredentialsNamespaces": ["team-a"]}}, ("team-a",)),
    "pull_secret_namespaces": ({"settings": {"pullSecretNamespaces": ["a", "b"]}}, ("a", "b")),
    "namespaced_credentials": ({"namespacedCredentials": True}, True),
    "active_interval": ({"settings": {"activeInterval": 0.5}}, 0.5),
    "idle_interval": ({"settings": {"idleInterval": "30.25"}}, 30.25),
    "request_timeout": ({"settings": {"requestTimeout": 12}}, 12.0),
    "writes_per_minute": ({"settings": {"writesPerMinute": 0}}, 0),
    "stalled_after": ({"settings": {"stalledAfter": 12345678}}, 12345678.0),
    "delete_retry_after": ({"settings": {"deleteRetryAfter": 100000}}, 100000.0),
    "leader_election": ({"leaderElection": False}, False),
    "lease_name": ({"settings": {"leaseName": "other"}}, "other"),
    "metrics_address": ({"metrics": {"port": 9090}}, ("", 9090)),
    "health_address": ({"health": {"port": 9091}}, ("", 9091)),
    "log_format": ({"settings": {"logFormat": "text"}}, "text"),
    "log_level": ({"settings": {"logLevel": "debug"}}, "debug"),
}


def environment(documents: list[Object]) -> dict[str, str]:
    """What Kubernetes would give the operator."""
    plain = [document for document in documents if not is_hook(document)]
    (deployment,) = (document for document in plain if document["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (source,) = container["envFrom"]
    wanted = source["configMapRef"]["name"]
    (config,) = (
        document for document in plain if document["kind"] == "ConfigMap" and document["metadata"]["name"] == wanted
    )
    own = {item["name"]: item["value"] for item in container.get("env", [])}
    return {"KUBERNETES_SERVICE_HOST": "10.96.0.1", **config["data"], **own}


def test_each_setting_is_a_value_or_has_a_reason() -> None:
    """A new setting of the operator turns this red until the chart has it."""
    assert Settings.model_fields.keys() == REACHED.keys() | ELSEWHERE
    assert REACHED.keys() & ELSEWHERE == set()


@pytest.mark.parametrize("name", REACHED)
def test_a_value_arrives(helm: Helm, name: str) -> None:
    """The operator's own loader reads from the rendered pod what the values said, and finds nothing odd in it."""
    values, wanted = REACHED[name]
    settings, odd = load_settings({}, environment(helm.template(values)))
    assert getattr(settings, name) == wanted
    assert odd == []


@pytest.mark.parametrize("way", ["oidc", "pod-identity"])
def test_temporary_keys_are_taken_and_nothing_else(helm: Helm, way: str) -> None:
    """The way is said, and the operator finds all that it needs; CCE adds two variables for pod identity."""
    values = oidc() if way == "oidc" else {"credentials": {"source": "podIdentity"}}
    cce = {
        "HC_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.1.1/keys",
        "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/secrets/cce/token",
    }
    settings, odd = load_settings({}, environment(helm.template(values)) | (cce if way == "pod-identity" else {}))
    assert (settings.auth, settings.credentials_dir, odd) == (way, None, [])


def test_every_value_of_settings_is_one_of_these() -> None:
    """No value under `settings` goes untested."""
    known = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["settings"]
    assert known.keys() == {key for values, _ in REACHED.values() for key in values.get("settings", {})}


def test_unset_values_set_nothing(helm: Helm) -> None:
    """By default the operator's own defaults hold."""
    assert environment(helm.template()).keys() == {"KUBERNETES_SERVICE_HOST", "IMAGECACHE_CREDENTIALS_DIR"}


def test_metrics_can_be_off(helm: Helm) -> None:
    """Then there is no port and no Service either."""
    documents = helm.template({"metrics": {"enabled": False}})
    assert load_settings({}, environment(documents))[0].metrics_address is None
    assert "Service" not in {document["kind"] for document in documents}
    assert "metrics" not in str(next(each for each in documents if each["kind"] == "Deployment"))


def test_the_defaults_told_are_the_operators(helm: Helm) -> None:
    """Where a comment of values.yaml names a default that is a number or a word, the operator has it."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    told: dict[str, list[str]] = {}
    for comment, names in re.findall(r"((?:^  #.*\n)+)((?:^  \w+: .*\n)+)", text, re.MULTILINE):
        said = re.search(r"Defaults?: ([^.\[]+)\.\n?$", comment.strip())
        if said:
            told |= zip(re.findall(r"(\w+):", names), ([word] for word in said[1].split(" and ")), strict=False)
    fields = {variable_of(name).removeprefix("IMAGECACHE_"): name for name in Settings.model_fields}
    defaults = {field: Settings.model_fields[name].default for field, name in fields.items()}
    compared = {}
    for value, (word,) in told.items():
        variable = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).upper()
        if isinstance(defaults.get(variable), bool | int | float):
            compared[value] = (float(defaults[variable]), float({"false": 0, "true": 1}.get(word, word)))
    assert compared.keys() == {
        "allowHTTP",
        "activeInterval",
        "idleInterval",
        "requestTimeout",
        "writesPerMinute",
        "deleteRetryAfter",
        "stalledAfter",
    }
    assert {name: pair for name, pair in compared.items() if pair[0] != pair[1]} == {}
