"""Which objects the API server lets in, and what it says of the others."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import pytest

from imagecache_controlplane import ApiError
from imagecache_operator.crd import crd
from imagecache_operator.crd_rules import ROOT_RULES, SPEC_RULES

ID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
PROJECT = "0123456789abcdef0123456789abcdef"
IMAGES = ["nginx:1.27"]
SECRETS_20 = [{"name": f"secret-{number}"} for number in range(20)]


class Creates(Protocol):
    """What these tests need of the API."""

    def create(self, spec: dict[str, Any], *, name: str | None = None, dry_run: bool = False) -> dict[str, Any]:
        """Create an object."""
        ...


class Case(NamedTuple):
    """A spec, and what is said of it; `field` is the one whose limit it touches."""

    title: str
    spec: dict[str, Any]
    field: str = ""
    said: str = ""
    name: str = "case"


def binding(**spec: Any) -> dict[str, Any]:
    """A spec that binds, with more fields."""
    return {"imageCacheID": ID, **spec}


def making(**spec: Any) -> dict[str, Any]:
    """A spec that creates, with more fields."""
    return {"images": IMAGES, **spec}


def build_with(**ref: Any) -> dict[str, Any]:
    """A spec that creates with one pull secret."""
    return making(build={"pullSecretRefs": [ref]})


BOUND_ACCEPTED = (
    Case("an id binds", {"imageCacheID": ID}, "imageCacheID"),
    Case("a name binds", {"name": "nginx-cache"}, "name"),
    Case("a name of one letter binds", {"name": "a"}, "name"),
    Case("a name of 128 characters binds", {"name": "a" * 128}, "name"),
    Case("a bound object may have any name in Kubernetes", {"name": "nginx"}, name="1.2.nginx"),
    Case("a region of one character", binding(region="r"), "region"),
    Case("a region of 63 characters", binding(region="r" * 63), "region"),
    Case("a project", binding(projectID=PROJECT), "projectID"),
    Case("a Secret with a long name", binding(credentialsSecretRef={"name": "s" * 253}), "credentialsSecretRef.name"),
    Case("Delete", binding(deletionPolicy="Delete"), "deletionPolicy"),
    Case("Retain", binding(deletionPolicy="Retain"), "deletionPolicy"),
    Case("Manage", binding(managementPolicy="Manage"), "managementPolicy"),
    Case("Observe", binding(managementPolicy="Observe"), "managementPolicy"),
)

MADE_ACCEPTED = (
    Case("images create", making(), "images"),
    Case("images create under a name", making(name="nginx-cache"), "images"),
    Case("20 images", {"images": [f"nginx:{number}" for number in range(20)]}, "images"),
    Case("a reference of 512 characters", {"images": ["n" * 512]}, "images[]"),
    Case("20 GiB", making(sizeGiB=20), "sizeGiB"),
    Case("400 GiB", making(sizeGiB=400), "sizeGiB"),
    Case("kept for ever", making(retentionDays=0), "retentionDays"),
    Case("kept for 10000 days", making(retentionDays=10000), "retentionDays"),
    Case("a cluster of one character", making(build={"clusterID": "c"}), "build.clusterID"),
    Case("a cluster of 64 characters", making(build={"clusterID": "c" * 64}), "build.clusterID"),
    Case("20 pull secrets", making(build={"pullSecretRefs": SECRETS_20}), "build.pullSecretRefs"),
    Case("a pull secret with a long name", build_with(name="s" * 253), "build.pullSecretRefs[].name"),
    Case(
        "a pull secret of another namespace",
        build_with(name="s", namespace="n" * 63),
        "build.pullSecretRefs[].namespace",
    ),
    Case("Never", making(adoptionPolicy="Never"), "adoptionPolicy"),
    Case("IfIdentical", making(adoptionPolicy="IfIdentical"), "adoptionPolicy"),
    Case("never created anew", making(recreateOn=[]), "recreateOn"),
    Case(
        "created anew for any reason",
        making(recreateOn=["SpecChanged", "Failed", "Expired", "NotFound"]),
        "recreateOn",
    ),
    Case("a long name in Kubernetes that is one for a cache", making(), "metadata.name", name="c" * 128),
    Case("any name in Kubernetes with a name for the cache", making(name="nginx"), "metadata.name", name="1.2.nginx"),
)

_MANY = "must have at most"
_LONG = "may not be more than"
_SHORT = "should be at least 1 chars long"

REFUSED = (
    # Which cache is meant.
    Case("nothing said", {}, "", "say which cache is meant: bind an existing one by exactly one of imageCacheID and"),
    Case("both id and name", {"imageCacheID": ID, "name": "nginx"}, "", "exactly one of imageCacheID and name"),
    Case("both id and images", {"imageCacheID": ID, "images": IMAGES}, "", "or create one by images without imageC"),
    Case("all three", {"imageCacheID": ID, "images": IMAGES, "name": "nginx"}, "", "say which cache is meant"),
    # Fields for creating only.
    Case("a size for a bound cache", binding(sizeGiB=20), "", "sizeGiB belongs to objects that create a cache"),
    Case("a retention for a bound cache", binding(retentionDays=0), "", "retentionDays belongs to objects that create"),
    Case("a build for a bound cache", binding(build={}), "", "build belongs to objects that create a cache"),
    Case(
        "an adoption for a bound cache", binding(adoptionPolicy="Never"), "", "adoptionPolicy belongs to objects that"
    ),
    Case("a recreation for a bound cache", binding(recreateOn=[]), "", "recreateOn belongs to objects that create a"),
    # The bounds of each field.
    Case("an id in capitals", {"imageCacheID": ID.upper()}, "imageCacheID", "spec.imageCacheID in body should match"),
    Case("an id that is cut off", {"imageCacheID": ID[:-1]}, "imageCacheID", "spec.imageCacheID in body should match"),
    Case("an id too long", {"imageCacheID": ID + "0"}, "imageCacheID", "Too long: may not be more than 36 bytes"),
    Case("an empty name", {"name": ""}, "name", _SHORT),
    Case("a name of 129", {"name": "a" * 129}, "name", f"{_LONG} 128"),
    Case("a name with a digit first", {"name": "1a"}, "name", "spec.name in body should match"),
    Case("a name with a hyphen last", {"name": "a-"}, "name", "spec.name in body should match"),
    Case("a name with a capital", {"name": "aB"}, "name", "spec.name in body should match"),
    Case("a name with a line end", {"name": "a\n"}, "name", "spec.name in body should match"),
    Case("no images in the list", {"images": []}, "images", "should have at least 1 items"),
    Case("21 images", {"images": [f"i:{number}" for number in range(21)]}, "images", f"{_MANY} 20 items"),
    Case("an image twice", {"images": ["nginx", "nginx"]}, "images", 'Duplicate value: "nginx"'),
    Case("an empty reference", {"images": [""]}, "images[]", _SHORT),
    Case("a reference of 513", {"images": ["n" * 513]}, "images[]", f"{_LONG} 512"),
    Case("19 GiB", making(sizeGiB=19), "sizeGiB", "greater than or equal to 20"),
    Case("401 GiB", making(sizeGiB=401), "sizeGiB", "less than or equal to 400"),
    Case("half a GiB", making(sizeGiB=20.5), "sizeGiB", "must be of type integer"),
    Case("less than no days", making(retentionDays=-1), "retentionDays", "greater than or equal to 0"),
    Case("10001 days", making(retentionDays=10001), "retentionDays", "less than or equal to 10000"),
    Case("an empty cluster", making(build={"clusterID": ""}), "build.clusterID", _SHORT),
    Case("a cluster of 65", making(build={"clusterID": "c" * 65}), "build.clusterID", f"{_LONG} 64"),
    Case(
        "21 pull secrets",
        making(build={"pullSecretRefs": [*SECRETS_20, {"name": "one-more"}]}),
        "build.pullSecretRefs",
        f"{_MANY} 20 items",
    ),
    Case(
        "a pull secret without a name",
        build_with(namespace="n"),
        "build.pullSecretRefs[]",
        "spec.build.pullSecretRefs[0].name: Required value",
    ),
    Case("an empty pull secret", build_with(name=""), "build.pullSecretRefs[].name", _SHORT),
    Case("a pull secret of 254", build_with(name="s" * 254), "build.pullSecretRefs[].name", f"{_LONG} 253"),
    Case(
        "a namespace of 64",
        build_with(name="s", namespace="n" * 64),
        "build.pullSecretRefs[].namespace",
        f"{_LONG} 63",
    ),
    Case("a region that is a host", binding(region="evil.example/x?"), "region", "spec.region in body should match"),
    Case("a region of 64", binding(region="r" * 64), "region", f"{_LONG} 63"),
    Case("a project in capitals", binding(projectID=PROJECT.upper()), "projectID", "spec.projectID in body should mat"),
    Case("a project of 33 digits", binding(projectID=PROJECT + "0"), "projectID", f"{_LONG} 32"),
    Case("a Secret without a name", binding(credentialsSecretRef={}), "credentialsSecretRef", "Required value"),
    Case("an empty Secret", binding(credentialsSecretRef={"name": ""}), "credentialsSecretRef.name", _SHORT),
    Case(
        "a Secret of 254",
        binding(credentialsSecretRef={"name": "s" * 254}),
        "credentialsSecretRef.name",
        f"{_LONG} 253",
    ),
    Case("Orphan", binding(deletionPolicy="Orphan"), "deletionPolicy", 'supported values: "Delete", "Retain"'),
    Case("Ignore", binding(managementPolicy="Ignore"), "managementPolicy", 'supported values: "Manage", "Observe"'),
    Case("Always", making(adoptionPolicy="Always"), "adoptionPolicy", 'supported values: "Never", "IfIdentical"'),
    Case("a whim", making(recreateOn=["Whim"]), "recreateOn[]", 'values: "SpecChanged", "Failed", "Expired", "NotFou'),
    Case("a reason twice", making(recreateOn=["Failed", "Failed"]), "recreateOn", 'Duplicate value: "Failed"'),
    Case(
        "five reasons",
        making(recreateOn=["SpecChanged", "Failed", "Expired", "NotFound", "Failed"]),
        "recreateOn",
        f"{_MANY} 4 items",
    ),
    # The cache's name, when metadata.name is it.
    Case("a dot in the name", making(), "metadata.name", "metadata.name is no name for a cache", name="a.b"),
    Case("a digit first in the name", making(), "metadata.name", "or set spec.name", name="1a"),
    Case("a name in Kubernetes of 129", making(), "metadata.name", "metadata.name is no name for", name="c" * 129),
)


def titles(case: Case) -> str:
    """The test's id."""
    return case.title


