"""The rows that circles run with cover what they should, and are few."""

from __future__ import annotations

from tests.circle.pairwise import all_pairs, pairs_of, pairwise

from cce_simulator.switches import allowed_values


def test_every_pair_of_positions_is_in_a_row() -> None:
    """And every row has a position for every switch."""
    switches = allowed_values()
    rows = pairwise(switches)
    covered = {pair for row in rows for pair in pairs_of(row)}
    assert covered == set(all_pairs(switches))
    assert all(list(row) == list(switches) for row in rows)


def test_the_rows_are_few_and_always_the_same() -> None:
    """Two switches of five and four positions alone need 20."""
    assert pairwise(allowed_values()) == pairwise(allowed_values())
    assert len(pairwise(allowed_values())) <= 40


def test_a_small_case() -> None:
    """Three switches of two positions take four rows, the least that there can be."""
    assert len(pairwise({"a": (1, 2), "b": (3, 4), "c": (5, 6)})) == 4
