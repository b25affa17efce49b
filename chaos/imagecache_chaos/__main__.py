"""`python -m imagecache_chaos`: what `make chaos` runs. Prints a table; exit status 1 when a figure in it is not 0."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from imagecache_chaos.campaign import Campaign
from imagecache_chaos.life import Plan, Run
from imagecache_chaos.matrix import plans_from
from imagecache_chaos.report import Progress, table
from imagecache_chaos.weather import WEATHERS
from imagecache_playground.entry_point import installed_cluster, run_in_folder, say

RUNS, WORKERS = 600, 6
SECONDS_EACH = 5.0
"""Of one run, for the guess at the beginning."""


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m imagecache_chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="how many, at least (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=WORKERS, help="how many at a time (default: %(default)s)")
    parser.add_argument("--weather", action="append", choices=WEATHERS, help="only these; may be given several times")
    parser.add_argument("--point", action="append", metavar="VERB:PHASE:NUMBER", help="one run: where it dies, in turn")
    parser.add_argument("--logs", type=Path, help="keep all logs in this folder")
    options = parser.parse_args()
    weathers = options.weather or list(WEATHERS)

    def work(directory: Path) -> int:
        with installed_cluster() as cluster:
            campaign = Campaign(cluster, directory, options.workers)
            if options.point:
                chosen = [Plan(weather, tuple(options.point)) for weather in weathers]
                return _tell(campaign.run(chosen), 0.0)
            return _matrix(campaign, weathers, options.runs, options.workers)

    return run_in_folder("imagecache-chaos", work, logs=options.logs)


def _matrix(campaign: Campaign, weathers: list[str], runs: int, workers: int) -> int:
    began = time.monotonic()
    say(f"Looking for the points, one life in each of {len(weathers)} weathers: about half a minute")
    points, first = campaign.discover(weathers)
    plans = plans_from(points, runs)
    say(
        f"{sum(map(len, points.values()))} points; {len(plans)} runs, about {len(plans) * SECONDS_EACH / workers:.0f} s"
    )
    done = campaign.run(plans, Progress(len(plans), say).told)
    return _tell(first + done, time.monotonic() - began)


def _tell(runs: list[Run], seconds: float) -> int:
    say(f"\n{table(runs)}\n")
    wrong = [run for run in runs if not run.good]
    for run in wrong:
        points = "".join(f" --point {point}" for point in run.plan.points)
        say(f"WRONG  {'; '.join([*run.verdict.faults, *filter(None, [run.stuck])])}")
        say(f"       again: python -m imagecache_chaos --weather {run.plan.weather}{points}")
    deaths = sum(run.deaths for run in runs)
    say(f"{len(runs)} runs with {deaths} deaths, {len(wrong)} WRONG, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
