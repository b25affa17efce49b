"""The settings, one field per variable, and what follows from them (interface section 2.1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from imagecache_operator.cloud.credentials_keys import (
    check_access_key,
    check_cluster_id,
    check_name,
    check_password,
    check_project_id,
    check_secret_key,
    check_security_token,
    check_session_name,
    check_urn,
)
from imagecache_operator.cloud.endpoints import HUAWEI_DOMAINS, Endpoints, check_region
from imagecache_operator.cloud.hosts import check_endpoint, check_host_pattern, check_pod_identity_uri
from imagecache_operator.imagecache import Key
from imagecache_operator.placement import Defaults
from imagecache_operator.settings_values import (
    Address,
    list_of,
    one_of,
    pod_namespace,
    read_address,
    read_auth,
    read_count,
    read_directory,
    read_duration,
    read_namespace,
    read_namespaces,
    read_object_name,
    read_own_namespace,
    read_seconds,
    read_switch,
)

PREFIX = "IMAGECACHE_"
BY_REGION = "HUAWEICLOUD_SDK_REGION_CCE_*"
"""Stands for one variable per region."""


def _parsed(parse: Callable[[str], Any]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _secret(check: Callable[[str], str]) -> BeforeValidator:
    return _parsed(lambda text: SecretStr(check(text)))


def _variable(name: str, default: Any, description: str) -> Any:
    return Field(default, validation_alias=name, description=description)


class Settings(BaseModel):
    """All settings. What is None is not set; each description says what holds then."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    region: Annotated[str | None, _parsed(lambda text: check_region(text.strip()))] = _variable(
        "IMAGECACHE_REGION", None, "region of objects that name none"
    )
    own_project_id: Annotated[str | None, _parsed(check_project_id)] = _variable(
        "IMAGECACHE_PROJECT_ID", None, "project of objects that name none; else it is looked up in IAM"
    )
    sdk_project_id: Annotated[str | None, _parsed(check_project_id)] = _variable(
        "HUAWEICLOUD_SDK_PROJECT_ID", None, "the same, by its official name"
    )
    cce_endpoint: Annotated[str | None, _parsed(check_endpoint)] = _variable(
        "IMAGECACHE_CCE_ENDPOINT", None, "base URL of CCE, with {region} in it unless it is for --region only"
    )
    own_iam_endpoint: Annotated[str | None, _parsed(check_endpoint)] = _variable(
        "IMAGECACHE_IAM_ENDPOINT", None, "base URL of IAM; else from the region"
    )
    sdk_iam_endpoint: Annotated[str | None, _parsed(check_endpoint)] = _variable(
        "HUAWEICLOUD_SDK_IAM_ENDPOINT", None, "the same, by its official name"
    )
    own_sts_endpoint: Annotated[str | None, _parsed(check_endpoint)] = _variable(
        "IMAGECACHE_STS_ENDPOINT", None, "base URL of STS; else from the region"
    )
    sdk_sts_endpoint: Annotated[str | None, _parsed(check_endpoint)] = _variable(
        "HUAWEICLOUD_SDK_STS_ENDPOINT", None, "the same, by its official name"
    )
    allow_http: Annotated[bool, _parsed(read_switch)] = _variable(
        "IMAGECACHE_ALLOW_HTTP", False, "allow http to hosts other than this machine"
    )
    auth: Annotated[str, _parsed(read_auth)] = _variable(
        "IMAGECACHE_AUTH", "auto", "auto, aksk, token, oidc or pod-identity: which credentials to use"
    )
    credentials_dir: Annotated[Path | None, _parsed(read_directory)] = _variable(
        "IMAGECACHE_CREDENTIALS_DIR", None, "directory with a file per credentials key, read again when it changes"
    )
    access_key: Annotated[SecretStr | None, _secret(check_access_key)] = _variable(
        "HUAWEICLOUD_SDK_AK", None, "access key id"
    )
    secret_key: Annotated[SecretStr | None, _secret(check_secret_key)] = _variable(
        "HUAWEICLOUD_SDK_SK", None, "secret access key"
    )
    security_token: Annotated[SecretStr | None, _secret(check_security_token)] = _variable(
        "HUAWEICLOUD_SDK_SECURITY_TOKEN", None, "security token of a temporary access key"
    )
    username: Annotated[str | None, _parsed(check_name)] = _variable("IMAGECACHE_USERNAME", None, "IAM user")
    password: Annotated[SecretStr | None, _secret(check_password)] = _variable(
        "IMAGECACHE_PASSWORD", None, "its password (as a flag, other users of the machine can read it)"
    )
    domain_name: Annotated[str | None, _parsed(check_name)] = _variable(
        "IMAGECACHE_DOMAIN_NAME", None, "name of the account that the user belongs to"
    )
    oidc_provider_urn: Annotated[str | None, _parsed(check_urn)] = _variable(
        "HUAWEICLOUD_OIDC_PROVIDER_URN", None, "identity provider in IAM that stands for the cluster"
    )
    oidc_agency_urn: Annotated[str | None, _parsed(check_urn)] = _variable(
        "HUAWEICLOUD_OIDC_AGENCY_URN", None, "trust agency whose keys STS gives"
    )
    oidc_token_file: Annotated[Path | None, _parsed(read_directory)] = _variable(
        "HUAWEICLOUD_OIDC_TOKEN_FILE", None, "file with a token of the service account, read again at each renewal"
    )
    oidc_session_name: Annotated[str, _parsed(check_session_name)] = _variable(
        "HUAWEICLOUD_OIDC_SESSION_NAME", "oidc-sts-session", "name of the session, which audit logs show"
    )
    oidc_duration: Annotated[int, _parsed(read_duration)] = _variable(
        "HUAWEICLOUD_OIDC_DURATION_SECONDS", 3600, "seconds that the keys live, 900 to 43200"
    )
    oidc_policy: str | None = _variable(
        "HUAWEICLOUD_OIDC_POLICY", None, "policy document that narrows what the keys may do"
    )
    oidc_policy_ids: Annotated[tuple[str, ...], _parsed(list_of(check_name))] = _variable(
        "HUAWEICLOUD_OIDC_POLICY_IDS", (), "ids of policies that do the same, as a comma list"
    )
    pod_identity_uri: Annotated[str | None, _parsed(check_pod_identity_uri)] = _variable(
        "HC_CONTAINER_CREDENTIALS_FULL_URI", None, "where CCE pod identity gives keys; CCE sets it"
    )
    pod_identity_token_file: Annotated[Path | None, _parsed(read_directory)] = _variable(
        "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", None, "file with the token for it; CCE sets it"
    )
    cluster_id: Annotated[str | None, _parsed(check_cluster_id)] = _variable(
        "IMAGECACHE_CLUSTER_ID", None, "cluster that builds caches where an object names none"
    )
    namespaces: Annotated[tuple[str, ...] | None, _parsed(read_namespaces)] = _variable(
        "IMAGECACHE_NAMESPACES", None, "namespaces that are watched, as a comma list; * for all"
    )
    own_credentials_namespaces: Annotated[tuple[str, ...] | None, _parsed(read_namespaces)] = _variable(
        "IMAGECACHE_OWN_CREDENTIALS_NAMESPACES", None, "namespaces that the operator's own credentials serve; * for all"
    )
    pull_secret_namespaces: Annotated[tuple[str, ...], _parsed(list_of(read_namespace))] = _variable(
        "IMAGECACHE_PULL_SECRET_NAMESPACES", (), "namespaces that pullSecretRefs may name beside the object's own"
    )
    namespaced_credentials: Annotated[bool, _parsed(read_switch)] = _variable(
        "IMAGECACHE_NAMESPACED_CREDENTIALS", False, "allow spec.credentialsSecretRef (needs read access to Secrets)"
    )
    allowed_endpoints: Annotated[tuple[str, ...] | None, _parsed(list_of(check_host_pattern))] = _variable(
        "IMAGECACHE_ALLOWED_ENDPOINTS", None, "hosts that credentials may name as endpoints, as a comma list"
    )
    active_interval: Annotated[float, _parsed(read_seconds)] = _variable(
        "IMAGECACHE_ACTIVE_INTERVAL", 5.0, "seconds between two looks at an account while something is in motion"
    )
    idle_interval: Annotated[float, _parsed(read_seconds)] = _variable(
        "IMAGECACHE_IDLE_INTERVAL", 60.0, "seconds between two looks otherwise"
    )
    writes_per_minute: Annotated[int, _parsed(read_count)] = _variable(
        "IMAGECACHE_WRITES_PER_MINUTE", 10, "writes to the cloud in any 60 s per location; 0 for no limit"
    )
    request_timeout: Annotated[float, _parsed(read_seconds)] = _variable(
        "IMAGECACHE_REQUEST_TIMEOUT", 30.0, "seconds for one request to the cloud"
    )
    stalled_after: Annotated[float, _parsed(read_seconds)] = _variable(
        "IMAGECACHE_STALLED_AFTER", 1800.0, "seconds after which waiting counts as stalled"
    )
    delete_retry_after: Annotated[float, _parsed(read_seconds)] = _variable(
        "IMAGECACHE_DELETE_RETRY_AFTER", 60.0, "seconds before a DELETE is repeated; doubles to ten times as much"
    )
    leader_election: Annotated[bool | None, _parsed(read_switch)] = _variable(
        "IMAGECACHE_LEADER_ELECTION", None, "of several replicas let one act; true in a pod, else false"
    )
    lease_namespace: Annotated[str | None, _parsed(read_own_namespace)] = _variable(
        "IMAGECACHE_LEASE_NAMESPACE", None, "namespace of the Lease and of the ledger; else the pod's own"
    )
    lease_name: Annotated[str, _parsed(read_object_name)] = _variable(
        "IMAGECACHE_LEASE_NAME", "imagecache-operator", "name of the Lease"
    )
    metrics_address: Annotated[Address | None, _parsed(read_address)] = _variable(
        "IMAGECACHE_METRICS_ADDR", ("", 8080), "where /metrics is served: host:port, :port, or off"
    )
    health_address: Annotated[Address | None, _parsed(read_address)] = _variable(
        "IMAGECACHE_HEALTH_ADDR", ("", 8081), "where /livez and /readyz are served: host:port, :port, or off"
    )
    log_format: Annotated[str | None, _parsed(one_of("json", "text"))] = _variable(
        "IMAGECACHE_LOG_FORMAT", None, "json or text; else json in a pod"
    )
    log_level: Annotated[str, _parsed(one_of("debug", "info", "warning", "error"))] = _variable(
        "IMAGECACHE_LOG_LEVEL", "info", "debug, info, warning or error"
    )
    pod: str | None = _variable("KUBERNETES_SERVICE_HOST", None, "set by Kubernetes in every pod")
    cce_by_region: dict[str, str] = Field(default_factory=dict, validation_alias=BY_REGION)

    @property
    def log_json(self) -> bool:
        """Whether logs are JSON lines."""
        return self.log_format == "json" if self.log_format is not None else self.pod is not None

    @property
    def elects(self) -> bool:
        """Whether several replicas may run, of which one acts."""
        return self.leader_election if self.leader_election is not None else self.pod is not None

    @property
    def lease(self) -> Key | None:
        """The Lease that says who acts; None where this is the only one."""
        namespace = self.own_namespace
        return Key(namespace, self.lease_name) if self.elects and namespace is not None else None

    @property
    def own_namespace(self) -> str | None:
        """Where the operator keeps what is its own; None outside of a pod, when nobody says."""
        return self.lease_namespace or pod_namespace()

    @property
    def project_id(self) -> str | None:
        """The default project, None: to be looked up."""
        return self.own_project_id or self.sdk_project_id

    @property
    def endpoints(self) -> Endpoints:
        """Where the operator's own credentials may go."""
        return Endpoints(
            region=self.region,
            cce_template=self.cce_endpoint,
            iam_template=self.own_iam_endpoint or self.sdk_iam_endpoint,
            sts_template=self.own_sts_endpoint or self.sdk_sts_endpoint,
            cce_by_region=self.cce_by_region,
            allowed=HUAWEI_DOMAINS if self.allowed_endpoints is None else self.allowed_endpoints,
            allow_http=self.allow_http,
        )

    @property
    def defaults(self) -> Defaults:
        """What holds where an object's spec is silent."""
        serve = self.own_credentials_namespaces
        return Defaults(
            self.region,
            self.project_id,
            None if serve is None else frozenset(serve),
            cluster_id=self.cluster_id,
            pull_secret_namespaces=frozenset(self.pull_secret_namespaces),
        )


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    return str(Settings.model_fields[name].validation_alias)


def flag_of(variable: str) -> str:
    """The flag of an environment variable of ours: `IMAGECACHE_REGION` is `--region`."""
    return "--" + variable.removeprefix(PREFIX).lower().replace("_", "-")
