"""Who sees the same caches as whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.decision.builders import ELSEWHERE, ROTATED, STRANGER, UNTOLD, UNTOLD_ROTATED, US

from imagecache_operator.identity import Identity, identity_of, location_of

SAME = [
    pytest.param(US, US, True, id="the very same"),
    pytest.param(US, ROTATED, True, id="a rotated key of the same account"),
    pytest.param(US, STRANGER, False, id="another account in the same project"),
    pytest.param(US, UNTOLD, True, id="the account cannot be told now, but the key is the same"),
    pytest.param(US, UNTOLD_ROTATED, False, id="the account cannot be told now, and the key is another"),
    pytest.param(UNTOLD, UNTOLD_ROTATED, False, id="neither account can be told, and the keys differ"),
    pytest.param(UNTOLD, UNTOLD, True, id="neither account can be told, and the key is the same"),
    pytest.param(US, replace(US, location=ELSEWHERE), False, id="the same account at another location"),
    pytest.param(UNTOLD, replace(UNTOLD, location=ELSEWHERE), False, id="the same key at another location"),
    pytest.param(
        US, replace(US, credential=STRANGER.credential), True, id="the account counts, whatever the key is called"
    ),
    pytest.param(
        US, replace(STRANGER, credential=US.credential), False, id="one key name in two accounts is two identities"
    ),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME)
def test_two_identities_are_one_when_location_and_account_agree_or_else_the_credential(
    one: Identity, other: Identity, same: bool
) -> None:
    """Location and account decide; where an account cannot be told, the credential does; it works both ways."""
    assert one.same_as(other) is same
    assert other.same_as(one) is same


@pytest.mark.parametrize("field", ["endpoint", "region", "project_id"])
def test_each_part_of_the_location_counts(field: str) -> None:
    """Another endpoint, region or project is another place, and sees other caches."""
    elsewhere = replace(US, location=replace(US.location, **{field: "other"}))
    assert not US.same_as(elsewhere)


@pytest.mark.parametrize("identity", [US, UNTOLD, STRANGER])
def test_an_identity_survives_the_status(identity: Identity) -> None:
    """What is written to `status.seenBy` is read back as the same identity."""
    shown = identity.to_status()
    assert identity_of(shown) == identity
    assert location_of(shown) == identity.location


def test_a_known_account_is_kept_when_the_same_key_cannot_tell_it_now() -> None:
    """A passing failure of the account look-up does not make the status forget the account."""
    assert UNTOLD.to_status(US.to_status()).account_id == US.account_id


def test_a_new_sighting_by_another_untold_key_does_not_inherit_the_account() -> None:
    """Nobody knows that the new key belongs to the old account."""
    assert UNTOLD_ROTATED.to_status(US.to_status()).account_id is None


def test_a_sighting_elsewhere_does_not_inherit_the_account() -> None:
    """The same key name at another location is another identity."""
    assert replace(UNTOLD, location=ELSEWHERE).to_status(US.to_status()).account_id is None


def test_the_newest_account_wins() -> None:
    """Every sighting renews who saw the cache."""
    assert STRANGER.to_status(US.to_status()).account_id == STRANGER.account_id


def test_an_identity_reads_as_a_sentence_without_secrets() -> None:
    """People read identities in messages: location, account and fingerprint."""
    assert str(US) == (
        f"credential key-aaaa of account account-1 at {US.location.endpoint} (region eu-west-101, "
        f"project {US.location.project_id})"
    )
    assert "an account that could not be told" in str(UNTOLD)
