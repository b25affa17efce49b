"""`python -m imagecache_chaos`: what `make chaos` runs. Prints a table; exit status 1 when a figure in it is not 0."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from imagecache_chaos.campaign import Campaign
from imagecache_chaos.life import Plan, Run
from imagecache_chaos.matrix import plans_from
from imagecache_chaos.report import Progress, table
from imagecache_chaos.weather import WEATHERS
from imagecache_controlplane import ControlPlane, ControlPlaneError, find_programs
from imagecache_playground.cluster import Cluster

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
    # SIGTERM, too, must end the processes that were started.
    signal.signal(signal.SIGTERM, _interrupt)
    weathers = options.weather or list(WEATHERS)
    try:
        with tempfile.TemporaryDirectory(prefix="imagecache-chaos-") as temporary:
            directory = options.logs or Path(temporary)
            directory.mkdir(parents=True, exist_ok=True)
            with ControlPlane(find_programs(_say), progress=_say) as plane:
                cluster = Cluster(plane)
                cluster.install()
                campaign = Campaign(cluster, directory, options.workers)
                if options.point:
                    chosen = [Plan(weather, tuple(options.point)) for weather in weathers]
                    return _tell(campaign.run(chosen), 0.0)
                return _matrix(campaign, weathers, options.runs, options.workers)
    except ControlPlaneError as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _matrix(campaign: Campaign, weathers: list[str], runs: int, workers: int) -> int:
    began = time.monotonic()
    _say(f"Looking for the points, one life in each of {len(weathers)} weathers: about half a minute")
    points, first = campaign.discover(weathers)
    plans = plans_from(points, runs)
    _say(
        f"{sum(map(len, points.values()))} points; {len(plans)} runs, about {len(plans) * SECONDS_EACH / workers:.0f} s"
    )
    done = campaign.run(plans, Progress(len(plans), _say).told)
    return _tell(first + done, time.monotonic() - began)


def _tell(runs: list[Run], seconds: float) -> int:
    _say(f"\n{table(runs)}\n")
    wrong = [run for run in runs if not run.good]
    for run in wrong:
        points = "".join(f" --point {point}" for point in run.plan.points)
        _say(f"WRONG  {'; '.join([*run.verdict.faults, *filter(None, [run.stuck])])}")
        _say(f"       again: python -m imagecache_chaos --weather {run.plan.weather}{points}")
    deaths = sum(run.deaths for run in runs)
    _say(f"{len(runs)} runs with {deaths} deaths, {len(wrong)} WRONG, {seconds:.0f} s")
    return 1 if wrong else 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
