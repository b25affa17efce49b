"""What doctor finds in the cloud, against a simulator in this process."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from tests.cloud.kit import SimulatorsClock, TurnedClock, calls

from cce_simulator.testing import DEFAULT_KEY, DEFAULT_PROJECT, RunningSimulator
from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.transport import open_client
from imagecache_operator.commands.doctor_cloud import NOBODYS_ID, judge_delete, look_at_cloud
from imagecache_operator.commands.findings import Finding, Outcome
from imagecache_operator.commands.reach import Unreached, reach
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.settings_loading import load_settings

ACCOUNT, LIST, GET, DELETE = "account", *(f"permission cce:imageCache:{verb}" for verb in ("list", "get", "delete"))
WRONG = "SKWRONG-SECRET"


def environment(cloud: RunningSimulator, changes: Mapping[str, str]) -> dict[str, str]:
    """Settings for the simulator; an empty text takes one away."""
    settings = {
        "IMAGECACHE_REGION": DEFAULT_PROJECT.name,
        "IMAGECACHE_CCE_ENDPOINT": cloud.url,
        "IMAGECACHE_IAM_ENDPOINT": cloud.url,
        "IMAGECACHE_STS_ENDPOINT": cloud.url,
        "IMAGECACHE_REQUEST_TIMEOUT": "3",
        "HUAWEICLOUD_SDK_AK": DEFAULT_KEY.access_key,
        "HUAWEICLOUD_SDK_SK": DEFAULT_KEY.secret_key,
    }
    return settings | dict(changes)


USER = {
    "HUAWEICLOUD_SDK_AK": "",
    "HUAWEICLOUD_SDK_SK": "",
    "IMAGECACHE_USERNAME": "example-user",
    "IMAGECACHE_PASSWORD": "example-password",
    "IMAGECACHE_DOMAIN_NAME": "example-domain",
}


async def examined(
    cloud: RunningSimulator,
    changes: Mapping[str, str] = MappingProxyType({}),
    *,
    clock: Clock | None = None,
    try_delete: bool = False,
) -> dict[str, Finding]:
    """All findings by what was looked at."""
    settings, _ = load_settings({}, environment(cloud, changes))
    found = look_at_cloud(settings, clock or SimulatorsClock(cloud), try_delete=try_delete)
    return {finding.check: finding async for finding in found}


def refusals(cloud: RunningSimulator) -> int:
    """How many calls were answered with 401."""
    return sum(call["status"] == 401 for call in cloud.control("GET", "calls")["calls"])


def outcomes(found: dict[str, Finding]) -> list[Outcome]:
    """How the checks that use credentials went."""
    return [found[check].outcome for check in (ACCOUNT, LIST, GET, DELETE)]


OK, FAILED, SKIPPED = Outcome.OK, Outcome.FAILED, Outcome.SKIPPED


@pytest.mark.parametrize("who", [{}, USER], ids=["key", "user"])
async def test_all_is_well(cloud: RunningSimulator, who: dict[str, str]) -> None:
    """Each permission is used once, the one to delete only when told to."""
    assert outcomes(await examined(cloud, who)) == [OK, OK, OK, SKIPPED]
    assert "DeleteImageCache" not in calls(cloud)
    assert outcomes(await examined(cloud, who, try_delete=True)) == [OK, OK, OK, OK]
    [delete] = [call for call in cloud.control("GET", "calls")["calls"] if call["operation"] == "DeleteImageCache"]
    assert delete["cache_id"] == NOBODYS_ID


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"HUAWEICLOUD_SDK_SK": WRONG}, id="wrong secret"),
        pytest.param({"HUAWEICLOUD_SDK_SK": WRONG, "IMAGECACHE_PROJECT_ID": DEFAULT_PROJECT.id}, id="project set"),
        pytest.param(USER | {"IMAGECACHE_PASSWORD": WRONG}, id="wrong password"),
    ],
)
async def test_wrong_credentials_are_tried_once(cloud: RunningSimulator, changes: dict[str, str]) -> None:
    """After one refusal nothing more goes out, however many ways there would be, and no secret is told."""
    found = await examined(cloud, changes, try_delete=True)
    assert outcomes(found) == [FAILED, SKIPPED, SKIPPED, SKIPPED]
    assert refusals(cloud) == 1
    assert calls(cloud)[-1] in {"ListProjects", "ListDomains", "CreateToken"}
    assert WRONG not in str(found)
    assert "does not accept" in found[ACCOUNT].told


async def test_a_key_that_only_cce_refuses_is_tried_once(cloud: RunningSimulator) -> None:
    """IAM takes it, the first LIST is refused, and GET and DELETE do not go out."""
    cloud.fault("unauthorized", operation="ListImageCaches", times=9)
    found = await examined(cloud, try_delete=True)
    assert outcomes(found) == [OK, FAILED, SKIPPED, SKIPPED]
    assert refusals(cloud) == 1


async def test_a_token_that_cce_refuses_is_not_renewed(cloud: RunningSimulator) -> None:
    """A fresh token would be a second failure of the same user."""
    cloud.fault("unauthorized", operation="ListImageCaches", times=9)
    found = await examined(cloud, USER)
    assert found[LIST].outcome is FAILED
    assert calls(cloud).count("CreateToken") == 1


@pytest.mark.parametrize("verb", ["list", "get", "delete"])
async def test_a_missing_permission_does_not_stop_the_others(cloud: RunningSimulator, verb: str) -> None:
    """It is named, and the rest is still looked at."""
    action = f"cce:imageCache:{verb}"
    cloud.control("PATCH", "settings", {"denied_actions": [action]})
    found = await examined(cloud, try_delete=True)
    assert [each.check for each in found.values() if each.outcome is FAILED] == [f"permission {action}"]
    assert action in found[f"permission {action}"].told


async def test_a_clock_that_is_off_spares_the_key(cloud: RunningSimulator) -> None:
    """20 minutes: signatures would be refused, so none goes out."""
    found = await examined(cloud, clock=TurnedClock(datetime.now(UTC) + timedelta(minutes=20)))
    assert found["clock against the cloud"].outcome is FAILED
    assert outcomes(found) == [SKIPPED] * 4
    assert set(calls(cloud)) == {"Unknown"}


async def test_a_user_does_not_mind_the_clock(cloud: RunningSimulator) -> None:
    """Nothing is signed, so it is a warning."""
    found = await examined(cloud, USER, clock=TurnedClock(datetime.now(UTC) + timedelta(minutes=20)))
    assert found["clock against the cloud"].outcome is Outcome.WARNING
    assert outcomes(found) == [OK, OK, OK, SKIPPED]


async def test_a_gateways_404_is_no_answer_of_cce(cloud: RunningSimulator) -> None:
    """Where an id that nobody has is not found in CCE's words, no deletion could be proven."""
    cloud.fault("gateway_404", operation="ShowImageCache")
    found = await examined(cloud)
    assert found[GET].outcome is FAILED
    assert found[LIST].outcome is OK


