"""Letting go of objects, with an API server that is made up: conflicts, failures, and what is told of each."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from tests.cloud.kit import TurnedClock
from tests.decision.builders import HERE, ID, body, ready_status, resource

from imagecache_operator.commands.arguments import UsageError
from imagecache_operator.commands.release import ATTEMPTS, Order, Releaser, what_stays
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.ledger import KEY, Ledger
from imagecache_operator.names import FINALIZER

NAMES = ("a", "b", "c")


class ApiServer:
    """Objects, what goes wrong with them, and the ledger in the namespace `imagecache-system` alone.

    Attributes:
        conflicts: how many patches of an object are too late.
        broken: objects that cannot be read.
        lost: what patches of an object raise, and whether they are carried out all the same.
        put_back: who puts the finalizer on again: an operator, after the patch, or a policy, in the same write.
        ledger_writes: how many writes of the ledger go well.
    """

    def __init__(self) -> None:
        self.objects = {name: body(name=name) for name in NAMES}
        self.conflicts = dict.fromkeys(NAMES, 0)
        self.broken: set[str] = set()
        self.lost: dict[str, tuple[BaseException, bool]] = {}
        self.put_back: dict[str, str] = {}
        self.ledger_text = ""
        self.ledger_writes = 100

    async def get_object(self, key: Key) -> dict[str, Any]:
        """See `KubernetesClient`."""
        if key.name not in self.objects:
            raise NotFoundError("gone", 404)
        if key.name in self.broken:
            raise KubernetesError("GET: 500", 500)
        return self.objects[key.name]

    async def patch_object(self, key: Key, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """See `KubernetesClient`."""
        if self.conflicts[key.name]:
            self.conflicts[key.name] -= 1
            raise ConflictError("changed meanwhile", 409)
        assert operations[-1]["op"] == "remove"
        error, carried_out = self.lost.get(key.name, (None, True))
        found = self.objects[key.name]
        if carried_out and self.put_back.get(key.name) != "policy":
            found["metadata"]["finalizers"].remove(FINALIZER)
        if error is not None:
            raise error
        left = copy.deepcopy(found)
        if self.put_back.get(key.name) == "operator":
            found["metadata"]["finalizers"].append(FINALIZER)
        return left

    async def get_config_map(self, namespace: str, name: str) -> dict[str, Any]:
        """See `KubernetesClient`."""
        if namespace != "imagecache-system":
            raise NotFoundError(f"GET {namespace}/{name}: 404", 404)
        return {"metadata": {"resourceVersion": "1"}, "data": {KEY: self.ledger_text}}

    async def patch_config_map(self, namespace: str, name: str, patch: Mapping[str, Any]) -> None:
        """See `KubernetesClient`."""
        if not self.ledger_writes:
            raise KubernetesError("PATCH: 403", 403)
        self.ledger_writes -= 1
        self.ledger_text = patch["data"][KEY]

    @property
    def recorded(self) -> list[str]:
        """The names of the objects in the ledger."""
        return [json.loads(line)["object"].removeprefix("team-a/") for line in self.ledger_text.splitlines()]

    @property
    def held(self) -> set[str]:
        """The objects that carry our finalizer."""
        return {name for name, found in self.objects.items() if FINALIZER in found["metadata"]["finalizers"]}


async def released(server: ApiServer, *names: str, ledger_namespace: str | None = "imagecache-system") -> int:
    """Release objects; returns the exit status."""
    kubernetes = cast("KubernetesClient", server)
    ledger = Ledger(kubernetes, ledger_namespace, TurnedClock())
    releaser = Releaser(kubernetes, ledger, ledger_namespace, look_again_after=0.0)
    return await releaser.run([Key("team-a", name) for name in names or NAMES])


async def test_a_conflict_is_tried_again() -> None:
    """Somebody was quicker: the newest version is read, and patched."""
    server = ApiServer()
    server.conflicts["a"] = ATTEMPTS - 1
    assert await released(server) == 0
    assert server.held == set()
    assert server.recorded == ["a", "b", "c"]


async def test_conflicts_without_end_fail_that_object_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The others go, and the status says that one did not."""
    server = ApiServer()
    server.conflicts["b"] = ATTEMPTS
    assert await released(server) == 1
    assert server.held == {"b"}
    assert "team-a/b: could not be released" in capsys.readouterr().err
    assert server.recorded == ["a", "c"]


async def test_an_object_that_vanished_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing left to let go of."""
    server = ApiServer()
    del server.objects["a"]
    assert await released(server) == 0
    assert "team-a/a: is not there" in capsys.readouterr().out


async def test_an_object_that_cannot_be_read_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the API server says of it, or whatever is in it."""
    server = ApiServer()
    server.broken.add("a")
    server.objects["b"]["spec"] = {"deletionPolicy": "Perhaps"}
    assert await released(server) == 1
    assert server.held == {"a", "b"}
    said = capsys.readouterr().err
    assert "team-a/a:" in said
    assert "team-a/b:" in said


