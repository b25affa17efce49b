"""Keys by pod identity and of a trust agency, from the simulator: what is asked, and what each failure says."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cloud.kit import SimulatorsClock, TurnedClock, calls, clock_off
from tests.cloud.podkit import GOOD, NAME, OIDC, OPERATION, POD, URN, issued, replace_token, source_of

from cce_simulator.testing import DEFAULT_AGENCY, RunningSimulator
from imagecache_operator.cloud.credentials import OidcAgency, PodIdentity
from imagecache_operator.cloud.iam import IamError
from imagecache_operator.cloud.renewal import PAUSE_MAX, Renewed
from imagecache_operator.cloud.temporary_keys import LIFE_UNKNOWN, TemporaryKey, temporary_keys
from imagecache_operator.observation import Trouble, TroubleKind

BOTH = pytest.mark.parametrize("way", [POD, OIDC])


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file with a good token and, as people write them, a line end."""
    path = tmp_path / "token"
    path.write_text(f"{GOOD}\n", encoding="utf-8")
    return path


def keys_of(
    http: httpx.AsyncClient, cloud: RunningSimulator, source: PodIdentity | OidcAgency, within: float = 5.0
) -> Renewed[TemporaryKey]:
    """As a session makes them."""
    return temporary_keys(http, source, cloud.url, SimulatorsClock(cloud), request_timeout=within)


async def trouble_of(keys: Renewed[TemporaryKey]) -> Trouble:
    """Why there are none."""
    with pytest.raises(IamError) as caught:
        await keys.current()
    return caught.value.trouble


def put(token_file: Path, content: bytes | None) -> None:
    """That in the file; None: no file."""
    token_file.unlink()
    if content is not None:
        token_file.write_bytes(content)


class Answering:
    """In the place of the cloud: remembers what was asked, and answers as it was told."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.MockTransport`."""
        self.asked.append(request)
        return self.answer


def good_answer(way: str, **changes: Any) -> dict[str, Any]:
    """An answer as the fact sheet has it, with keys changed."""
    names = ("accessKeyId", "secretAccessKey", "securityToken")
    if way == OIDC:
        names = ("access_key_id", "secret_access_key", "security_token")
    key = dict(zip(names, ("AKTEMPORARY", "SKTEMPORARY", "STOKEN"), strict=True))
    return {"credentials": key | {"expiration": "2099-01-01T00:00:00.000000Z"} | changes}


# --- good answers