async def test_an_account_that_is_not_told_is_a_warning(cloud: RunningSimulator) -> None:
    """Everything works, but for changes of the key under deletions."""
    cloud.fault("status", status=403, operation="ListDomains", times=9)
    cloud.fault("status", status=403, operation="GetCallerIdentity", times=9)
    found = await examined(cloud)
    assert outcomes(found) == [Outcome.WARNING, OK, OK, SKIPPED]
    assert DEFAULT_PROJECT.id in found[ACCOUNT].told


async def test_without_a_region_the_cloud_cannot_be_looked_at(cloud: RunningSimulator) -> None:
    """No fault of the settings, since each object may name one."""
    endpoint = "https://cce.{region}.example.com"
    found = await examined(cloud, {"IMAGECACHE_REGION": "", "IMAGECACHE_CCE_ENDPOINT": endpoint})
    assert found["region"].outcome is Outcome.WARNING
    assert outcomes(found) == [SKIPPED] * 4


async def test_a_directory_without_credentials_has_its_sentence(cloud: RunningSimulator, tmp_path: Any) -> None:
    """What needs none is looked at all the same."""
    found = await examined(cloud, {"IMAGECACHE_CREDENTIALS_DIR": str(tmp_path)})
    assert found["credentials"].outcome is FAILED
    assert str(tmp_path) in found["credentials"].told
    assert found["CCE endpoint"].outcome is OK
    assert outcomes(found) == [SKIPPED] * 4


