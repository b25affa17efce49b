"""Where CCE, IAM and STS are, and to which hosts credentials may go. Pure rules; facts: cce-api section 8.

A region may come from an ImageCache that a tenant wrote, so every address is judged again right before its use: no
region, template or redirect may lead our credentials to a host that an administrator did not name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from imagecache_operator.identity import Location
from imagecache_operator.spec import REGION_PATTERN

__all__ = [
    "HUAWEI_DOMAINS",
    "EndpointError",
    "Endpoints",
    "Location",
    "cce_endpoint",
    "check_endpoint",
    "check_host_pattern",
    "check_pod_identity_uri",
    "check_region",
    "host_allowed",
    "host_of",
    "host_pattern",
    "iam_endpoint",
    "is_loopback",
    "require_allowed",
    "sts_endpoint",
]

HUAWEI_DOMAINS = ("*.myhuaweicloud.com", "*.myhuaweicloud.eu")
"""Hosts of Huawei Cloud's own endpoints; eu-west-101 is a cloud of its own."""

REGION_PLACE = "{region}"

FIXED_LABELS = 2
"""How many labels of a host must follow `{region}`; domains are registered with two labels at least."""

_MARK = "zz-region-place-zz"
"""Stands for `{region}` while a template is parsed: a region by its form, but one that nobody would write."""

_EU_REGIONS = frozenset({"eu-west-101"})

# Regions without an IAM endpoint of their own use the global one (cce-api section 8).
_IAM_GLOBAL = "https://iam.myhuaweicloud.com"
_IAM_REGIONS = frozenset(
    [
        "ae-ad-1",
        "af-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "cn-east-2",
        "cn-east-3",
        "cn-east-4",
        "cn-east-5",
        "cn-north-1",
        "cn-north-2",
        "cn-north-4",
        "cn-north-9",
        "cn-north-12",
        "cn-south-1",
        "cn-south-2",
        "cn-southwest-2",
        "eu-west-0",
        "la-north-2",
        "la-south-2",
        "me-east-1",
        "my-kualalumpur-1",
        "na-mexico-1",
        "ru-moscow-1",
        "sa-brazil-1",
        "tr-west-1",
    ]
)
_STS_FALLBACK = "https://sts.cn-north-4.myhuaweicloud.com"
_STS_REGIONS = frozenset(
    [
        "af-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "cn-east-3",
        "cn-north-4",
        "cn-south-1",
        "cn-southwest-2",
        "la-south-2",
        "sa-brazil-1",
        "tr-west-1",
    ]
)

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# One strict grammar instead of a lenient parser: two parsers that disagree on where the host ends are how
# credentials go astray.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)/*"
)
_SCHEME_AND_HOST = re.compile(r"[A-Za-z]+://[^/?#@]*")
_QUERY = re.compile(r"[A-Za-z0-9._~&=-]*")
_HOST_PATTERN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})+|{_LABEL}")


class EndpointError(ValueError):
    """An address that must not or cannot be used; the sentence says why and what is allowed."""


class EndpointNotAllowedError(EndpointError):
    """An endpoint that a user's Secret may not name."""


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    host: str
    port: int | None
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def check_region(region: str) -> str:
    """The region, when it is one by its form; raises EndpointError else."""
    if not re.fullmatch(REGION_PATTERN, region):
        raise EndpointError("must be a region such as cn-north-4: lower-case letters, digits and hyphens, at most 63")
    return region


def check_endpoint(text: str) -> str:
    """An endpoint, or a template with `{region}` in it, in its one normal form; raises EndpointError.

    Normal: scheme and host in lower case, no default port, no trailing slash. Without a scheme it is https, as in the
    official SDK. Whether http is allowed is told by `require_allowed`.
    """
    text = text.strip()
    text = text if "://" in text else f"https://{text}"
    text = _SCHEME_AND_HOST.sub(lambda found: found[0].lower(), text, count=1)
    if REGION_PLACE not in text:
        return str(_parse(text))
    parts = _parse(text.replace(REGION_PLACE, _MARK))
    _, in_host, behind = parts.host.rpartition(_MARK)
    if in_host and behind.count(".") < FIXED_LABELS:
        raise EndpointError(
            "must have a fixed domain of at least two labels behind {region}, such as .example.com: whoever writes a "
            "region would choose the domain"
        )
    return str(parts).replace(_MARK, REGION_PLACE)


