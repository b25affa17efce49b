"""What the tests of temporary keys share: a token file, and both ways to keys of the simulator's agency."""

from __future__ import annotations

from pathlib import Path

from cce_simulator.testing import DEFAULT_AGENCY, RunningSimulator
from imagecache_operator.cloud.credentials import OidcAgency, PodIdentity

GOOD = DEFAULT_AGENCY.tokens[0]
URN = DEFAULT_AGENCY.urn
ASSOCIATION = f"pod-identity/{DEFAULT_AGENCY.association_id}"
POD, OIDC = "pod identity", "trust agency"
OPERATION = {POD: "AssumeAgencyForPodIdentity", OIDC: "AssumeAgencyWithOIDC"}
NAME = {POD: ASSOCIATION, OIDC: URN}


def source_of(way: str, cloud: RunningSimulator, token_file: Path) -> PodIdentity | OidcAgency:
    """Where the keys come from, as the settings would say it."""
    if way == POD:
        return PodIdentity(f"{cloud.url}/v1/credentials", token_file)
    return OidcAgency(str(DEFAULT_AGENCY.provider_urn), URN, token_file, "a-session", 3600)


def replace_token(token_file: Path, cloud: RunningSimulator, token: str) -> None:
    """As the kubelet and IAM do: a new token in the file, and the old one is good no more."""
    fresh = token_file.with_suffix(".new")
    fresh.write_text(token, encoding="utf-8")
    fresh.rename(token_file)
    cloud.set(agencies={URN: {"tokens": [token]}})


def issued(cloud: RunningSimulator) -> int:
    """How many keys were given out."""
    return len(cloud.control("GET", "state")["temporary_keys"])