@BOTH
async def test_a_key_and_whose_it_is(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """Key, secret and security token; named by the association or the agency; for as long as the answer says."""
    held = await keys_of(http, cloud, source_of(way, cloud, token_file)).current()
    (given,) = cloud.control("GET", "state")["temporary_keys"]
    assert held.value.key.access_key == given["access_key"]
    assert held.value.key.security_token is not None
    assert (held.value.name, given["agency"]) == (NAME[way], URN)
    assert 3599 <= held.value.life <= 3600


@BOTH
@pytest.mark.parametrize("minutes", [-20, 20])
async def test_a_life_is_measured_by_the_clock_of_whoever_gives_the_key(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str, minutes: int
) -> None:
    """However far ours is off, no key is used past its end, nor renewed too early."""
    cloud.set(temporary_key_seconds=900)
    source = source_of(way, cloud, token_file)
    keys = temporary_keys(http, source, cloud.url, clock_off(cloud, minutes), request_timeout=5)
    assert 899 <= (await keys.current()).value.life <= 900


@pytest.mark.parametrize("date", [None, "yesterday"])
async def test_an_answer_that_does_not_tell_the_time(token_file: Path, date: str | None) -> None:
    """Our own clock counts then."""
    clock = TurnedClock()
    end = (clock.now() + timedelta(seconds=900)).isoformat()
    headers = {"Date": date} if date is not None else {}
    there = Answering(httpx.Response(200, json=good_answer(POD, expiration=end), headers=headers))
    source = PodIdentity("http://169.254.1.1/v1/credentials", token_file)
    async with httpx.AsyncClient(transport=httpx.MockTransport(there)) as http:
        held = await temporary_keys(http, source, "", clock, request_timeout=5).current()
    assert held.value.life == 900


async def test_what_pod_identity_is_asked(token_file: Path) -> None:
    """POST with the raw token and an empty object, to the very URI that was set."""
    there = Answering(httpx.Response(200, json=good_answer(POD)))
    source = PodIdentity("http://169.254.1.1/v1/credentials?x=1", token_file)
    async with httpx.AsyncClient(transport=httpx.MockTransport(there)) as http:
        await temporary_keys(http, source, "", TurnedClock(), request_timeout=5).current()
    (asked,) = there.asked
    assert (asked.method, str(asked.url), asked.content) == ("POST", source.uri, b"{}")
    assert asked.headers["Authorization"] == GOOD


@pytest.mark.parametrize("narrowed", [False, True])
async def test_what_sts_is_asked(cloud: RunningSimulator, token_file: Path, narrowed: bool) -> None:
    """Provider, agency, session, token and life; policies when they are set. Nothing is signed."""
    there = Answering(httpx.Response(200, json=good_answer(OIDC)))
    source = source_of(OIDC, cloud, token_file)
    assert isinstance(source, OidcAgency)
    source = replace(source, policy="{}", policy_ids=("p-1", "p-2")) if narrowed else source
    async with httpx.AsyncClient(transport=httpx.MockTransport(there)) as http:
        held = await keys_of(http, cloud, source).current()
    (asked,) = there.asked
    assert (asked.method, asked.url.path) == ("POST", "/v5/agencies/assume-with-oidc")
    assert "Authorization" not in asked.headers
    assert json.loads(asked.content) == {
        "provider_urn": DEFAULT_AGENCY.provider_urn,
        "agency_urn": URN,
        "agency_session_name": "a-session",
        "id_token": GOOD,
        "duration_seconds": 3600,
    } | ({"policy": "{}", "policy_ids": ["p-1", "p-2"]} if narrowed else {})
    assert held.value.life == 3600  # what was asked for, whatever the answer says


@BOTH
@pytest.mark.parametrize("expiration", [None, "soon", 5])
async def test_an_end_that_cannot_be_read(cloud: RunningSimulator, token_file: Path, way: str, expiration: Any) -> None:
    """Counts as the shortest life that the cloud gives."""
    there = Answering(httpx.Response(200, json=good_answer(way, expiration=expiration)))
    async with httpx.AsyncClient(transport=httpx.MockTransport(there)) as http:
        held = await keys_of(http, cloud, source_of(way, cloud, token_file)).current()
    assert held.value.life == LIFE_UNKNOWN


async def test_an_association_without_an_id_is_named_by_its_subject(cloud: RunningSimulator, token_file: Path) -> None:
    """Namespace and service account stay the same, too."""
    subject = {"subject": {"namespace": "imagecache-system", "serviceAccount": "imagecache-operator"}}
    there = Answering(httpx.Response(200, json=good_answer(POD) | subject))
    async with httpx.AsyncClient(transport=httpx.MockTransport(there)) as http:
        held = await keys_of(http, cloud, source_of(POD, cloud, token_file)).current()
    assert held.value.name == "pod-identity/imagecache-system/imagecache-operator"


@BOTH
async def test_the_token_file_is_read_at_each_renewal(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """A token that was replaced hours ago does not come back."""
    keys = keys_of(http, cloud, source_of(way, cloud, token_file))
    first = await keys.current()
    replace_token(token_file, cloud, "the-next-token")
    cloud.clock.advance(3600 * 0.85)
    second = await keys.current()
    assert second.value.key != first.value.key
    assert second.value.name == first.value.name
    assert calls(cloud) == [OPERATION[way]] * 2


# --- failures


@BOTH
@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (400, TroubleKind.CREDENTIALS_INVALID, "gives no keys (400"),
        (401, TroubleKind.CREDENTIALS_INVALID, "gives no keys (401"),
        (403, TroubleKind.CREDENTIALS_INVALID, "gives no keys (403"),
        (404, TroubleKind.CREDENTIALS_INVALID, "gives no keys (404"),
        (408, TroubleKind.CLOUD_UNAVAILABLE, "is busy (408"),
        (429, TroubleKind.CLOUD_UNAVAILABLE, "is busy (429"),
        (500, TroubleKind.CLOUD_UNAVAILABLE, "has trouble of its own (500"),
        (503, TroubleKind.CLOUD_UNAVAILABLE, "has trouble of its own (503"),
    ],
)
async def test_refusals_and_troubles(
    http: httpx.AsyncClient,
    cloud: RunningSimulator,
    token_file: Path,
    way: str,
    status: int,
    kind: TroubleKind,
    says: str,
) -> None:
    """Who must act decides the kind; the sentence says who was asked, and for a person also what to look at."""
    cloud.fault("status", status=status, shape="iam", message="Sorry.")
    trouble = await trouble_of(keys_of(http, cloud, source_of(way, cloud, token_file)))
    assert (trouble.kind, trouble.unsent) == (kind, True)
    whom = f"The pod identity endpoint {cloud.url}/v1/credentials" if way == POD else f"STS ({cloud.url})"
    assert trouble.message.startswith(f"{whom} {says}")
    if kind is TroubleKind.CREDENTIALS_INVALID:
        assert str(token_file) in trouble.message
        assert ("namespace and service account" if way == POD else URN) in trouble.message