def check_pod_identity_uri(text: str) -> str:
    """The URI of CCE pod identity, path and all, as it is asked; raises EndpointError.

    The token goes there unencrypted only where it does not leave the node: to this machine, or to a link-local address,
    which no router forwards.
    """
    text = _SCHEME_AND_HOST.sub(lambda found: found[0].lower(), text.strip(), count=1)
    base, _, query = text.partition("?")
    if _QUERY.fullmatch(query) is None:
        raise EndpointError("must be a URL with a plain query, or with none")
    parts = _parse(base)
    if parts.scheme == "http" and not is_loopback(parts.host) and not is_link_local(parts.host):
        raise EndpointError(
            "must be https, or http to this machine or to a link-local address (169.254.0.0/16, fe80::/10): the token "
            "would go over the network for everybody to read"
        )
    return text


def _parse(url: str) -> _Parts:
    found = _URL.fullmatch(url)
    if found is None:
        raise EndpointError(
            "must be a URL such as https://cce.{region}.myhuaweicloud.com: https, a host, at most a port and a simple "
            "path; without user, query and fragment, and with no braces but {region}"
        )
    host = found["host"].strip("[]")
    if not _is_address(host) and (_HOST.fullmatch(host) is None or host.rsplit(".", 1)[-1][0].isdigit()):
        raise EndpointError("must have a host name or an IP address in its usual form")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= 65535:
        raise EndpointError("must have a port from 1 to 65535")
    default = {"https": 443, "http": 80}[found["scheme"]]
    return _Parts(found["scheme"], host, None if port == default else port, found["path"])


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def host_of(url: str) -> str:
    """The host of an endpoint or template in normal form, in lower case and without brackets."""
    return _parse(check_endpoint(url).replace(REGION_PLACE, "zz")).host


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its name or address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_link_local(host: str) -> bool:
    """Whether the host is an address that no router forwards."""
    return _is_address(host) and ipaddress.ip_address(host).is_link_local


def host_pattern(template: str) -> str:
    """The pattern of the hosts that a template leads to; `{region}` stands for one label or a part of it."""
    parts = _parse(check_endpoint(template).replace(REGION_PLACE, _MARK))
    return parts.host.replace(_MARK, "*")


def check_host_pattern(text: str) -> str:
    """A host that may be named in IMAGECACHE_ALLOWED_ENDPOINTS: a name, an address, or `*.` and a domain.

    Raises EndpointError for anything else, above all for a `*` that lets everything through.
    """
    pattern = text.strip().lower().strip("[]")
    if not _is_address(pattern) and _HOST_PATTERN.fullmatch(pattern) is None:
        raise EndpointError(
            "must be a comma list of hosts such as cce.example.com or *.example.com, without scheme, port and path"
        )
    return pattern


