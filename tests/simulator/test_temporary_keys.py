"""Temporary keys for pods: who gets them, and that they end."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest

from cce_simulator.scenario import DEFAULT_ACCOUNTS, AccessKeySeed
from cce_simulator.testing import DEFAULT_AGENCY, Reply, RunningSimulator

CACHES = "/v5/imagecaches"
GOOD = DEFAULT_AGENCY.tokens[0]
ASKED = {
    "provider_urn": DEFAULT_AGENCY.provider_urn,
    "agency_urn": DEFAULT_AGENCY.urn,
    "agency_session_name": "a-session",
    "id_token": GOOD,
}


def by_pod(cloud: RunningSimulator, token: str = GOOD) -> Reply:
    """As a pod with pod identity asks."""
    return cloud.send("POST", "/v1/credentials", b"{}", {"Authorization": token})


def by_oidc(cloud: RunningSimulator, **changes: Any) -> Reply:
    """As STS is asked."""
    return cloud.send("POST", "/v5/agencies/assume-with-oidc", json.dumps(ASKED | changes).encode())


def key_in(reply: Reply) -> AccessKeySeed:
    """The key of either answer."""
    assert reply.status == 200, reply.body
    found = reply.json["credentials"]
    if "accessKeyId" in found:
        names = ("accessKeyId", "secretAccessKey", "securityToken")
    else:
        names = ("access_key_id", "secret_access_key", "security_token")
    access_key, secret_key, token = (found[name] for name in names)
    return AccessKeySeed(access_key=access_key, secret_key=secret_key, security_token=token)


def life_in(cloud: RunningSimulator, reply: Reply) -> float:
    """Seconds until the key ends, by its own word."""
    end = dt.datetime.fromisoformat(reply.json["credentials"]["expiration"])
    return round(end.timestamp() - cloud.clock.wall(), 3)


def test_the_answer_to_a_pod(cloud: RunningSimulator) -> None:
    """A key in camel case, whose it is, and for how long."""
    reply = by_pod(cloud)
    key_in(reply)
    assert reply.json["podIdentityAssociationId"] == DEFAULT_AGENCY.association_id
    assert reply.json["subject"] == {"namespace": "imagecache-system", "serviceAccount": "imagecache-operator"}
    assert reply.json["assumedAgency"]["urn"] == DEFAULT_AGENCY.urn
    assert life_in(cloud, reply) == 3600


@pytest.mark.parametrize(("asked", "life"), [(None, 3600), (900, 900), (7200, 3600)])
def test_the_answer_of_sts(cloud: RunningSimulator, asked: int | None, life: float) -> None:
    """A key in snake case, for as long as was asked for, up to the limit of the settings."""
    reply = by_oidc(cloud, **({} if asked is None else {"duration_seconds": asked}))
    key_in(reply)
    assert reply.json["assumed_agency"]["urn"] == DEFAULT_AGENCY.urn
    assert life_in(cloud, reply) == life


@pytest.mark.parametrize("way", [by_pod, by_oidc])
def test_a_key_opens_the_account_until_its_end(cloud: RunningSimulator, way: Any) -> None:
    """Good for its hour, and with its security token alone; then 401. A later key does not end the first one."""
    cloud.seed("a")
    key = key_in(way(cloud))
    assert cloud.signed("GET", CACHES, key=key).json["image_caches"][0]["name"] == "a"
    bare = dataclasses.replace(key, security_token=None)
    assert cloud.signed("GET", CACHES, key=bare).status == 401
    cloud.clock.advance(3599)
    key_in(way(cloud))
    assert cloud.signed("GET", CACHES, key=key).status == 200
    cloud.clock.advance(1)
    ended = cloud.signed("GET", CACHES, key=key)
    assert (ended.status, ended.json["error_code"]) == (401, "APIGW.0301")
    assert "expired" in ended.json["error_msg"]


def test_short_lives_and_sudden_ends(cloud: RunningSimulator) -> None:
    """The settings shorten lives, the time scale does, and all keys can be ended at once."""
    cloud.set(temporary_key_seconds=10)
    assert life_in(cloud, by_oidc(cloud, duration_seconds=900)) == 10
    cloud.set(timing={"time_scale": 5})
    reply = by_pod(cloud)
    assert life_in(cloud, reply) == 2
    cloud.set(expire_temporary_keys=True)
    assert cloud.signed("GET", CACHES, key=key_in(reply)).status == 401
    assert [key["expires_in_seconds"] for key in cloud.control("GET", "state")["temporary_keys"]] == [0, 0]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"id_token": "stale"}, 401),
        ({"provider_urn": "iam::x:oidc-provider:other"}, 403),
        ({"agency_urn": "iam::x:agency:other"}, 403),
        ({"duration_seconds": 899}, 400),
        ({"duration_seconds": 43201}, 400),
        ({"agency_session_name": ""}, 400),
        ({"id_token": 5}, 400),
    ],
)
def test_what_sts_refuses(cloud: RunningSimulator, changes: dict[str, Any], status: int) -> None:
    """In the shape of STS: code and sentence."""
    reply = by_oidc(cloud, **changes)
    assert reply.status == status
    assert set(reply.json) == {"error_code", "error_msg"}
    assert cloud.control("GET", "state")["temporary_keys"] == []


def test_tokens_are_replaced_and_agencies_changed(cloud: RunningSimulator) -> None:
    """A token that is not in the list any more is refused; so is an agency that is off, or bound to nobody."""

    def change(**fields: Any) -> None:
        cloud.set(agencies={DEFAULT_AGENCY.urn: fields})

    change(tokens=["next"])
    assert [by_pod(cloud).status, by_pod(cloud, "Bearer next").status, by_pod(cloud, "next").status] == [401, 401, 200]
    change(enabled=False)
    assert [by_pod(cloud, "next").status, by_oidc(cloud, id_token="next").status] == [403, 403]
    change(enabled=True, association_id=None)
    assert [by_pod(cloud, "next").status, by_oidc(cloud, id_token="next").status] == [401, 200]


def test_what_is_denied_to_an_agency_is_denied_to_keys_that_are_out(cloud: RunningSimulator) -> None:
    """Permissions are looked up with each call."""
    key = key_in(by_pod(cloud))
    cloud.set(agencies={DEFAULT_AGENCY.urn: {"denied_actions": ["cce:imageCache:list"]}})
    assert cloud.signed("GET", CACHES, key=key).status == 403


def test_faults_hit_both_ways_by_their_names(cloud: RunningSimulator) -> None:
    """A fault of the one is none of the other."""
    cloud.fault("status", status=503, operation="AssumeAgencyWithOIDC", times=1)
    cloud.fault("status", status=500, operation="AssumeAgencyForPodIdentity", times=1)
    assert [by_pod(cloud).status, by_oidc(cloud).status] == [500, 503]
    assert [by_pod(cloud).status, by_oidc(cloud).status] == [200, 200]


def test_the_account_of_a_temporary_key(cloud: RunningSimulator) -> None:
    """The look-ups answer it as any other key."""
    key = key_in(by_oidc(cloud))
    assert cloud.signed("GET", "/v5/caller-identity", key=key).json["account_id"] == DEFAULT_ACCOUNTS[0].domain_id