@BOTH
@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ({"kind": "redirect"}, TroubleKind.ENDPOINT_INVALID, "redirects elsewhere, which is not followed"),
        ({"kind": "empty_200"}, TroubleKind.ENDPOINT_INVALID, "has no keys in it: check"),
        ({"kind": "garbage"}, TroubleKind.ENDPOINT_INVALID, "has no keys in it: check"),
        ({"kind": "wrong_shape", "variant": "array"}, TroubleKind.ENDPOINT_INVALID, "has no keys in it"),
        ({"kind": "wrong_shape", "variant": "missing_key"}, TroubleKind.ENDPOINT_INVALID, "has no keys in it"),
        ({"kind": "wrong_shape", "variant": "error_in_200"}, TroubleKind.ENDPOINT_INVALID, "has no keys in it"),
        ({"kind": "html"}, TroubleKind.CLOUD_UNAVAILABLE, "has trouble of its own (502)"),
        ({"kind": "refused"}, TroubleKind.CLOUD_UNAVAILABLE, "could not be reached"),
        ({"kind": "truncated"}, TroubleKind.CLOUD_UNAVAILABLE, "could not be reached"),
        ({"kind": "hang"}, TroubleKind.CLOUD_UNAVAILABLE, "did not answer within 0.2 s."),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
async def test_answers_that_are_none(
    http: httpx.AsyncClient,
    cloud: RunningSimulator,
    token_file: Path,
    way: str,
    fault: dict[str, Any],
    kind: TroubleKind,
    says: str,
) -> None:
    """Nothing of the kind is an exception that nobody expects; a redirect leads nowhere."""
    cloud.control("POST", "faults", fault)
    trouble = await trouble_of(keys_of(http, cloud, source_of(way, cloud, token_file), within=0.2))
    assert (trouble.kind, trouble.unsent) == (kind, True)
    assert says in trouble.message
    assert len(calls(cloud)) == 1


