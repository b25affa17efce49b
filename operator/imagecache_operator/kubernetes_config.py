"""Access to the API server: in the cluster by its service account, else by KUBECONFIG, as kubectl reads it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kopf
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

RELOGIN_PAUSE = 1.0
"""Seconds before a token that the API server refused is offered again; kopf would ask without a pause."""

REREAD = 60.0
"""Seconds after which a kubeconfig with a token is read again: a file may hold the next one, or a plugin give it."""

REREAD_TIMEOUT = 15.0
"""Seconds for that, plugins included."""

_TOKEN = "BearerToken"  # noqa: S105 (the library's name for it)

logger = logging.getLogger(__name__)

_LIBRARY = logging.getLogger("kubernetes.aio.config.kube_config")
"""Where the library says what it meets in a kubeconfig."""


class KubernetesConfigError(Exception):
    """There is no usable access to an API server; the sentence says what to do."""


async def load_configuration() -> Configuration:
    """The configuration of the first way that is there.

    Raises:
        KubernetesConfigError: neither a service account nor a kubeconfig can be used.
    """
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        await _load_kubeconfig(configuration)
        if _TOKEN in configuration.api_key:
            configuration.refresh_api_key_hook = _Renewal().renew  # type: ignore[assignment]
    # Told once: aiohttp would look for a proxy in the environment before each request, in a thread.
    configuration.proxy = configuration.proxy or _proxy_for(configuration.host)
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


class _Renewal:
    """Takes the token over from the kubeconfig every now and then; the library reads it once."""

    def __init__(self) -> None:
        self._next = asyncio.get_running_loop().time() + REREAD
        self._complaint = ""

    async def renew(self, configuration: Configuration) -> None:
        """Called before each request; those that come meanwhile go with the former token."""
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        self._next = now + REREAD
        fresh = Configuration()
        try:
            async with asyncio.timeout(REREAD_TIMEOUT):
                await _load_kubeconfig(fresh)
        except (KubernetesConfigError, TimeoutError) as error:
            complaint = str(error) or "a plugin did not answer in time."
        else:
            complaint = "" if _TOKEN in fresh.api_key else "the kubeconfig has none any more."
            configuration.api_key |= fresh.api_key
        if complaint and complaint != self._complaint:
            logger.warning("The token for the API server cannot be read again, and is used on: %s", complaint)
        self._complaint = complaint


async def _load_kubeconfig(configuration: Configuration) -> None:
    with _held_back() as said:
        try:
            # Named here: the library takes an empty KUBECONFIG for a file without a name.
            files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
            await load_kube_config(config_file=files, client_configuration=configuration)  # type: ignore[no-untyped-call]
            _check_certificates(configuration)
        except (ConfigException, yaml.YAMLError, OSError, ValueError) as error:
            # What it warned of is the cause, and what it raised follows from it.
            reasons = [record.getMessage() for record in said if record.levelno >= logging.WARNING] or [str(error)]
            raise _unusable("; ".join(reasons)) from None
        except (AttributeError, KeyError, TypeError) as error:
            # The library takes the form for granted; what it stumbles over tells a person nothing.
            raise _unusable("it does not have the form of a kubeconfig") from error


def _check_certificates(configuration: Configuration) -> None:
    try:
        RESTClientObject(configuration)  # reads them, as each client does
    except OSError as error:
        raise ValueError(f"its certificates or keys: {error}") from None


def _unusable(reason: str) -> KubernetesConfigError:
    # Errors of the YAML parser have several lines.
    reason = " ".join(_without_entries(reason).split())
    return KubernetesConfigError(
        f"No access to a Kubernetes API server: not in a pod, and the kubeconfig cannot be used ({reason}). Set "
        "KUBECONFIG to a kubeconfig file that kubectl can use."
    )


def _without_entries(text: str) -> str:
    """The library names an entry of a kubeconfig by all that is in it, tokens and passwords included."""
    return re.sub(r"\{.*\}", "{...}", text, flags=re.DOTALL)


@contextlib.contextmanager
def _held_back() -> Iterator[list[logging.LogRecord]]:
    """What the library logs waits until it has succeeded; after a failure our one sentence tells it."""
    said: list[logging.LogRecord] = []

    def hold(record: logging.LogRecord) -> bool:
        record.msg, record.args = _without_entries(record.getMessage()), ()
        said.append(record)
        return False

    _LIBRARY.addFilter(hold)
    try:
        yield said
    finally:
        _LIBRARY.removeFilter(hold)
    for record in said:
        _LIBRARY.handle(record)


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for that address."""
    address = urlsplit(url)
    if urllib.request.proxy_bypass(address.netloc.rpartition("@")[2]):
        return None
    return urllib.request.getproxies().get(address.scheme)


class Login:
    """The login handler that gives kopf the same access."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._offered: str | None = None

    async def log_in(self, **_: Any) -> kopf.ConnectionInfo:
        """Called by kopf at the start, and whenever the API server has refused the last credentials."""
        settings = await self._configuration.auth_settings()
        header: str = settings.get("BearerToken", {}).get("value") or ""
        scheme, _separator, token = header.partition(" ")
        if self._offered == token:
            await asyncio.sleep(RELOGIN_PAUSE)
        self._offered = token
        return kopf.ConnectionInfo(
            server=self._configuration.host,
            ca_path=self._configuration.ssl_ca_cert,
            ca_data=self._configuration.ca_cert_data,
            insecure=not self._configuration.verify_ssl,
            scheme=scheme if token else None,
            token=token or None,
            certificate_path=self._configuration.cert_file,
            private_key_path=self._configuration.key_file,
        )
