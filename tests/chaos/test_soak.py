"""A share of `make soak`: the same storms, for half a minute."""

from __future__ import annotations

from pathlib import Path

from imagecache_chaos.soak.soak import Plan, soak
from imagecache_playground.cluster import Cluster


def test_nothing_is_left_or_made_twice_in_a_short_soak(own_cluster: Cluster, tmp_path: Path) -> None:
    """Every figure that is judged is as it must be, and there was something to judge."""
    outcome = soak(Plan(hours=0.1), own_cluster, tmp_path, lambda _sentence: None)
    judged = {row.what: row.median for row in outcome.rows if row.judged}
    assert {what: figure for what, figure in judged.items() if figure} == {}, outcome.notes
    assert len(judged) == 10
    figures = {row.what: row.median for row in outcome.rows}
    assert figures["objects that created caches"] + figures["objects that were bound to caches"] >= 30
