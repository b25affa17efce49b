"""Letting go of objects, with an API server that is made up: conflicts, failures, and what is told of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from tests.cloud.kit import TurnedClock
from tests.decision.builders import HERE, ID, body, ready_status, resource

from imagecache_operator.commands.arguments import UsageError
from imagecache_operator.commands.release import ATTEMPTS, Order, Releaser, what_stays
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.ledger import Ledger
from imagecache_operator.names import FINALIZER

NAMES = ("a", "b", "c")


class ApiServer:
    """Objects, what goes wrong with them, and the ledger in the namespace `imagecache-system` alone."""

    def __init__(self) -> None:
        self.objects = {name: body(name=name) for name in NAMES}
        self.conflicts = dict.fromkeys(NAMES, 0)
        self.broken: set[str] = set()

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
        found = self.objects[key.name]
        found["metadata"]["finalizers"].remove(FINALIZER)
        return found

    async def get_config_map(self, namespace: str, name: str) -> dict[str, Any]:
        """See `KubernetesClient`."""
        if namespace != "imagecache-system":
            raise NotFoundError(f"GET {namespace}/{name}: 404", 404)
        return {"metadata": {"resourceVersion": "1"}}

    async def patch_config_map(self, namespace: str, name: str, patch: Mapping[str, Any]) -> None:
        """See `KubernetesClient`."""

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


async def test_conflicts_without_end_fail_that_object_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The others go, and the status says that one did not."""
    server = ApiServer()
    server.conflicts["b"] = ATTEMPTS
    assert await released(server) == 1
    assert server.held == {"b"}
    assert "team-a/b: could not be released" in capsys.readouterr().err


async def test_an_object_that_vanished_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing left to let go of."""
    server = ApiServer()
    del server.objects["a"]
    assert await released(server) == 0
    assert "team-a/a: is gone already" in capsys.readouterr().out


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
