"""Where a cache lives, and whether its object may ask for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.decision.builders import ELSEWHERE, ID, PROJECT, ROTATED, STRANGER, US, resource

from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.identity import Identity
from imagecache_operator.placement import Defaults, Placement, moved, place
from imagecache_operator.status import SeenBy

OTHER_PROJECT = "f" * 32
R1, R2 = "eu-west-101", "cn-north-4"


@pytest.mark.parametrize(
    ("spec", "defaults", "expected"),
    [
        pytest.param({}, Defaults(R1, PROJECT), Placement(R1, PROJECT), id="settings alone"),
        pytest.param({}, Defaults(R1), Placement(R1, None), id="the project is to be looked up"),
        pytest.param(
            {"region": R2, "projectID": OTHER_PROJECT},
            Defaults(R1, PROJECT),
            Placement(R2, OTHER_PROJECT),
            id="the spec wins",
        ),
        pytest.param({"region": R1}, Defaults(R1, PROJECT), Placement(R1, PROJECT), id="the same region in both"),
        pytest.param(
            {"region": R2}, Defaults(R1, PROJECT), Placement(R2, None), id="a project says nothing of other regions"
        ),
        pytest.param(
            {"projectID": OTHER_PROJECT}, Defaults(R1, PROJECT), Placement(R1, OTHER_PROJECT), id="another project"
        ),
        pytest.param({"region": R2}, Defaults(None, PROJECT), Placement(R2, PROJECT), id="a project without a region"),
        pytest.param({"region": R2}, Defaults(), Placement(R2, None), id="the spec alone"),
        pytest.param(
            {}, Defaults(R1, PROJECT, frozenset({"team-a"})), Placement(R1, PROJECT), id="its namespace is allowed"
        ),
    ],
)
def test_the_location_comes_from_the_spec_then_from_the_settings(
    spec: dict[str, str], defaults: Defaults, expected: Placement
) -> None:
    """First what the object says, then the defaults."""
    assert place(resource(spec={"imageCacheID": ID} | spec), defaults) == expected


@pytest.mark.parametrize(
    ("spec", "defaults", "reason", "words"),
    [
        pytest.param(
            {}, Defaults(), Reason.ENDPOINT_INVALID, "spec.region, or IMAGECACHE_REGION", id="no region is known"
        ),
        pytest.param(
            {"credentialsSecretRef": {"name": "cloud"}},
            Defaults(),
            Reason.ENDPOINT_INVALID,
            "spec.region, region in the Secret team-a/cloud, or IMAGECACHE_REGION",
            id="no region is known, and a Secret that could name one",
        ),
        pytest.param(
            {},
            Defaults(R1, PROJECT, frozenset({"team-b"})),
            Reason.NOT_ALLOWED,
            "IMAGECACHE_OWN_CREDENTIALS_NAMESPACES",
            id="its namespace may not use the operator's credentials",
        ),
        pytest.param({}, Defaults(R1, PROJECT, frozenset()), Reason.NOT_ALLOWED, "team-a", id="no namespace may"),
    ],
)
def test_a_wish_is_refused_with_a_sentence(
    spec: dict[str, object], defaults: Defaults, reason: Reason, words: str
) -> None:
    """The sentence names the field or the setting to change."""
    verdict = place(resource(spec={"imageCacheID": ID} | spec), defaults)
    assert isinstance(verdict, Verdict)
    assert verdict.reason is reason
    assert words in verdict.message


@pytest.mark.parametrize(
    ("pinned", "now", "conflict"),
    [
        pytest.param(None, US, False, id="nothing is pinned yet"),
        pytest.param(US.to_status(), None, False, id="nobody knows yet who looks"),
        pytest.param(US.to_status(), US, False, id="the same place"),
        pytest.param(US.to_status(), ROTATED, False, id="another key at the same place"),
        pytest.param(US.to_status(), STRANGER, False, id="another account at the same place is no move"),
        pytest.param(US.to_status(), replace(US, location=ELSEWHERE), True, id="another place"),
        pytest.param(
            US.to_status(),
            replace(US, location=replace(US.location, project_id=OTHER_PROJECT)),
            True,
            id="another project",
        ),
    ],
)
def test_a_cache_is_never_moved_silently(pinned: SeenBy | None, now: Identity | None, conflict: bool) -> None:
    """Another resolution than the pinned one is a Conflict that names both and the way out."""
    verdict = moved(pinned, now)
    assert (verdict is not None) is conflict
    if verdict is not None:
        assert now is not None
        assert verdict.reason is Reason.CONFLICT
        assert str(US.location) in verdict.message
        assert str(now.location) in verdict.message
