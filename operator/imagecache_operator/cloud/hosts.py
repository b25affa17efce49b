"""Addresses by their form, and to which hosts credentials may go. Pure rules.

Credentials follow an address, so an address is one in a strict form or none at all, and it is judged again right before
its use: whatever led to it, they go to no host that an administrator did not name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

REGION_PLACE = "{region}"

FIXED_LABELS = 2
"""How many labels of a host must follow `{region}`; domains are registered with two labels at least."""

_MARK = "zz-region-place-zz"
"""Stands for `{region}` while a template is parsed: a region by its form, but one that nobody would write."""

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
