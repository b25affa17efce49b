"""All pairs of the positions of several switches, in few rows: greedy, and always the same rows.

A library would bring a dependency for what is one loop here, and none of those at hand is kept well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

Position = tuple[str, Any]
Pair = frozenset[Position]


def pairs_of(row: Mapping[str, Any]) -> Iterator[Pair]:
    """All pairs of positions that one row has."""
    return (frozenset(pair) for pair in combinations(row.items(), 2))


def all_pairs(switches: Mapping[str, Sequence[Any]]) -> dict[Pair, None]:
    """All that there are, in a fixed order."""
    return {
        frozenset({(one, left), (other, right)}): None
        for one, other in combinations(switches, 2)
        for left in switches[one]
        for right in switches[other]
    }


def pairwise(switches: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows with a position for each switch; every pair of positions is in one of them."""
    missing = all_pairs(switches)
    rows = []
    while missing:
        # Begun with a pair that is missing, so that each row brings at least one.
        chosen = dict(next(iter(missing)))
        for name in sorted(switches, key=lambda name: -len(switches[name])):
            if name not in chosen:
                chosen[name] = max(switches[name], key=lambda value: _gain(missing, chosen, (name, value)))
        for pair in pairs_of(chosen):
            missing.pop(pair, None)
        rows.append({name: chosen[name] for name in switches})
    return rows


def _gain(missing: Mapping[Pair, None], chosen: Mapping[str, Any], position: Position) -> int:
    return sum(frozenset({position, other}) in missing for other in chosen.items())
