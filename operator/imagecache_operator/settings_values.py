"""How the text of a setting is read: switches, numbers, lists, addresses.

Each function raises ValueError with the rest of a sentence that begins with the name of the setting. Blanks around a
text do not matter, except in a path: files and manifests bring them along.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

SECONDS_MIN = 0.1
DURATION = 900, 43200
EVERYWHERE = "*"

# Numbers as people write them. `float` and `int` would also take 1_0, 1e3, nan, inf and the digits of other scripts.
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_COUNT = re.compile(r"[0-9]{1,6}")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):(?P<port>[0-9]{1,5})")

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

Address = tuple[str, int]
"""Host (empty: all of this machine) and port."""


def list_of(check: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Reads a comma list whose items pass the check."""

    def read(text: str) -> tuple[str, ...]:
        return tuple(check(item.strip()) for item in text.split(",") if item.strip())

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """Reads one of the words, in any case."""

    def read(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text.strip().lower()

    return read


def read_namespace(text: str) -> str:
    """The name of a namespace."""
    if _NAMESPACE.fullmatch(text) is None:
        raise ValueError("must be * or a comma list of namespaces")
    return text


def read_own_namespace(text: str) -> str:
    """The name of one namespace."""
    if _NAMESPACE.fullmatch(text.strip()) is None:
        raise ValueError("must be the name of a namespace")
    return text.strip()


def read_object_name(text: str) -> str:
    """The name of an object, as most kinds have it (RFC 1123 subdomain)."""
    name = text.strip()
    if len(name) > 253 or not all(_NAMESPACE.fullmatch(part) for part in name.split(".")):
        raise ValueError("must be a name of small letters, digits, hyphens and dots, such as imagecache-operator")
    return name


def read_namespaces(text: str) -> tuple[str, ...] | None:
    """Namespaces; None: everywhere."""
    if text.strip() == EVERYWHERE:
        return None
    found = list_of(read_namespace)(text)
    if not found:
        raise ValueError("must be * or a comma list of namespaces")
    return found


def read_switch(text: str) -> bool:
    """On or off."""
    match text.strip().lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
        case _:
            raise ValueError("must be true or false")


def read_seconds(text: str) -> float:
    """A number of seconds, such as 30 or 0.5."""
    found = _SECONDS.fullmatch(text.strip())
    if found is None or float(found[0]) < SECONDS_MIN:
        raise ValueError("must be a number of seconds, 0.1 at least, such as 30 or 0.5")
    return float(found[0])


def read_count(text: str) -> int:
    """A whole number."""
    found = _COUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError("must be a whole number, 0 for no limit")
    return int(found[0])


def read_address(text: str) -> Address | None:
    """Where to listen; None: off."""
    if text.strip().lower() == "off":
        return None
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ValueError("must be host:port, :port, or off")
    return found["host"].strip("[]"), int(found["port"])


def read_auth(text: str) -> str:
    """Which credentials to use."""
    return one_of("auto", "aksk", "token", "oidc", "pod-identity")(text)


def read_duration(text: str) -> int:
    """How long the keys of a trust agency live, in seconds (cce-api section 7)."""
    found = _COUNT.fullmatch(text.strip())
    least, most = DURATION
    if found is None or not least <= int(found[0]) <= most:
        raise ValueError(f"must be a whole number of seconds from {least} to {most}")
    return int(found[0])


def read_directory(text: str) -> Path:
    """An absolute path."""
    path = Path(text)
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def pod_namespace() -> str | None:
    """The namespace of the pod that this program runs in; None outside of one."""
    try:
        return _POD_NAMESPACE.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
