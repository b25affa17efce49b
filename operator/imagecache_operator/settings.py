"""Settings: environment and flags in, one frozen value out, one sentence per fault (interface section 2.1).

The only module that reads the environment.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from imagecache_operator.cloud.credentials import (
    check_access_key,
    check_cluster_id,
    check_name,
    check_password,
    check_project_id,
    check_secret_key,
    check_security_token,
)
from imagecache_operator.cloud.endpoints import (
    HUAWEI_DOMAINS,
    REGION_PLACE,
    EndpointError,
    Endpoints,
    check_endpoint,
    check_host_pattern,
    check_region,
)
from imagecache_operator.placement import Defaults

PREFIX = "IMAGECACHE_"
SECONDS_MIN = 0.1
EVERYWHERE = "*"

_BY_REGION = "HUAWEICLOUD_SDK_REGION_CCE_*"
_REGION_CCE = re.compile(r"HUAWEICLOUD_SDK_REGION_CCE_(?P<region>[A-Z0-9_]+)")
# Kubernetes puts such variables into pods for each Service of the namespace; they are nobody's typing errors.
_SERVICE_LINK = re.compile(r".*(_SERVICE_HOST|_SERVICE_PORT(_.*)?|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):(?P<port>[0-9]{1,5})")

Address = tuple[str, int]
"""Host (empty: all of this machine) and port."""


class SettingsError(Exception):
    """Settings that cannot be used; `faults` has one sentence each, without any secret."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _each(check: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        return tuple(check(item.strip()) for item in text.split(",") if item.strip())

    return parse


def _namespace(text: str) -> str:
    if _NAMESPACE.fullmatch(text) is None:
        raise ValueError("must be * or a comma list of namespaces")
    return text


def _namespaces(text: str) -> tuple[str, ...] | None:
    """None: everywhere."""
    if text.strip() == EVERYWHERE:
        return None
    found = _each(_namespace)(text)
    if not found:
        raise ValueError("must be * or a comma list of namespaces")
    return found


def _flag(text: str) -> bool:
    match text.strip().lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
        case _:
            raise ValueError("must be true or false")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not SECONDS_MIN <= seconds < 1e9:
        raise ValueError("must be a number of seconds, 0.1 at least, such as 30 or 0.5")
    return seconds


def _count(text: str) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,6}\s*", text):
        raise ValueError("must be a whole number, 0 for no limit")
    return int(text)


def _address(text: str) -> Address | None:
    """None: off."""
    if text.strip().lower() == "off":
        return None
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ValueError("must be host:port, :port, or off")
    return found["host"].strip("[]"), int(found["port"])


