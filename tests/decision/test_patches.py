"""The patches that go to the API server: they say what they mean, and touch nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decision.builders import ID, NOW, Case, asked, body, deleting, present, ready_status, resource

from imagecache_operator.names import FINALIZER
from imagecache_operator.patches import finalizer_added, finalizer_removed, merge_difference, status_patch

# Values that a merge patch can carry: null means "remove" there, so no document of ours holds it.
SCALARS = st.integers(-3, 3) | st.text("ab", max_size=2) | st.just(0.5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", max_size=1), inner),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text("xyz", max_size=1), VALUES, max_size=4)


def merged(target: Any, patch: Any) -> Any:
    """MergePatch of RFC 7386, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


@given(DOCUMENTS, DOCUMENTS)
def test_applying_the_difference_gives_the_new_document(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Whatever differs, the patch of RFC 7386 makes the new one out of the old."""
    before = copy.deepcopy((old, new))
    assert merged(old, merge_difference(old, new)) == new
    assert (old, new) == before


@given(DOCUMENTS)
def test_no_difference_is_no_patch(document: dict[str, Any]) -> None:
    """What is equal is not written."""
    assert merge_difference(document, copy.deepcopy(document)) == {}


@given(DOCUMENTS, DOCUMENTS)
def test_fields_that_agree_are_not_in_the_patch(old: dict[str, Any], new: dict[str, Any]) -> None:
    """A patch names only what changes."""
    patch = merge_difference(old, new)
    assert not [name for name in patch if name in old and name in new and old[name] == new[name]]


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        pytest.param({}, {"a": 1}, {"a": 1}, id="a field more"),
        pytest.param({"a": 1}, {}, {"a": None}, id="a field less"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, id="another value"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}, id="a field less, deep inside"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}, id="the last field less"),
        pytest.param({"a": 1}, {"a": {}}, {"a": {}}, id="an empty object for a value"),
        pytest.param({}, {"a": {}}, {"a": {}}, id="an empty object"),
        pytest.param({"a": {"b": 1}}, {"a": "x"}, {"a": "x"}, id="a value for an object"),
        pytest.param({"a": [1, 2]}, {"a": [2]}, {"a": [2]}, id="lists as a whole"),
        pytest.param({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, {"a": [{"b": 2}]}, id="lists of objects as a whole"),
    ],
)
def test_the_difference_of_two_documents(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]) -> None:
    """The table of RFC 7386, read backwards."""
    assert merge_difference(old, new) == patch
    assert merged(old, patch) == new


def test_a_status_that_is_the_same_is_not_written() -> None:
    """Status is written only when something in it changed."""
    live = resource()
    assert status_patch(live, live.status) is None
    assert status_patch(live, live.status.model_copy(update={"name": "web"})) is None


def test_a_status_that_differs_is_written_against_the_version_that_was_decided_on() -> None:
    """A conflict means: look again."""
    live = resource()
    patch = status_patch(live, live.status.model_copy(update={"cache_status": "Deleting", "name": None}))
    assert patch == {
        "metadata": {"resourceVersion": "7"},
        "status": {"cacheStatus": "Deleting", "name": None},
    }


def test_fields_of_the_status_that_we_do_not_know_are_left_alone() -> None:
    """A newer version's fields survive an older operator."""
    old = body(status=ready_status() | {"novelty": {"x": 1}}, deleted=NOW)
    patch = status_patch(deleting(status=old["status"]), Case().decide().status)
    assert patch is not None
    assert merged(old["status"], patch["status"])["novelty"] == {"x": 1}


def test_the_intent_is_written_as_the_schema_wants_it() -> None:
    """The patch of the first write: names in camelCase, times in RFC 3339."""
    case = Case()
    patch = status_patch(case.resource, case.decide().status)
    assert patch is not None
    assert patch["status"]["deletion"] == {"requestedAt": "2026-03-01T12:00:00Z", "attempts": 1}


def test_a_repetition_takes_away_what_the_former_delete_left() -> None:
    """In the API server, too, acceptance and sight of the former DELETE are gone."""
    deletion = asked(ago=60, accepted=True, seen=True)
    status = ready_status("DeleteReverted", ready="False") | {"deletion": deletion}
    case = Case(deleting(status=status), present(), {"since_request": 60.0})
    patch = status_patch(case.resource, case.decide().status)
    assert patch is not None
    assert merged(status, patch["status"])["deletion"] == {"requestedAt": "2026-03-01T12:00:00Z", "attempts": 2}


def applied(document: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """A JSON patch (RFC 6902), as far as ours use it."""
    document = copy.deepcopy(document)
    for step in patch:
        *parents, last = step["path"].strip("/").split("/")
        place: Any = document
        for name in parents:
            place = place[name]
        index: Any = int(last) if isinstance(place, list) and last != "-" else last
        match step["op"]:
            case "test":
                assert place[index] == step["value"]
            case "remove":
                del place[index]
            case "add" if last == "-":
                place.append(step["value"])
            case _:
                place[index] = step["value"]
    return document


@pytest.mark.parametrize("others", [[], ["a/x"], ["a/x", "b/y"]])
def test_our_finalizer_is_added_after_others(others: list[str]) -> None:
    """Finalizers of others stay as they are."""
    old = body(finalizers=others)
    if not others:
        del old["metadata"]["finalizers"]
    patch = finalizer_added(resource(finalizers=others))
    assert applied(old, patch)["metadata"]["finalizers"] == [*others, FINALIZER]
    assert patch[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}


@pytest.mark.parametrize("finalizers", [[FINALIZER], ["a/x", FINALIZER], [FINALIZER, "a/x"], ["a/x", FINALIZER, "b/y"]])
def test_our_finalizer_and_no_other_is_removed(finalizers: list[str]) -> None:
    """It is tested in place, and the version with it, so that no other is hit."""
    patch = finalizer_removed(deleting(finalizers=finalizers))
    left = applied(body(finalizers=finalizers), patch)["metadata"]["finalizers"]
    assert left == [name for name in finalizers if name != FINALIZER]
    assert patch[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert patch[1]["op"] == "test"
    assert patch[1]["value"] == FINALIZER


def test_the_ids_of_the_table_are_those_of_the_cloud() -> None:
    """The builders speak of one cache."""
    assert resource().status.image_cache_id == ID
