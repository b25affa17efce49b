"""A request as the rest of the simulator sees it, and the name of what it asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote

CACHES_PATH = "/v5/imagecaches"

_OPERATIONS = {
    ("POST", CACHES_PATH): "CreateImageCache",
    ("GET", CACHES_PATH): "ListImageCaches",
    ("POST", "/v3/auth/tokens"): "CreateToken",
    ("GET", "/v3/projects"): "ListProjects",
    ("GET", "/v3/auth/domains"): "ListDomains",
    ("GET", "/v5/caller-identity"): "GetCallerIdentity",
    ("POST", "/v5/agencies/assume-with-oidc"): "AssumeAgencyWithOIDC",
    # In a pod HC_CONTAINER_CREDENTIALS_FULL_URI names it; which path it has there is not on the sheet.
    ("POST", "/v1/credentials"): "AssumeAgencyForPodIdentity",
}
_ONE_CACHE = {"GET": "ShowImageCache", "DELETE": "DeleteImageCache"}

WRITES = frozenset({"CreateImageCache", "DeleteImageCache"})
# Section 9.
ACTIONS = {
    "CreateImageCache": "cce:imageCache:create",
    "ListImageCaches": "cce:imageCache:list",
    "ShowImageCache": "cce:imageCache:get",
    "DeleteImageCache": "cce:imageCache:delete",
    "ListProjects": "iam:projects:list",
}
UNKNOWN_OPERATION = "Unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class Incoming:
    """One API request, body included."""

    method: str
    # Path and query as on the wire, still percent-encoded.
    path: str
    query: str
    # Case-insensitive.
    headers: Mapping[str, str]
    body: bytes
    operation: str
    cache_id: str | None

    def parameter(self, name: str) -> str | None:
        """The first query parameter of that name."""
        values = parse_qs(self.query, keep_blank_values=True).get(name)
        return values[0] if values else None


def read_incoming(method: str, raw_path: str, headers: Mapping[str, str], body: bytes) -> Incoming:
    """Name the operation. A path or method nobody publishes is `Unknown` (section 3: APIGW.0101)."""
    path, _, query = raw_path.partition("?")
    operation, cache_id = _OPERATIONS.get((method, path)), None
    if operation is None and path.startswith(CACHES_PATH + "/"):
        segment = path[len(CACHES_PATH) + 1 :]
        if segment and "/" not in segment:
            operation, cache_id = _ONE_CACHE.get(method), unquote(segment)
    return Incoming(method, path, query, headers, body, operation or UNKNOWN_OPERATION, cache_id)
