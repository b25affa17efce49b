"""Which changes the API server lets through, and what it says of the others."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from imagecache_controlplane import ApiError
from imagecache_operator.crd_rules import ROOT_RULES, SPEC_RULES

ID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
OTHER_ID = "1a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
PROJECT = "0123456789abcdef0123456789abcdef"
BY_ID = {"imageCacheID": ID}
BY_NAME = {"name": "nginx"}
MADE = {"images": ["nginx:1.27", "redis:7"]}
REBUILT = {**MADE, "recreateOn": ["Failed", "SpecChanged"]}


class Change(NamedTuple):
    """A spec, what is merged into it, and the refusal (empty: it goes through)."""

    title: str
    spec: dict[str, Any]
    change: dict[str, Any]
    said: str = ""


def never(field: str) -> str:
    """The refusal for a field that stays."""
    return f"spec.{field}: Forbidden: {field} never changes, and is not set or unset later; delete this object"


def needs(field: str) -> str:
    """The refusal for a field that needs a new cache."""
    return f"spec.{field}: Forbidden: {field} may change only with SpecChanged in recreateOn"


MODE = "an object that binds never becomes one that creates, nor the other way round; delete this object (with deletion"

CHANGES = (
    # What says which cache is meant.
    Change("another id", BY_ID, {"imageCacheID": OTHER_ID}, never("imageCacheID")),
    Change("id to name", BY_ID, {"imageCacheID": None, "name": "nginx"}, never("imageCacheID")),
    Change("name to id", BY_NAME, {"imageCacheID": ID, "name": None}, never("name")),
    Change("another name", BY_NAME, {"name": "redis"}, never("name")),
    Change("a name for what creates", MADE, {"name": "nginx"}, never("name")),
    Change("no name any more for what creates", {**MADE, "name": "nginx"}, {"name": None}, never("name")),
    Change("the same id again", BY_ID, {"imageCacheID": ID}),
    Change("the same name again", BY_NAME, {"name": "nginx"}),
    Change("binding by name to creating", BY_NAME, {"images": ["nginx"]}, MODE),
    Change("creating to binding by name", {**MADE, "name": "nginx"}, {"images": None}, MODE),
    Change("binding by id to creating", BY_ID, {"imageCacheID": None, "images": ["nginx"]}, MODE),
    Change(
        "creating to binding, with SpecChanged", {**REBUILT, "name": "n"}, {"images": None, "recreateOn": None}, MODE
    ),
    # Where it lives.
    Change("another region", {**BY_ID, "region": "a"}, {"region": "b"}, never("region")),
    Change("a region where there was none", BY_ID, {"region": "a"}, never("region")),
    Change("no region any more", {**BY_ID, "region": "a"}, {"region": None}, never("region")),
    Change("the same region again", {**BY_ID, "region": "a"}, {"region": "a"}),
    Change("another project", {**BY_ID, "projectID": PROJECT}, {"projectID": PROJECT[::-1]}, never("projectID")),
    Change("a project where there was none", BY_ID, {"projectID": PROJECT}, never("projectID")),
    Change("no project any more", {**BY_ID, "projectID": PROJECT}, {"projectID": None}, never("projectID")),
    Change("the same project again", {**BY_ID, "projectID": PROJECT}, {"projectID": PROJECT}),
    Change("another region, with SpecChanged", {**REBUILT, "region": "a"}, {"region": "b"}, never("region")),
    # What may always change.
    Change("to Retain", BY_ID, {"deletionPolicy": "Retain"}),
    Change("back to Delete", {**BY_ID, "deletionPolicy": "Retain"}, {"deletionPolicy": "Delete"}),
    Change("no deletion policy any more", {**BY_ID, "deletionPolicy": "Retain"}, {"deletionPolicy": None}),
    Change("to Observe", BY_ID, {"managementPolicy": "Observe"}),
    Change("other credentials", BY_ID, {"credentialsSecretRef": {"name": "mine"}}),
    Change("own credentials", {**BY_ID, "credentialsSecretRef": {"name": "mine"}}, {"credentialsSecretRef": None}),
    Change("adoption allowed", MADE, {"adoptionPolicy": "IfIdentical"}),
    Change("recreation allowed", MADE, {"recreateOn": ["SpecChanged"]}),
    Change("recreation withdrawn", REBUILT, {"recreateOn": None}),
    # What needs a new cache.
    Change("one more image", MADE, {"images": ["nginx:1.27", "redis:7", "etcd"]}, needs("images")),
    Change("the images in another order", MADE, {"images": ["redis:7", "nginx:1.27"]}),
    Change("one more image, with SpecChanged", REBUILT, {"images": ["nginx:1.27", "redis:7", "etcd"]}),
    Change("one more image and SpecChanged at once", MADE, {"images": ["etcd"], "recreateOn": ["SpecChanged"]}),
    Change("one more image as SpecChanged goes", REBUILT, {"images": ["etcd"], "recreateOn": []}, needs("images")),
    Change("another image with another reason", {**MADE, "recreateOn": ["Failed"]}, {"images": ["e"]}, needs("images")),
    Change("a size", MADE, {"sizeGiB": 21}, needs("sizeGiB")),
    Change("another size", {**MADE, "sizeGiB": 40}, {"sizeGiB": 41}, needs("sizeGiB")),
    Change("no size any more", {**MADE, "sizeGiB": 40}, {"sizeGiB": None}, needs("sizeGiB")),
    Change("the size that was meant", MADE, {"sizeGiB": 20}),
    Change("no size where the usual one was said", {**MADE, "sizeGiB": 20}, {"sizeGiB": None}),
    Change("another size, with SpecChanged", REBUILT, {"sizeGiB": 40}),
    Change("a retention", MADE, {"retentionDays": 1}, needs("retentionDays")),
    Change("no retention any more", {**MADE, "retentionDays": 1}, {"retentionDays": None}, needs("retentionDays")),
    Change("the retention that was meant", MADE, {"retentionDays": 0}),
    Change("a retention, with SpecChanged", REBUILT, {"retentionDays": 1}),
    Change("a cluster", MADE, {"build": {"clusterID": "c"}}, needs("build")),
    Change("another cluster", {**MADE, "build": {"clusterID": "c"}}, {"build": {"clusterID": "d"}}, needs("build")),
    Change("no build any more", {**MADE, "build": {"clusterID": "c"}}, {"build": None}, needs("build")),
    Change(
        "another pull secret",
        {**MADE, "build": {"pullSecretRefs": [{"name": "s"}]}},
        {"build": {"pullSecretRefs": [{"name": "t"}]}},
        needs("build"),
    ),
    Change("the same build again", {**MADE, "build": {"clusterID": "c"}}, {"build": {"clusterID": "c"}}),
    Change("a cluster, with SpecChanged", REBUILT, {"build": {"clusterID": "c"}}),
    # Rules for creation hold later, too.
    Change("a size for a bound cache", BY_ID, {"sizeGiB": 20}, "sizeGiB belongs to objects that create a cache"),
    Change("a recreation for a bound cache", BY_ID, {"recreateOn": ["Failed"]}, "recreateOn belongs to objects that"),
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title)
def test_changes(shipped: Any, change: Change) -> None:
    """Each change goes through, or is refused with a sentence that says what to do instead."""
    name = shipped.create(change.spec)["metadata"]["name"]
    try:
        if change.said:
            with pytest.raises(ApiError) as refusal:
                shipped.update(name, change.change, dry_run=True)
            assert refusal.value.status == 422
            assert change.said in str(refusal.value)
        else:
            found = shipped.update(name, change.change, dry_run=True)["spec"]
            wanted = {field: value for field, value in change.change.items() if value is not None}
            assert wanted.items() <= found.items()
    finally:
        shipped.delete(name)


def test_every_rule_about_changes_refuses_one() -> None:
    """No rule that compares with the former spec is without a case."""
    rules = [rule for rule in (*SPEC_RULES, *ROOT_RULES) if "oldSelf" in rule.expression]
    unproven = [
        rule.message
        for rule in rules
        if not any(change.said and change.said.split("Forbidden: ")[-1] in rule.message for change in CHANGES)
    ]
    assert len(rules) == 9
    assert unproven == []


def test_retain_may_be_set_during_deletion(shipped: Any) -> None:
    """The way out of a deletion that the cloud refuses: the policy is set on an object that is being deleted."""
    name = shipped.create(BY_ID, finalizers=["example.com/hold"])["metadata"]["name"]
    shipped.delete(name)
    found = shipped.update(name, {"deletionPolicy": "Retain"})
    assert found["metadata"]["deletionTimestamp"]
    assert found["spec"]["deletionPolicy"] == "Retain"
    shipped.patch(name, {"metadata": {"finalizers": None}})
    assert shipped.get(name) is None
