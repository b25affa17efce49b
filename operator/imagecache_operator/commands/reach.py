"""Whether an endpoint can be reached: name, connection, TLS, HTTP. No credentials are sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from imagecache_operator.clock import read_http_date
from imagecache_operator.cloud.responses import clip
from imagecache_operator.cloud.transport import fetch


@dataclass(frozen=True, slots=True)
class Reached:
    """It answers; `date` is the time it told, None when it did not."""

    status: int
    date: datetime | None


@dataclass(frozen=True, slots=True)
class Unreached:
    """It does not, and how to mend that."""

    told: str
    mend: str


async def reach(http: httpx.AsyncClient, url: str, within: float) -> Reached | Unreached:
    """Go there step by step, and say at which step it ends."""
    address = urlsplit(url)
    host = address.hostname or ""
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        async with asyncio.timeout(within):
            await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            await _connect(host, port, ssl.create_default_context() if address.scheme == "https" else None)
            response = await fetch(http, http.build_request("GET", f"{url}/"), None)
    except TimeoutError:
        return Unreached(
            f"{host}:{port} did not answer within {within:g} s.", "Check firewalls, NetworkPolicies, routes and NAT."
        )
    except (httpx.HTTPError, OSError) as error:
        return _explained(error, host, port)
    return Reached(response.status_code, read_http_date(response.headers.get("Date")))


async def _connect(host: str, port: int, tls: ssl.SSLContext | None) -> None:
    _, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
    writer.close()


def _explained(error: Exception, host: str, port: int) -> Unreached:
    reason = clip(str(error), 256) or type(error).__name__
    match error:
        case socket.gaierror():
            return Unreached(
                f"The name {host} cannot be resolved ({reason}).", "Check the endpoint, the region and DNS."
            )
        case ssl.SSLCertVerificationError():
            return Unreached(
                f"The certificate of {host}:{port} is not trusted: {clip(error.verify_message, 256)}.",
                "Check the endpoint, this machine's clock and certificates (SSL_CERT_FILE), and proxies in between.",
            )
        case ssl.SSLError():
            return Unreached(f"{host}:{port} does not speak TLS as expected ({reason}).", "Check port and proxies.")
        case ConnectionRefusedError():
            return Unreached(f"{host}:{port} refuses connections.", "Check host and port of the endpoint.")
        case _:
            return Unreached(f"{host}:{port} cannot be reached: {reason}.", "Check the endpoint, firewalls and routes.")
