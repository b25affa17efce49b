"""What people get wrong in the chart's values: helm refuses it with a sentence that tells the place and the reason."""

from __future__ import annotations

import json
import re

import pytest
from tests.helm import CHART, Helm, HelmError, Object

TAKEN = "set the value {} instead; the rest of the chart has to follow it"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        # Names
        ({"regoin": "cn-north-4"}, "additional properties 'regoin' not allowed"),
        ({"replicaCount": 2}, "additional properties 'replicaCount' not allowed"),
        ({"settings": {"regoin": "cn-north-4"}}, "at '/settings': additional properties 'regoin' not allowed"),
        ({"settings": {"password": "hunter2"}}, "additional properties 'password' not allowed"),
        ({"credentials": {"accessKey": "AK"}}, "additional properties 'accessKey' not allowed"),
        ({"podDisruptionBudget": {"minAvailable": 1}}, "at '/podDisruptionBudget': additional properties"),
        ({"resources": {"memory": "1Gi"}}, "at '/resources': additional properties 'memory' not allowed"),
        # Types
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"namespaces": "team-a"}, "at '/namespaces': got string, want array"),
        ({"image": {"tag": 1.2}}, "at '/image/tag': got number, want string"),
        ({"imagePullSecrets": ["registry"]}, "at '/imagePullSecrets/0': got string, want object"),
        ({"tolerations": {"key": "ops"}}, "at '/tolerations': got object, want array"),
        ({"nodeSelector": {"pool": 1}}, "at '/nodeSelector/pool': got number, want string"),
        ({"affinity": []}, "at '/affinity': got array, want object"),
        ({"podAnnotations": {"sidecar.istio.io/inject": False}}, "got boolean, want string"),
        ({"extraEnv": {"HTTPS_PROXY": "x"}}, "at '/extraEnv': got object, want array"),
        ({"extraVolumeMounts": [{"name": "ca"}]}, "at '/extraVolumeMounts/0': missing property 'mountPath'"),
        ({"hostAliases": [{"ip": "10.0.0.9"}]}, "at '/hostAliases/0': missing property 'hostnames'"),
        ({"metrics": {"port": "8080"}}, "at '/metrics/port': got string, want integer"),
        # Values
        ({"replicas": -1}, "at '/replicas': minimum: got -1, want 0"),
        ({"settings": {"region": "CN North"}}, "at '/settings/region': 'CN North' does not match pattern"),
        ({"settings": {"projectID": "abc"}}, "at '/settings/projectID'"),
        ({"settings": {"activeInterval": 0.01}}, "at '/settings/activeInterval': minimum: got 0.01, want 0.1"),
        ({"settings": {"activeInterval": "0.01"}}, "at '/settings/activeInterval': '0.01' does not match pattern"),
        ({"settings": {"activeInterval": "5s"}}, "at '/settings/activeInterval'"),
        ({"settings": {"cceEndpoint": "foo"}}, "at '/settings/cceEndpoint': 'foo' does not match pattern"),
        ({"settings": {"cceEndpointByRegion": {"a": ""}}}, "at '/settings/cceEndpointByRegion/a'"),
        ({"settings": {"ownCredentialsNamespaces": []}}, "at '/settings/ownCredentialsNamespaces': minItems"),
        ({"settings": {"logLevel": "loud"}}, "at '/settings/logLevel': value must be one of"),
        ({"namespaces": ["Team A"]}, "at '/namespaces/0': 'Team A' does not match pattern"),
        ({"namespaces": ["*"]}, "at '/namespaces/0': '*' does not match pattern"),
        ({"image": {"repository": ""}}, "at '/image/repository': '' does not match pattern"),
        ({"image": {"repository": "ghcr.io/ops/imagecache-operator:0.1.0"}}, "at '/image/repository'"),
        ({"image": {"digest": "sha256:abc"}}, "at '/image/digest'"),
        ({"image": {"pullPolicy": "always"}}, "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent'"),
        ({"credentials": {"source": "magic"}}, "at '/credentials/source': value must be one of"),
        ({"credentials": {"existingSecret": ""}}, "at '/credentials/existingSecret': '' does not match pattern"),
        ({"serviceMonitor": {"interval": "often"}}, "at '/serviceMonitor/interval'"),
        # Several at a time
        ({"settings": {"iamEndpoint": "http://x.y"}}, "settings: iamEndpoint is http://x.y: http shows"),
        ({"settings": {"cceEndpoint": "http://localhost.x.y"}}, "settings: cceEndpoint is http://localhost.x.y"),
        ({"settings": {"cceEndpointByRegion": {"cn-north-4": "http://x.y"}}}, "settings: cn-north-4 is http://x.y"),
        ({"replicas": 2, "leaderElection": False}, "replicas: more than one needs leaderElection: true"),
        ({"credentials": {"source": "none"}}, "credentials.source: none needs namespacedCredentials: true"),
        ({"credentials": {"source": "oidc"}}, "needs credentials.oidc.providerURN and credentials.oidc.agencyURN"),
        ({"credentials": {"source": "podIdentity"}, "settings": {"auth": "aksk"}}, "with podIdentity leave it out"),
        ({"serviceMonitor": {"enabled": True}, "metrics": {"enabled": False}}, "needs metrics.enabled"),
        ({"metrics": {"port": 8081}}, "metrics.port and health.port must differ"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.create: false needs serviceAccount.name"),
        ({"uninstall": {"release": True, "guard": False}}, "uninstall.release needs uninstall.guard: true"),
        ({"extraEnv": [{"name": "IMAGECACHE_NAMESPACES", "value": "a"}]}, TAKEN.format("namespaces")),
        ({"extraEnv": [{"name": "IMAGECACHE_LEASE_NAME", "value": "a"}]}, TAKEN.format("settings.leaseName")),
        ({"extraEnv": [{"name": "IMAGECACHE_CREDENTIALS_DIR", "value": "/a"}]}, TAKEN.format("credentials")),
        ({"extraVolumes": [{"name": "credentials"}]}, "extraVolumes: the chart has a volume credentials already"),
        ({"podLabels": {"app.kubernetes.io/name": "mine"}}, "podLabels: the chart sets app.kubernetes.io/name itself"),
        ({"commonLabels": {"helm.sh/chart": "mine"}}, "commonLabels: the chart sets helm.sh/chart itself"),
    ],
    ids=lambda part: json.dumps(part) if isinstance(part, dict) else "",
)
def test_mistakes_are_refused(helm: Helm, values: Object, says: str) -> None:
    """Before anything reaches the cluster, with the place and the reason."""
    with pytest.raises(HelmError, match=re.escape(says)):
        helm.template(values)


