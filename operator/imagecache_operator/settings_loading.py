"""Environment and flags in, settings out, or one sentence per fault. The only module that reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from imagecache_operator.cloud.credentials_source import DIRECTORY_WAYS, NONE_SET
from imagecache_operator.cloud.endpoints import Endpoints, check_region
from imagecache_operator.cloud.hosts import REGION_PLACE, EndpointError, check_endpoint
from imagecache_operator.settings import BY_REGION, PREFIX, Settings, flag_of, variable_of

_REGION_CCE = re.compile(r"HUAWEICLOUD_SDK_REGION_CCE_(?P<region>[A-Z0-9_]+)")
# Kubernetes puts such variables into pods for each Service of the namespace; they are nobody's typing errors.
_SERVICE_LINK = re.compile(r".*(_SERVICE_HOST|_SERVICE_PORT(_.*)?|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)")


class SettingsError(Exception):
    """Settings that cannot be used; `faults` has one sentence each, without any secret."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load_settings(
    flags: Mapping[str, str], environ: Mapping[str, str] = os.environ, *, without_credentials: bool = False
) -> tuple[Settings, list[str]]:
    """The settings, and sentences about what is odd in them.

    Args:
        flags: by the name of the variable that they stand for; they win.
        environ: the environment.
        without_credentials: for what never talks to the cloud: that none are set is no fault then.

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
    values[BY_REGION] = _endpoints_by_region(given, faults)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += [_sentence(fault["loc"], fault.get("ctx", {}), fault["msg"], flags) for fault in error.errors()]
        raise SettingsError(faults) from None
    faults += _contradictions(settings, without_credentials=without_credentials)
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


def _contradictions(settings: Settings, *, without_credentials: bool) -> list[str]:
    """Faults that no variable has alone."""
    faults = [*([] if without_credentials else _credentials_faults(settings)), *_endpoint_faults(settings)]
    if settings.elects and settings.own_namespace is None:
        faults.append(
            "IMAGECACHE_LEASE_NAMESPACE must be set, too: outside of a pod nothing else says where the Lease of "
            "IMAGECACHE_LEADER_ELECTION is."
        )
    return faults


def _credentials_faults(settings: Settings) -> list[str]:
    ways: dict[str, dict[str, object]] = {
        "aksk": {"HUAWEICLOUD_SDK_AK": settings.access_key, "HUAWEICLOUD_SDK_SK": settings.secret_key},
        "token": {
            "IMAGECACHE_USERNAME": settings.username,
            "IMAGECACHE_PASSWORD": settings.password,
            "IMAGECACHE_DOMAIN_NAME": settings.domain_name,
        },
        "oidc": {
            "HUAWEICLOUD_OIDC_PROVIDER_URN": settings.oidc_provider_urn,
            "HUAWEICLOUD_OIDC_AGENCY_URN": settings.oidc_agency_urn,
            "HUAWEICLOUD_OIDC_TOKEN_FILE": settings.oidc_token_file,
        },
        "pod-identity": {
            "HC_CONTAINER_CREDENTIALS_FULL_URI": settings.pod_identity_uri,
            "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": settings.pod_identity_token_file,
        },
    }
    if settings.credentials_dir is not None and settings.auth in DIRECTORY_WAYS:
        return []
    # In the order of `auto` (interface section 2.1): what is there in part is meant, and told when it does not suffice.
    begun = [needed for way, needed in ways.items() if settings.auth in {"auto", way} and any(needed.values())]
    needed = ways[settings.auth] if settings.auth in ways else begun[0] if begun else {}
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        return [f"{' and '.join(missing)} must be set, too: {', '.join(needed)} belong together."]
    if not needed and not settings.namespaced_credentials:
        return [NONE_SET]
    return []


def _endpoint_faults(settings: Settings) -> list[str]:
    faults = []
    endpoint = settings.cce_endpoint
    if endpoint is not None and REGION_PLACE not in endpoint and not (settings.region or settings.credentials_dir):
        faults.append("IMAGECACHE_CCE_ENDPOINT has no {region} in it, so IMAGECACHE_REGION must be set, too.")
    by_region = (
        (BY_REGION.replace("*", region.upper().replace("-", "_")), template)
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
