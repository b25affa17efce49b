"""What the programs that the operator is compared with have in common: a token of the simulator, and the settings."""

from __future__ import annotations

import json
import os
import urllib.request

ENDPOINT = os.environ.get("IMAGECACHE_CCE_ENDPOINT", "")
NAMESPACE = os.environ.get("IMAGECACHE_NAMESPACES", "")
INTERVAL = float(os.environ.get("IMAGECACHE_ACTIVE_INTERVAL", "1"))

_DOMAIN, _USER, _PROJECT = "example-domain", "example-user", "0123456789abcdef0123456789abcdef"
_PASSWORD = "example-password"  # noqa: S105 (the simulator's made-up user)


def token_headers() -> dict[str, str]:
    """Headers with a token, which outlives any benchmark."""
    user = {"name": _USER, "password": _PASSWORD, "domain": {"name": _DOMAIN}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": {"id": _PROJECT}}}}
    request = urllib.request.Request(  # noqa: S310 (http to the simulator on this machine)
        f"{ENDPOINT}/v3/auth/tokens", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return {"X-Auth-Token": answer.headers["X-Subject-Token"], "Content-Type": "application/json"}
