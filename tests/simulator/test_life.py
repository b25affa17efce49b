"""The life of a cache: five statuses, their timing, and conduct that was ordered."""

from __future__ import annotations

from typing import Any

import pytest

from cce_simulator.testing import RunningSimulator

DAY = 86_400.0
# A power of two, so that sums of seconds stay exact.
MOMENT = 2**-10


def _status(cloud: RunningSimulator, cache_id: str) -> str:
    reply = cloud.show(cache_id)
    return "gone" if reply.status == 404 else str(reply.json["image_cache"]["status"])


def _stations(cloud: RunningSimulator, cache_id: str) -> list[tuple[float, str]]:
    """Times and statuses from now until nothing more is to come."""
    start = cloud.clock.monotonic()
    seen = [(0.0, _status(cloud, cache_id))]
    while seen[-1][1] != "gone":
        coming = cloud.control("GET", f"caches/{cache_id}")["cache"]["next"]
        if coming is None:
            break
        cloud.clock.advance(coming["in_seconds"] - MOMENT)
        assert _status(cloud, cache_id) == seen[-1][1], "it changed before its time"
        cloud.clock.advance(MOMENT)
        seen.append((round(cloud.clock.monotonic() - start, 3), _status(cloud, cache_id)))
    return seen


def test_a_build_and_a_deletion(cloud: RunningSimulator) -> None:
    """Creating for 5 s, Available until told otherwise, Deleting for 3 s, gone."""
    cache_id = cloud.create("a").json["image_cache"]["id"]
    assert _stations(cloud, cache_id) == [(0, "Creating"), (5, "Available")]
    cloud.clock.advance(1000 * DAY)
    assert cloud.delete(cache_id).json["image_cache"]["status"] == "Deleting"
    assert _stations(cloud, cache_id) == [(0, "Deleting"), (3, "gone")]


def test_one_failing_image_fails_the_build(cloud: RunningSimulator) -> None:
    """Failed with the message; it keeps its place and name, and can be deleted."""
    cloud.set(failing_images={"bad:1": "manifest unknown"})
    cache_id = cloud.create("a", images=["good:1", "bad:1"]).json["image_cache"]["id"]
    assert _stations(cloud, cache_id) == [(0, "Creating"), (5, "Failed")]
    assert cloud.show(cache_id).json["image_cache"]["message"] == "manifest unknown"
    assert cloud.create("a").status == 409
    assert cloud.delete(cache_id).status == 202
    assert "message" not in cloud.show(cache_id).json["image_cache"]


def test_retention(cloud: RunningSimulator) -> None:
    """Expired: Unavailable with a message for a minute, then it deletes itself."""
    cache_id = cloud.seed("a", retention_days=2)
    assert _stations(cloud, cache_id) == [
        (0, "Available"),
        (2 * DAY, "Unavailable"),
        (2 * DAY + 60, "Deleting"),
        (2 * DAY + 63, "gone"),
    ]


def test_the_age_of_a_seeded_cache_counts(cloud: RunningSimulator) -> None:
    """A cache that is a day old has a day less to live."""
    cache_id = cloud.seed("a", retention_days=2, age_seconds=DAY)
    assert _stations(cloud, cache_id)[1] == (DAY, "Unavailable")


@pytest.mark.parametrize("status", ["Creating", "Available", "Unavailable", "Failed"])
def test_deletion_from_every_status(cloud: RunningSimulator, status: str) -> None:
    """DELETE is taken in each of them, and nothing of the former life comes back."""
    cache_id = cloud.seed("a", status=status)
    assert cloud.delete(cache_id).status == 202
    assert _stations(cloud, cache_id) == [(0, "Deleting"), (3, "gone")]


def test_the_time_scale(cloud: RunningSimulator) -> None:
    """60 makes a minute pass in a second: builds, deletions and retention alike."""
    cloud.set(timing={"time_scale": 60, "delete_seconds": 600, "create_seconds": 60})
    cache_id = cloud.create("a", retention_days=1).json["image_cache"]["id"]
    assert _stations(cloud, cache_id) == [
        (0, "Creating"),
        (1, "Available"),
        (1440, "Unavailable"),
        (1441, "Deleting"),
        (1451, "gone"),
    ]


