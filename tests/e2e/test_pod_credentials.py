"""Temporary keys, with real programs: they end again and again, the token file is replaced, and the work goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.probes import ShiftedClock

from imagecache_playground.cluster import Cluster, condition
from imagecache_playground.operator_process import Operator
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

ACCOUNT = "d0123456789abcdef0123456789abcde"
AGENCY = f"iam::{ACCOUNT}:agency:imagecache-operator"
PROVIDER = f"iam::{ACCOUNT}:oidc-provider:example-cluster"
TOKEN = "example-token"
LIFE = 3.0
POD, OIDC = "pod-identity", "oidc"
CREDENTIAL = {POD: "pod-identity/a1b2c3d4-0000-4000-8000-000000000001", OIDC: AGENCY}


class Pod:
    """The operator with a token file, as in a pod, and the simulator that takes its token."""

    def __init__(self, world: Surroundings, token_file: Path, way: str) -> None:
        self.world = world
        self.token_file = token_file
        self.way = way
        self.tokens = [TOKEN]
        self.put_token(TOKEN)

    def start(self, **changes: str) -> Operator:
        """The operator, with nothing but what a pod has: `auto` finds the rest."""
        settings = {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": "", **changes}
        if self.way == POD:
            settings |= {
                "HC_CONTAINER_CREDENTIALS_FULL_URI": f"{self.world.cloud.endpoint}/v1/credentials",
                "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self.token_file),
            }
        else:
            settings |= {
                "HUAWEICLOUD_OIDC_PROVIDER_URN": PROVIDER,
                "HUAWEICLOUD_OIDC_AGENCY_URN": AGENCY,
                "HUAWEICLOUD_OIDC_TOKEN_FILE": str(self.token_file),
            }
        return self.world.operator(**settings)

    def put_token(self, token: str) -> None:
        """A new token in the file, in one step."""
        fresh = self.token_file.with_suffix(".new")
        fresh.write_text(token, encoding="utf-8")
        fresh.rename(self.token_file)
        self.tokens.append(token)

    def expire_token(self, successor: str) -> None:
        """The cloud takes another token from now on."""
        self.world.cloud.settings(agencies={AGENCY: {"tokens": [successor]}})

    @property
    def keys(self) -> list[dict[str, Any]]:
        """The keys that were given out."""
        return list(self.world.cloud.control("GET", "state")["temporary_keys"])

    def wait_renewed(self, times: int) -> None:
        """Until so many more keys were given out."""
        wanted = len(self.keys) + times
        wait_for(lambda: len(self.keys) >= wanted, what=f"{wanted} keys are out", seconds=20, stand=lambda: self.keys)


@pytest.fixture(params=[POD, OIDC])
def pod(
    request: pytest.FixtureRequest, surroundings: Callable[..., Surroundings], cluster: Cluster, tmp_path: Path
) -> Pod:
    """Keys that live for three seconds."""
    scenario = {"temporary_key_seconds": LIFE, "timing": {"delete_seconds": 2 * LIFE}, "writes_per_minute": 0}
    return Pod(surroundings(cluster, scenario), tmp_path / "token", request.param)


def test_keys_end_and_tokens_are_replaced_all_the_time(pod: Pod) -> None:
    """A cache is seen and deleted, over several keys and tokens, under one identity and without a single refusal."""
    world = pod.world
    operator = pod.start()
    cache_id = world.bind()
    world.wait_reason("Available")
    for number in range(2):
        pod.put_token(f"token-{number}")
        pod.expire_token(f"token-{number}")
        pod.wait_renewed(1)
    world.delete()
    pod.wait_renewed(1)
    held = world.get()
    assert held is not None
    assert held["status"]["seenBy"]["credential"] == CREDENTIAL[pod.way]
    assert held["status"]["seenBy"]["accountID"] == ACCOUNT
    world.wait_gone()
    assert world.cloud.cache(cache_id) is None
    assert len(world.deletes(cache_id)) == 1
    assert [
        call for call in world.cloud.calls() if (call["status"] or 0) >= 400 and call["operation"] != "ShowImageCache"
    ] == []
    users = {call["credential"] for call in world.cloud.calls("ListImageCaches")}
    assert len(users) >= 3
    said = operator.program.said()
    assert [secret for secret in (*pod.tokens, *(key["access_key"] for key in pod.keys)) if secret in said] == []


def test_the_clock_is_ten_minutes_behind(pod: Pod, tmp_path: Path) -> None:
    """The cloud minds no such clock, and keys that live for seconds are renewed in time all the same."""
    pod.world.bind()
    pod.start(**ShiftedClock(tmp_path / "clock", -10).settings)
    pod.world.wait_reason("Available")
    pod.wait_renewed(2)
    assert [call for call in pod.world.cloud.calls() if call["status"] == 401] == []


def test_the_clock_is_twenty_minutes_off(pod: Pod, tmp_path: Path) -> None:
    """The condition says by how much; once the clock is set, the work goes on within seconds, by itself."""
    world, clock = pod.world, ShiftedClock(tmp_path / "clock", -20)
    cache_id = world.bind()
    pod.start(**clock.settings)
    message = condition(world.wait_stalled("CredentialsInvalid"), "Stalled")["message"]
    assert "the clock of the operator's machine is 20 min behind the cloud's, and 15 min are allowed" in message
    world.delete()
    refused = [call for call in world.cloud.calls() if call["status"] == 401]
    assert 1 <= len(refused) <= 3
    clock.set(0)
    world.wait_gone(seconds=10 + 2 * LIFE)
    assert world.cloud.cache(cache_id) is None
    assert [call for call in world.cloud.calls() if call["status"] == 401] == refused


def test_a_token_that_is_not_replaced(pod: Pod) -> None:
    """After the end of the last key: held and Stalled, with the file's name; a new token, and the deletion ends."""
    world = pod.world
    pod.start()
    cache_id = world.bind()
    world.wait_reason("Available")
    pod.expire_token("the-next")
    stalled = world.wait_stalled("CredentialsInvalid")
    assert str(pod.token_file) in condition(stalled, "Stalled")["message"]
    world.delete()
    world.wait(lambda it: condition(it, "Stalled").get("observedGeneration") == 2, what="it is held, and says so")
    assert world.cloud.cache(cache_id) is not None
    pod.put_token("the-next")
    world.wait_gone(seconds=10 + 2 * LIFE)
    assert world.cloud.cache(cache_id) is None
    refused = [
        call for call in world.cloud.calls() if call["status"] == 401 and not call["operation"].startswith("Assume")
    ]
    assert len(refused) <= 1


def test_the_issuer_is_away_for_a_while(pod: Pod) -> None:
    """Told as CloudUnavailable, and over by itself when the issuer is back."""
    world = pod.world
    cache_id = world.bind()
    for operation in ("AssumeAgencyForPodIdentity", "AssumeAgencyWithOIDC"):
        world.cloud.fault("status", status=503, operation=operation)
    pod.start()
    world.wait_reason("CloudUnavailable")
    world.cloud.clear_faults()
    world.wait_reason("Available")
    world.delete()
    world.wait_gone()
    assert world.cloud.cache(cache_id) is None