@pytest.mark.parametrize("case", BOUND_ACCEPTED, ids=titles)
def test_what_binds_is_let_in(shipped: Creates, case: Case) -> None:
    """Each of these binds, and comes back as it was sent, with the two defaults."""
    found = shipped.create(case.spec, name=case.name, dry_run=True)
    assert found["spec"] == {"deletionPolicy": "Delete", "managementPolicy": "Manage"} | case.spec


@pytest.mark.parametrize("case", [*BOUND_ACCEPTED, *MADE_ACCEPTED], ids=titles)
def test_what_creates_is_let_in(shipped: Creates, case: Case) -> None:
    """Each of these is right, and no default but the two gets into it."""
    found = shipped.create(case.spec, name=case.name, dry_run=True)
    assert found["spec"] == {"deletionPolicy": "Delete", "managementPolicy": "Manage"} | case.spec


@pytest.mark.parametrize("case", REFUSED, ids=titles)
def test_what_is_wrong_is_refused(shipped: Creates, case: Case) -> None:
    """Each of these is refused with a sentence."""
    with pytest.raises(ApiError) as refusal:
        shipped.create(case.spec, name=case.name, dry_run=True)
    assert refusal.value.status == 422
    assert case.said in str(refusal.value)


def test_spec_is_required(shipped: Any) -> None:
    """An object without a spec stands for nothing."""
    body = shipped.manifest("case", {})
    del body["spec"]
    path = f"/apis/{shipped.group}/v1alpha1/namespaces/{shipped.namespace}/imagecaches?dryRun=All"
    with pytest.raises(ApiError, match="spec: Required value"):
        shipped.plane.request("POST", path, body)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (binding(imageCacheId=ID), "spec.imageCacheId"),
        (binding(deletionpolicy="Retain"), "spec.deletionpolicy"),
        (binding(credentialsSecretRef={"name": "s", "namespace": "n"}), "spec.credentialsSecretRef.namespace"),
        (making(build={"cluster": "c"}), "spec.build.cluster"),
        (making(build={"pullSecretRefs": [{"name": "s", "key": "k"}]}), "spec.build.pullSecretRefs[0].key"),
    ],
)
def test_unknown_fields_are_refused(shipped: Creates, spec: dict[str, Any], path: str) -> None:
    """A misspelt field is refused by strict validation, which is what kubectl asks for."""
    with pytest.raises(ApiError, match="strict decoding error") as refusal:
        shipped.create(spec, dry_run=True)
    assert f'unknown field "{path}"' in str(refusal.value)


