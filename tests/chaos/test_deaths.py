"""A share of `make chaos`: the deaths that are hardest to survive, with real programs."""

from __future__ import annotations

from pathlib import Path

from imagecache_chaos.campaign import Campaign
from imagecache_chaos.life import Plan
from imagecache_playground.cluster import Cluster

WORKERS = 3
PLANS = [
    # Around the intent, the POST and its answer.
    Plan("fair", ("api.patch_object:before:1",)),
    Plan("fair", ("cloud.create:before:1",)),
    Plan("fair", ("cloud.create:after:1",)),
    Plan("lost-posts", ("cloud.create:after:1",)),
    Plan("stale-lost", ("cloud.create:after:1",)),
    Plan("late", ("cloud.create:during:1",)),
    Plan("murky", ("cloud.create:after:1",)),
    # Around the DELETE of a replacement, its proof, and the POST after it.
    Plan("fair", ("cloud.delete:before:1",)),
    Plan("lost-deletes", ("cloud.delete:after:1",)),
    Plan("stale", ("cloud.delete:after:1",)),
    Plan("late", ("cloud.delete:during:1",)),
    Plan("murky", ("cloud.delete:after:1",)),
    Plan("lost-reads", ("cloud.get:before:1",)),
    Plan("fair", ("cloud.get:after:1",)),
    Plan("fair", ("cloud.create:after:2",)),
    Plan("lost-posts", ("cloud.create:after:2",)),
    Plan("late", ("cloud.create:during:2",)),
    # Around the deletion at the end.
    Plan("fair", ("api.get_crd:after:1",)),
    Plan("stale-lost", ("cloud.delete:after:2",)),
    Plan("late", ("cloud.delete:during:2",)),
    Plan("fair", ("api.patch_object:before:2",)),
    Plan("fair", ("api.patch_object:after:2",)),
    # And again, as soon as the next process has looked.
    Plan("fair", ("cloud.create:after:1", "cloud.list:after:1")),
    Plan("stale-lost", ("cloud.delete:after:1", "api.patch_status:before:1")),
]


def test_no_death_leaves_a_twin_or_an_orphan(cluster: Cluster, tmp_path: Path) -> None:
    """Nothing is left, made twice, asked for twice or stuck; and each process did die where it was told to."""
    runs = Campaign(cluster, tmp_path, WORKERS).run(PLANS)
    assert [(run.plan, run.verdict.faults, run.stuck) for run in runs if not run.good] == []
    assert [run.plan for run in runs if run.deaths != len(run.plan.points)] == []
    assert len(runs) == len(PLANS)