@BOTH
async def test_nobody_there(http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str) -> None:
    """Told as passing trouble, with the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        source = source_of(way, cloud, token_file)
        source = replace(source, uri=f"{url}/v1") if isinstance(source, PodIdentity) else source
        keys = temporary_keys(http, source, url, SimulatorsClock(cloud), request_timeout=5)
        trouble = await trouble_of(keys)
    assert trouble.kind is TroubleKind.CLOUD_UNAVAILABLE
    assert f"{url}" in trouble.message


@BOTH
@pytest.mark.parametrize(
    ("field", "value"), [(0, None), (0, "a b"), (1, 5), (1, ""), (2, None), (2, "a\r\nX-Evil: 1"), (2, "é")]
)
async def test_keys_that_cannot_be_used(
    cloud: RunningSimulator, token_file: Path, way: str, field: int, value: Any
) -> None:
    """What would not go into a header is no key."""
    name = list(good_answer(way)["credentials"])[field]
    there = Answering(httpx.Response(200, json=good_answer(way, **{name: value})))
    async with httpx.AsyncClient(transport=httpx.MockTransport(there)) as http:
        trouble = await trouble_of(keys_of(http, cloud, source_of(way, cloud, token_file)))
    assert trouble.kind is TroubleKind.ENDPOINT_INVALID
    assert "has no keys in it" in trouble.message


@BOTH
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file or directory"),
        (b"", "it must be one token: printable characters, no blank"),
        (b"two words", "it must be one token: printable characters, no blank"),
        (b"\xff\xfe", "it is no text in UTF-8 of at most 64 KiB"),
        (b"x" * 70_000, "it is no text in UTF-8 of at most 64 KiB"),
    ],
    ids=["missing", "empty", "two words", "no text", "too long"],
)
async def test_a_token_file_that_cannot_be_used(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str, content: bytes | None, says: str
) -> None:
    """The sentence names the file, the reason and the setting; nothing is asked; repaired, it works at once."""
    put(token_file, content)
    keys = keys_of(http, cloud, source_of(way, cloud, token_file))
    trouble = await trouble_of(keys)
    setting = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE" if way == POD else "HUAWEICLOUD_OIDC_TOKEN_FILE"
    assert trouble.kind is TroubleKind.CREDENTIALS_INVALID
    assert trouble.message == (
        f"The token file {token_file} cannot be used ({says}): mount the token of the operator's service account "
        f"there, or correct {setting}."
    )
    assert calls(cloud) == []
    replace_token(token_file, cloud, GOOD)
    assert (await keys.current()).value.name == NAME[way]


@BOTH
async def test_a_stale_token_is_tried_with_pauses_and_a_fresh_one_at_once(
    http: httpx.AsyncClient, cloud: RunningSimulator, token_file: Path, way: str
) -> None:
    """Somebody mends the file in the middle of a minute's pause: the next request has keys."""
    keys = keys_of(http, cloud, source_of(way, cloud, token_file))
    cloud.set(agencies={URN: {"tokens": ["next"]}})
    for _ in range(8):
        await trouble_of(keys)
        cloud.clock.advance(PAUSE_MAX)
    await trouble_of(keys)
    asked = len(calls(cloud))
    for _ in range(20):
        await trouble_of(keys)
    assert len(calls(cloud)) == asked == 9
    replace_token(token_file, cloud, "next")
    await keys.current()
    assert issued(cloud) == 1


@BOTH
async def test_nothing_secret_is_shown(
    cloud: RunningSimulator, token_file: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the token, also if it is echoed, nor the key in reprs, sentences or logs."""
    caplog.set_level(0)
    there = Answering(httpx.Response(403, json={"error_code": "X", "error_msg": f"bad token {GOOD}!"}))
    async with httpx.AsyncClient(transport=httpx.MockTransport(there)) as http:
        keys = keys_of(http, cloud, source_of(way, cloud, token_file))
        trouble = await trouble_of(keys)
        there.answer = httpx.Response(200, json=good_answer(way))
        cloud.clock.advance(PAUSE_MAX)
        held = await keys.current()
    for text in (trouble.message, repr(held), repr(held.value), repr(keys), caplog.text):
        for secret in (GOOD, "AKTEMPORARY", "SKTEMPORARY", "STOKEN"):
            assert secret not in text