@pytest.mark.parametrize(
    "values",
    [
        {"settings": {"cceEndpoint": "http://cce.example.com", "allowHTTP": True}},
        {"settings": {"cceEndpoint": "http://127.0.0.1:8080"}},
        {"settings": {"cceEndpoint": "http://[::1]:8080"}},
        {"settings": {"cceEndpoint": "cce.{region}.example.com:8443/path", "iamEndpoint": "https://iam"}},
        {"settings": {"activeInterval": "0.1", "idleInterval": "10.5"}},
        {"image": {"repository": "registry:5000/ops/imagecache-operator"}},
        {"image": {"repository": "[fd00::1]:5000/imagecache-operator", "tag": ""}},
        {"namespaces": ["team-a"], "namespacedCredentials": True},
        {"credentials": {"source": "none"}, "extraEnv": [{"name": "HUAWEICLOUD_SDK_AK", "value": "AK"}]},
        {
            "credentials": {"source": "none"},
            "extraEnv": [{"name": "IMAGECACHE_CREDENTIALS_DIR", "value": "/keys"}],
            "extraVolumes": [{"name": "credentials", "csi": {"driver": "secrets-store.csi.k8s.io"}}],
        },
    ],
    ids=json.dumps,
)
def test_odd_values_are_taken(helm: Helm, values: Object) -> None:
    """As the operator, or Kubernetes, would take them."""
    assert helm.template(values)


def _optional(schema: Object) -> Object:
    """Null for each value that the schema does not ask for."""
    needed = schema.get("required", [])
    return {
        name: _optional(part) if name in needed else None
        for name, part in schema["properties"].items()
        if name not in needed or "properties" in part
    }


def test_whatever_is_not_asked_for_may_be_null(helm: Helm) -> None:
    """All of it at once: helm takes such a value out of the defaults, and the chart does without it."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    # That is helm's own, and has no default here.
    del schema["properties"]["global"]
    nothing = _optional(schema)
    assert nothing["affinity"] is nothing["podLabels"] is nothing["settings"]["region"] is None
    assert helm.template(nothing)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"settings": None}, "at '': missing property 'settings'"),
        ({"leaderElection": None}, "at '': missing property 'leaderElection'"),
        ({"metrics": {"port": None}}, "at '/metrics': missing property 'port'"),
        ({"uninstall": {"guard": None}}, "at '/uninstall': missing property 'guard'"),
    ],
    ids=lambda part: json.dumps(part) if isinstance(part, dict) else "",
)
def test_what_is_asked_for_is_named_when_it_is_null(helm: Helm, values: Object, says: str) -> None:
    """A section with nothing in it is null in YAML: it would take the defaults away, the guard's among them."""
    with pytest.raises(HelmError, match=re.escape(says)):
        helm.template(values)