async def test_no_credentials_of_its_own_is_fine_with_secrets(cloud: RunningSimulator) -> None:
    """Then objects bring them."""
    none = {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": "", "IMAGECACHE_NAMESPACED_CREDENTIALS": "true"}
    found = await examined(cloud, none)
    assert {each.outcome for each in found.values()} == {OK, SKIPPED}


async def test_an_endpoint_that_does_not_answer_spares_the_key(cloud: RunningSimulator) -> None:
    """No connection to CCE: IAM is still reached, and nothing is signed."""
    found = await examined(cloud, {"IMAGECACHE_CCE_ENDPOINT": "http://127.0.0.1:1"})
    assert found["CCE endpoint"].outcome is FAILED
    assert "refuses connections" in found["CCE endpoint"].told
    assert found["IAM endpoint"].outcome is OK
    assert outcomes(found) == [SKIPPED] * 4


async def test_iam_is_no_must_for_a_key_whose_project_is_set(cloud: RunningSimulator) -> None:
    """It tells the account and no more, so its silence is a warning."""
    changes = {"IMAGECACHE_IAM_ENDPOINT": "http://127.0.0.1:1", "IMAGECACHE_PROJECT_ID": DEFAULT_PROJECT.id}
    found = await examined(cloud, changes)
    assert found["IAM endpoint"].outcome is Outcome.WARNING
    assert outcomes(found) == [OK, OK, OK, SKIPPED]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Gone("404"), OK),
        (Accepted(datetime.now(UTC)), OK),
        (Refused("400"), OK),
        (Lost("cut"), Outcome.WARNING),
        (NotDone(Trouble(TroubleKind.ACCESS_DENIED, "no")), FAILED),
    ],
    ids=lambda it: type(it).__name__,
)
def test_what_answers_to_a_delete_say(answer: DeleteAnswer, outcome: Outcome) -> None:
    """Whatever CCE says of an id that nobody has, it has let the call through."""
    assert judge_delete(answer).outcome is outcome


# --- reach


async def unreached(url: str, within: float = 3.0) -> Unreached:
    """What is said of an endpoint that cannot be reached."""
    async with open_client(within) as http:
        found = await reach(http, url, within)
    assert isinstance(found, Unreached)
    return found


async def test_a_name_that_is_none_is_told_as_such() -> None:
    """DNS is the first step."""
    assert "cannot be resolved" in (await unreached("https://cce.nowhere.invalid")).told


async def test_a_port_without_tls_is_told_as_such(cloud: RunningSimulator) -> None:
    """A proxy, or http under https."""
    assert "TLS" in (await unreached(cloud.url.replace("http://", "https://"))).told


async def test_a_certificate_that_is_not_trusted_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has OpenSSL's reason, and names what may be wrong."""
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_message = "self-signed certificate"

    async def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(asyncio, "open_connection", refuse)
    found = await unreached("https://127.0.0.1:1")
    assert "self-signed certificate" in found.told
    assert "SSL_CERT_FILE" in found.mend


async def test_silence_is_told_as_such() -> None:
    """Something that takes connections and says nothing, or a firewall that drops everything."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "did not answer within" in (await unreached(f"http://127.0.0.1:{port}", within=0.2)).told