async def test_a_second_time_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told, and is no failure."""
    server = ApiServer()
    assert await released(server) == await released(server) == 0
    assert "team-a/a: does not carry our finalizer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("namespace", "says"),
    [(None, "--ledger-namespace"), ("system", "3 of the caches that stay were not recorded")],
    ids=["no namespace", "no ConfigMap"],
)
async def test_what_cannot_be_recorded_is_told(
    namespace: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The objects are released all the same: the ledger holds nothing up; but the exit status says so."""
    assert await released(ApiServer(), ledger_namespace=namespace) == 1
    assert says in capsys.readouterr().err


# --- what is recorded


async def test_whoever_ends_it_half_way_loses_no_record() -> None:
    """An object is in the ledger before its finalizer goes, and stays there."""
    server = ApiServer()
    server.lost["b"] = (asyncio.CancelledError(), True)
    with pytest.raises(asyncio.CancelledError):
        await released(server)
    assert server.held == {"c"}
    assert server.recorded == ["a", "b"]


@pytest.mark.parametrize(
    ("who", "says"), [("operator", "by an operator that runs"), ("policy", "by a MutatingAdmissionPolicy")]
)
async def test_what_got_its_finalizer_back_is_not_recorded(
    who: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No cache was left by it, and the ledger must not say so."""
    server = ApiServer()
    server.put_back["b"] = who
    assert await released(server) == 1
    assert server.recorded == ["a", "c"]
    said = capsys.readouterr()
    assert says in said.err
    assert "Recorded in the ConfigMap imagecache-system/imagecache-retained." in said.out


@pytest.mark.parametrize(
    ("error", "carried_out", "recorded"),
    [
        pytest.param(KubernetesError("PATCH: could not be reached"), True, ["b"], id="answer lost"),
        pytest.param(KubernetesError("PATCH: could not be reached"), False, [], id="request lost"),
        pytest.param(KubernetesError("PATCH: 504", 504), True, ["b"], id="504, and carried out"),
        pytest.param(KubernetesError("PATCH: no JSON object", 200), True, ["b"], id="an answer that is none"),
        pytest.param(KubernetesError("PATCH: 403", 403), False, [], id="forbidden"),
    ],
)
async def test_an_answer_that_was_lost_is_looked_into(
    error: KubernetesError, carried_out: bool, recorded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It fails in any case; recorded is what is true."""
    server = ApiServer()
    server.lost["b"] = (error, carried_out)
    assert await released(server, "b") == 1
    assert server.recorded == recorded
    said = capsys.readouterr()
    assert "team-a/b: could not be released: PATCH: " in said.err
    assert "put back" not in said.err
    assert ("team-a/b: released all the same; stays: " in said.out) is carried_out


async def test_an_entry_that_cannot_be_taken_back_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger can be written no more after the entry was."""
    server = ApiServer()
    server.put_back["a"] = "operator"
    server.ledger_writes = 1
    assert await released(server, "a") == 1
    assert server.recorded == ["a"]
    assert "could not be corrected" in capsys.readouterr().err


# --- what is told


CREATES = {"images": ["nginx"]}
OPEN = {"creation": {"attemptID": "1", "requestedAt": "2026-03-01T00:00:00Z", "specHash": "h"}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({}, (ID, "(web)", HERE.region, HERE.project_id, "stays"), id="seen"),
        pytest.param({"status": {}}, (ID, "stays"), id="bound, and never seen"),
        pytest.param({"spec": CREATES, "status": OPEN}, ("web", "may be there"), id="asked for, no answer"),
        pytest.param({"spec": CREATES, "status": {}}, ("no cache of it is known",), id="nothing was asked for"),
        pytest.param({"spec": {"name": "web"}, "status": {}}, ("no cache of it is known",), id="never found"),
        pytest.param({"spec": CREATES, "status": OPEN | ready_status()}, (ID, "stays"), id="created"),
    ],
)
def test_what_stays_is_told(changes: dict[str, Any], says: tuple[str, ...]) -> None:
    """By its id where there is one, and where it is."""
    told = what_stays(resource(**changes))
    assert [word for word in says if word not in told] == []


def options(*objects: str, **changes: Any) -> dict[str, Any]:
    """The command line, as argparse has it."""
    usual = {"all": False, "check": False, "force": False, "scale_down": None, "ledger_namespace": None}
    return usual | {"objects": list(objects)} | changes


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(options(), id="nothing"),
        pytest.param(options("a/b", all=True), id="some and all"),
        pytest.param(options("web"), id="no namespace"),
        pytest.param(options("a/b/c"), id="too many slashes"),
        pytest.param(options("a/"), id="no name"),
        pytest.param(options("a/Web_1"), id="what cannot be a name"),
        pytest.param(options(check=True, scale_down="operator"), id="a check that changes something"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """Before anything is asked."""
    with pytest.raises(UsageError):
        Order.of(wrong)


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (options("a/b", "a/b", "c/d"), (Key("a", "b"), Key("c", "d"))),
        (options(all=True), None),
        (options(check=True), None),
        (options(check=True, all=True), None),
        (options("a/b", check=True), (Key("a", "b"),)),
    ],
)
def test_which_objects_are_meant(given: dict[str, Any], keys: tuple[Key, ...] | None) -> None:
    """Each once; a check without names is of all."""
    assert Order.of(given).keys == keys