def test_every_rule_has_a_refusal_here_or_in_updates() -> None:
    """No rule for creation is without a case that it refuses."""
    at_creation = [rule for rule in (*SPEC_RULES, *ROOT_RULES) if "oldSelf" not in rule.expression]
    unproven = [
        rule.message
        for rule in at_creation
        if not any(case.said in rule.message and len(case.said) > 12 for case in REFUSED)
    ]
    assert at_creation
    assert unproven == []


def test_every_bounded_field_has_cases_on_both_sides() -> None:
    """No field with a limit is without an accepted and a refused case."""
    spec = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    bounded = set(_bounded(spec, ""))
    refused = {case.field for case in REFUSED}
    accepted = {case.field for case in (*BOUND_ACCEPTED, *MADE_ACCEPTED)}
    assert len(bounded) > 12
    assert bounded - refused == set()
    # An object or a list is accepted where something in it is, and an item where its list is.
    assert {path for path in bounded if not any(_within(path, one) for one in accepted)} == set()


def _within(path: str, other: str) -> bool:
    return other.startswith(path) or path == f"{other}[]"


_LIMITS = {"enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "required"}


def _bounded(node: dict[str, Any], path: str) -> list[str]:
    found = [path] if path and _LIMITS & node.keys() else []
    for name, child in node.get("properties", {}).items():
        found += _bounded(child, f"{path}.{name}" if path else name)
    if "items" in node:
        found += _bounded(node["items"], f"{path}[]")
    return found