def test_refused_then_reverted_then_done(cloud: RunningSimulator) -> None:
    """One order: the first DELETE is refused, the second reverts after 2 s, the third deletes."""
    behaviour = {"refuse": {"status": 409, "times": 1}, "revert": {"to": "Available", "after": 2, "times": 1}}
    cache_id = cloud.seed("a", delete_behaviour=behaviour)
    refused = cloud.delete(cache_id)
    assert (refused.status, refused.json["errorCode"]) == (409, "CCE.01409002")
    assert _status(cloud, cache_id) == "Available"
    assert cloud.delete(cache_id).status == 202
    assert _stations(cloud, cache_id) == [(0, "Deleting"), (2, "Available")]
    assert cloud.delete(cache_id).status == 202
    assert _stations(cloud, cache_id) == [(0, "Deleting"), (3, "gone")]


@pytest.mark.parametrize(
    ("refusal", "wanted"),
    [
        ({}, (409, "CCE.01409002", "The image cache cannot be deleted in status Available.")),
        ({"status": 423, "code": "CCE.01423009", "message": "No."}, (423, "CCE.01423009", "No.")),
        ({"status": 429}, (429, "CCE.01429002", "The image cache cannot be deleted in status Available.")),
    ],
)
def test_refusals_without_an_end(
    cloud: RunningSimulator, refusal: dict[str, Any], wanted: tuple[int, str, str]
) -> None:
    """Status, code and message can be chosen; it is refused until the order is taken back."""
    cache_id = cloud.seed("a", delete_behaviour={"refuse": refusal})
    for _ in range(3):
        reply = cloud.delete(cache_id)
        assert (reply.status, reply.json["errorCode"], reply.json["errorMessage"]) == wanted
    cloud.control("PATCH", f"caches/{cache_id}", {"delete_behaviour": {}})
    assert cloud.delete(cache_id).status == 202


def test_a_refusal_in_one_status_only(cloud: RunningSimulator) -> None:
    """`during` names the statuses in which it is refused."""
    behaviour = {"refuse": {"during": ["Creating"]}}
    cache_id = cloud.seed("a", status="Creating", delete_behaviour=behaviour)
    assert cloud.delete(cache_id).status == 409
    cloud.clock.advance(5)
    assert cloud.delete(cache_id).status == 202


def test_a_revert_to_failed_with_a_message(cloud: RunningSimulator) -> None:
    """The cache may leave Deleting for Failed, each time anew when no number of times is given."""
    revert = {"to": "Failed", "after": 1, "message": "the snapshot is stuck"}
    cache_id = cloud.seed("a", delete_behaviour={"revert": revert})
    for _ in range(2):
        cloud.delete(cache_id)
        assert _stations(cloud, cache_id) == [(0, "Deleting"), (1, "Failed")]
        assert cloud.show(cache_id).json["image_cache"]["message"] == "the snapshot is stuck"


def test_a_deletion_that_never_ends_until_told(cloud: RunningSimulator) -> None:
    """`never` keeps it in Deleting; plain behaviour lets it end, counted from the order."""
    cache_id = cloud.seed("a", delete_behaviour={"never": True})
    cloud.delete(cache_id)
    cloud.clock.advance(30 * DAY)
    assert _status(cloud, cache_id) == "Deleting"
    cloud.control("PATCH", f"caches/{cache_id}", {"delete_behaviour": {"seconds": 7}})
    assert _stations(cloud, cache_id) == [(0, "Deleting"), (7, "gone")]


def test_builds_as_ordered(cloud: RunningSimulator) -> None:
    """A build may take its own time, end otherwise, or never end."""
    ordered = {"seconds": 9, "outcome": "Failed", "message": "no disk"}
    failing = cloud.seed("a", status="Creating", build_behaviour=ordered)
    assert _stations(cloud, failing) == [(0, "Creating"), (9, "Failed")]
    endless = cloud.seed("b", status="Creating", build_behaviour={"never": True})
    assert _stations(cloud, endless) == [(0, "Creating")]
    cloud.control("PATCH", f"caches/{endless}", {"build_behaviour": {}})
    assert _stations(cloud, endless) == [(0, "Creating"), (5, "Available")]


def test_changes_from_outside(cloud: RunningSimulator) -> None:
    """A status may be set, known or not; a cache may begin its deletion or vanish; the API shows it."""
    cache_id = cloud.seed("a")
    cloud.control("PATCH", f"caches/{cache_id}", {"status": "Frozen", "message": "new word"})
    shown = cloud.show(cache_id).json["image_cache"]
    assert (shown["status"], shown["message"]) == ("Frozen", "new word")
    cloud.control("PATCH", f"caches/{cache_id}", {"status": "Deleting"})
    assert _stations(cloud, cache_id) == [(0, "Deleting"), (3, "gone")]
    other = cloud.seed("b")
    cloud.control("DELETE", f"caches/{other}")
    assert _status(cloud, other) == "gone"