def _one_of(*words: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text.strip().lower()

    return check


def _auth(text: str) -> str:
    if text.strip() in {"pod-identity", "oidc"}:
        raise ValueError("is not served by this version: use aksk, token or auto")
    return _one_of("auto", "aksk", "token")(text)


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


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
    allow_http: Annotated[bool, _parsed(_flag)] = _variable(
        "IMAGECACHE_ALLOW_HTTP", False, "allow http to hosts other than this machine"
    )
    auth: Annotated[str, _parsed(_auth)] = _variable(
        "IMAGECACHE_AUTH", "auto", "auto, aksk or token: which credentials to use"
    )
    credentials_dir: Annotated[Path | None, _parsed(_directory)] = _variable(
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
    cluster_id: Annotated[str | None, _parsed(check_cluster_id)] = _variable(
        "IMAGECACHE_CLUSTER_ID", None, "cluster that builds caches where an object names none"
    )
    namespaces: Annotated[tuple[str, ...] | None, _parsed(_namespaces)] = _variable(
        "IMAGECACHE_NAMESPACES", None, "namespaces that are watched, as a comma list; * for all"
    )
    own_credentials_namespaces: Annotated[tuple[str, ...] | None, _parsed(_namespaces)] = _variable(
        "IMAGECACHE_OWN_CREDENTIALS_NAMESPACES", None, "namespaces that the operator's own credentials serve; * for all"
    )
    pull_secret_namespaces: Annotated[tuple[str, ...], _parsed(_each(_namespace))] = _variable(
        "IMAGECACHE_PULL_SECRET_NAMESPACES", (), "namespaces that pullSecretRefs may name beside the object's own"
    )
    namespaced_credentials: Annotated[bool, _parsed(_flag)] = _variable(
        "IMAGECACHE_NAMESPACED_CREDENTIALS", False, "allow spec.credentialsSecretRef (not in this version)"
    )
    allowed_endpoints: Annotated[tuple[str, ...] | None, _parsed(_each(check_host_pattern))] = _variable(
        "IMAGECACHE_ALLOWED_ENDPOINTS", None, "hosts that credentials may name as endpoints, as a comma list"
    )
    active_interval: Annotated[float, _parsed(_seconds)] = _variable(
        "IMAGECACHE_ACTIVE_INTERVAL", 5.0, "seconds between two looks at an account while something is in motion"
    )
    idle_interval: Annotated[float, _parsed(_seconds)] = _variable(
        "IMAGECACHE_IDLE_INTERVAL", 60.0, "seconds between two looks otherwise"
    )
    writes_per_minute: Annotated[int, _parsed(_count)] = _variable(
        "IMAGECACHE_WRITES_PER_MINUTE", 10, "writes to the cloud in any 60 s per location; 0 for no limit"
    )
    request_timeout: Annotated[float, _parsed(_seconds)] = _variable(
        "IMAGECACHE_REQUEST_TIMEOUT", 30.0, "seconds for one request to the cloud"
    )
    stalled_after: Annotated[float, _parsed(_seconds)] = _variable(
        "IMAGECACHE_STALLED_AFTER", 1800.0, "seconds after which waiting counts as stalled"
    )
    delete_retry_after: Annotated[float, _parsed(_seconds)] = _variable(
        "IMAGECACHE_DELETE_RETRY_AFTER", 60.0, "seconds before a DELETE is repeated; doubles to ten times as much"
    )
    leader_election: Annotated[bool, _parsed(_flag)] = _variable(
        "IMAGECACHE_LEADER_ELECTION", False, "run several replicas (not in this version)"
    )
    lease_namespace: str | None = _variable("IMAGECACHE_LEASE_NAMESPACE", None, "namespace of the Lease")
    lease_name: str = _variable("IMAGECACHE_LEASE_NAME", "imagecache-operator", "name of the Lease")
    metrics_address: Annotated[Address | None, _parsed(_address)] = _variable(
        "IMAGECACHE_METRICS_ADDR", ("", 8080), "where /metrics is served: host:port, :port, or off"
    )
    health_address: Annotated[Address | None, _parsed(_address)] = _variable(
        "IMAGECACHE_HEALTH_ADDR", ("", 8081), "where /livez and /readyz are served: host:port, :port, or off"
    )
    log_format: Annotated[str | None, _parsed(_one_of("json", "text"))] = _variable(
        "IMAGECACHE_LOG_FORMAT", None, "json or text; else json in a pod"
    )
    log_level: Annotated[str, _parsed(_one_of("debug", "info", "warning", "error"))] = _variable(
        "IMAGECACHE_LOG_LEVEL", "info", "debug, info, warning or error"
    )
    pod: str | None = _variable("KUBERNETES_SERVICE_HOST", None, "set by Kubernetes in every pod")
    cce_by_region: dict[str, str] = Field(default_factory=dict, validation_alias=_BY_REGION)

    @property
    def log_json(self) -> bool:
        """Whether logs are JSON lines."""
        return self.log_format == "json" if self.log_format is not None else self.pod is not None

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
        return Defaults(self.region, self.project_id, None if serve is None else frozenset(serve))


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    return str(Settings.model_fields[name].validation_alias)


def flag_of(variable: str) -> str:
    """The flag of an environment variable of ours: `IMAGECACHE_REGION` is `--region`."""
    return "--" + variable.removeprefix(PREFIX).lower().replace("_", "-")


def load_settings(flags: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> tuple[Settings, list[str]]:
    """The settings, and sentences about what is odd in them.

    Args:
        flags: by the name of the variable that they stand for; they win.
        environ: the environment.

    Raises:
        SettingsError: something is wrong; has one sentence per fault.
    """
    given = {name: text for name, text in environ.items() if text.strip()} | dict(flags)
    known = {variable_of(name) for name in Settings.model_fields}
    odd = [
        f"{name} is no setting of this program and is ignored."
        for name in sorted(given)
        if name.startswith(PREFIX) and name not in known and not _SERVICE_LINK.fullmatch(name)
    ]
    faults: list[str] = []
    values: dict[str, Any] = {name: text for name, text in given.items() if name in known}
    values[_BY_REGION] = _endpoints_by_region(given, faults)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += [_sentence(fault["loc"], fault.get("ctx", {}), fault["msg"], flags) for fault in error.errors()]
        raise SettingsError(faults) from None
    faults += _contradictions(settings)
    if faults:
        raise SettingsError(faults)
    return settings, odd


def _sentence(loc: tuple[int | str, ...], context: Mapping[str, Any], message: str, flags: Mapping[str, str]) -> str:
    variable = str(loc[0]) if loc else "?"
    reason = str(context["error"]) if "error" in context else message
    return f"{flag_of(variable) if variable in flags else variable} {reason}."


def _endpoints_by_region(given: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    """`HUAWEICLOUD_SDK_REGION_CCE_CN_NORTH_4` and its like; of several endpoints in one the first is used."""
    found: dict[str, str] = {}
    for name, text in given.items():
        match = _REGION_CCE.fullmatch(name)
        if match is None:
            continue
        try:
            region = check_region(match["region"].lower().replace("_", "-"))
            found[region] = check_endpoint(text.split(",")[0])
        except EndpointError as error:
            faults.append(f"{name} {error}.")
    return found


def _contradictions(settings: Settings) -> list[str]:
    """Faults that no variable has alone."""
    faults = [*_credentials_faults(settings), *_endpoint_faults(settings)]
    if settings.namespaced_credentials:
        faults.append(
            "IMAGECACHE_NAMESPACED_CREDENTIALS=true is not served by this version: unset it, and let the operator use "
            "its own credentials."
        )
    if settings.leader_election:
        faults.append(
            "IMAGECACHE_LEADER_ELECTION=true is not served by this version: unset it, and run one replica only."
        )
    return faults


def _credentials_faults(settings: Settings) -> list[str]:
    if settings.credentials_dir is not None:
        return []
    key = {"HUAWEICLOUD_SDK_AK": settings.access_key, "HUAWEICLOUD_SDK_SK": settings.secret_key}
    user = {
        "IMAGECACHE_USERNAME": settings.username,
        "IMAGECACHE_PASSWORD": settings.password,
        "IMAGECACHE_DOMAIN_NAME": settings.domain_name,
    }
    wants_key = settings.auth == "aksk" or (settings.auth == "auto" and any(key.values()))
    wants_user = settings.auth == "token" or (settings.auth == "auto" and any(user.values()) and not wants_key)
    needed = key if wants_key else user if wants_user else {}
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        return [f"{' and '.join(missing)} must be set, too: {', '.join(needed)} belong together."]
    if not needed:
        return [
            (
                "No credentials are set: set IMAGECACHE_CREDENTIALS_DIR, or HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, "
                "or IMAGECACHE_USERNAME, IMAGECACHE_PASSWORD and IMAGECACHE_DOMAIN_NAME."
            )
        ]
    return []


def _endpoint_faults(settings: Settings) -> list[str]:
    faults = []
    endpoint = settings.cce_endpoint
    if endpoint is not None and REGION_PLACE not in endpoint and not (settings.region or settings.credentials_dir):
        faults.append("IMAGECACHE_CCE_ENDPOINT has no {region} in it, so IMAGECACHE_REGION must be set, too.")
    by_region = (
        (_BY_REGION.replace("*", region.upper().replace("-", "_")), template)
        for region, template in settings.cce_by_region.items()
    )
    for name, template in (
        ("IMAGECACHE_CCE_ENDPOINT", settings.cce_endpoint),
        ("IMAGECACHE_IAM_ENDPOINT", settings.own_iam_endpoint),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", None if settings.own_iam_endpoint else settings.sdk_iam_endpoint),
        ("IMAGECACHE_STS_ENDPOINT", settings.own_sts_endpoint),
        ("HUAWEICLOUD_SDK_STS_ENDPOINT", None if settings.own_sts_endpoint else settings.sdk_sts_endpoint),
        *by_region,
    ):
        if template is not None and template.startswith("http://"):
            try:
                Endpoints(region="zz", cce_template=template, allow_http=settings.allow_http).cce("zz")
            except EndpointError as error:
                faults.append(f"{name}: {error}")
    return faults