def host_allowed(host: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns covers the host: a leading `*.` any depth below, another `*` a part of a label."""
    return any(_covers(pattern, host) for pattern in patterns)


def _covers(pattern: str, host: str) -> bool:
    if "*" not in pattern:
        return host == pattern
    deep = pattern.startswith("*.")
    rest = re.escape(pattern[2:] if deep else pattern).replace(r"\*", "[a-z0-9-]+")
    return re.fullmatch((r"(?:[a-z0-9-]+\.)+" if deep else "") + rest, host) is not None


def require_allowed(url: str, patterns: Iterable[str], allow_http: bool) -> str:
    """The endpoint in normal form, when credentials may be sent there.

    Args:
        url: an endpoint without a place for the region.
        patterns: the hosts allowed, see `host_allowed`.
        allow_http: whether http is allowed to hosts other than this machine.

    Raises:
        EndpointError: no URL, http where it is not allowed, or a host that no pattern covers.
    """
    parts = _parse(check_endpoint(url))
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.host):
        raise EndpointError(
            f"The endpoint {parts} is http, which would show the credentials to everybody on the way: use https, or "
            "set IMAGECACHE_ALLOW_HTTP=true."
        )
    if not host_allowed(parts.host, patterns):
        raise EndpointError(
            f"The host {parts.host} is not among those to which credentials may be sent: name it in the operator's "
            "settings."
        )
    return str(parts)


def cce_endpoint(template: str | None, default_region: str | None, region: str) -> str:
    """The endpoint of CCE in a region.

    Args:
        template: as set by an administrator; None: Huawei's own.
        default_region: for which a template without `{region}` holds.
        region: the one asked for; not trusted.

    Raises:
        EndpointError: no region by its form, or one for which the template does not hold.
    """
    _require_region(region)
    if template is None:
        return f"https://cce.{region}.{_domain(region)}"
    if REGION_PLACE not in template and region != default_region:
        raise EndpointError(
            f"The CCE endpoint set has no {{region}} in it, so it holds for region {default_region} only, not for "
            f"{region}: put {{region}} into it, or leave it out for Huawei Cloud's own endpoints."
        )
    return _fill(template, region)


def iam_endpoint(template: str | None, region: str) -> str:
    """The endpoint of IAM for a region; a template without `{region}` holds for all. Raises EndpointError."""
    _require_region(region)
    if template is not None:
        return _fill(template, region)
    if region in _EU_REGIONS:
        # Not documented; but the global endpoint would hand European credentials to another cloud.
        return f"https://iam.{region}.{_domain(region)}"
    return f"https://iam.{region}.{_domain(region)}" if region in _IAM_REGIONS else _IAM_GLOBAL


def sts_endpoint(template: str | None, region: str) -> str:
    """The endpoint of STS for a region; a template without `{region}` holds for all. Raises EndpointError."""
    _require_region(region)
    if template is not None:
        return _fill(template, region)
    known = region in _STS_REGIONS or region in _EU_REGIONS
    return f"https://sts.{region}.{_domain(region)}" if known else _STS_FALLBACK


def _require_region(region: str) -> None:
    try:
        check_region(region)
    except EndpointError as error:
        raise EndpointError(f"The region {error}.") from None


def _domain(region: str) -> str:
    return "myhuaweicloud.eu" if region in _EU_REGIONS else "myhuaweicloud.com"


def _fill(template: str, region: str) -> str:
    return check_endpoint(template).replace(REGION_PLACE, region)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where one set of credentials may be used.

    `region` is the one for which a CCE endpoint without `{region}` holds; the templates are None for Huawei's own
    endpoints; `cce_by_region` serves regions for which `cce_template` does not hold; `allowed` are the hosts beside
    those of the templates.
    """

    region: str | None = None
    cce_template: str | None = None
    iam_template: str | None = None
    sts_template: str | None = None
    cce_by_region: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = HUAWEI_DOMAINS
    allow_http: bool = False

    def cce(self, region: str) -> str:
        """The base URL of CCE, without a trailing slash; raises EndpointError when it must not be used."""
        template = self.cce_template
        elsewhere = template is None or (REGION_PLACE not in template and region != self.region)
        if elsewhere and region in self.cce_by_region:
            return self._require(cce_endpoint(self.cce_by_region[region], region, region))
        return self._require(cce_endpoint(self.cce_template, self.region, region))

    def iam(self, region: str) -> str:
        """The base URL of IAM, without a trailing slash; raises EndpointError when it must not be used."""
        return self._require(iam_endpoint(self.iam_template, region))

    def sts(self, region: str) -> str:
        """The base URL of STS, without a trailing slash; raises EndpointError when it must not be used."""
        return self._require(sts_endpoint(self.sts_template, region))

    def overridden(self, *, region: str | None, cce: str | None, iam: str | None) -> Endpoints:
        """With what a credentials directory of the operator says; None leaves what is set."""
        return replace(
            self,
            # An endpoint and its region come from the same hand: the settings' region is none for the directory's
            # endpoint when the directory names another.
            region=(region or self.region) if cce is not None else self.region,
            cce_template=cce or self.cce_template,
            iam_template=iam or self.iam_template,
        )

    def named_by_secret(self, *, region: str | None, cce: str | None, iam: str | None) -> Endpoints:
        """With what a Secret of a user's namespace says, who is not trusted: https to allowed hosts, never loopback.

        Raises:
            EndpointNotAllowedError: the Secret names an endpoint that it may not name.
        """
        for url in (cce, iam):
            if url is None:
                continue
            parts = _parse(check_endpoint(url).replace(REGION_PLACE, _MARK))
            if parts.scheme != "https" or is_loopback(parts.host):
                raise EndpointNotAllowedError(
                    f"The endpoint {url} in the Secret must be https, and not of the operator's machine."
                )
            if not host_allowed(parts.host.replace(_MARK, "zz"), self.hosts()):
                raise EndpointNotAllowedError(
                    f"The host {host_pattern(url)} in the Secret is not among those to which credentials may be sent; "
                    "an administrator can allow it with IMAGECACHE_ALLOWED_ENDPOINTS."
                )
        return self.overridden(region=region, cce=cce, iam=iam)

    def hosts(self) -> tuple[str, ...]:
        """The patterns of all hosts to which the credentials may go."""
        templates = (self.cce_template, self.iam_template, self.sts_template, *self.cce_by_region.values())
        return (*self.allowed, *(host_pattern(template) for template in templates if template is not None))

    def _require(self, url: str) -> str:
        return require_allowed(url, self.hosts(), self.allow_http)
