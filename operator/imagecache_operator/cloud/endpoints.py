"""Where CCE, IAM and STS are. Pure rules; facts: cce-api section 8.

A region may come from an ImageCache that a tenant wrote: no region and no template may lead our credentials to a host
that an administrator did not name (`hosts`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from imagecache_operator.cloud.hosts import (
    REGION_PLACE,
    EndpointError,
    check_endpoint,
    host_allowed,
    host_of,
    host_pattern,
    is_loopback,
    require_allowed,
)
from imagecache_operator.spec import REGION_PATTERN

HUAWEI_DOMAINS = ("*.myhuaweicloud.com", "*.myhuaweicloud.eu")
"""Hosts of Huawei Cloud's own endpoints; eu-west-101 is a cloud of its own."""

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


class EndpointNotAllowedError(EndpointError):
    """An endpoint that a user's Secret may not name."""


def check_region(region: str) -> str:
    """The region, when it is one by its form; raises EndpointError else."""
    if not re.fullmatch(REGION_PATTERN, region):
        raise EndpointError("must be a region such as cn-north-4: lower-case letters, digits and hyphens, at most 63")
    return region


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
            host = host_of(url)
            if not check_endpoint(url).startswith("https://") or is_loopback(host):
                raise EndpointNotAllowedError(
                    f"The endpoint {url} in the Secret must be https, and not of the operator's machine."
                )
            if not host_allowed(host, self.hosts()):
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
