"""`python -m imagecache_chaos.soak`: what `make soak` runs. Prints a table; exit status 1 when a figure is wrong."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from imagecache_benchmarks.results import report
from imagecache_chaos.soak.soak import Plan, soak
from imagecache_playground.cluster import REPOSITORY
from imagecache_playground.entry_point import installed_cluster, run_in_folder, say


def main() -> int:
    """Run it as long as was asked for."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m imagecache_chaos.soak", description=__doc__)
    parser.add_argument(
        "--hours", type=float, default=usual.hours, help="of the operator's time (default: %(default)s)"
    )
    parser.add_argument(
        "--factor",
        type=float,
        default=usual.factor,
        help="by which that time is shortened; 1: not (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=usual.seed, help="of all dice (default: %(default)s)")
    parser.add_argument("--trace", action="store_true", help="write down, beside the logs, what has allocated memory")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build" / "soak.json", help="where to write it")
    parser.add_argument("--logs", type=Path, help="keep all logs in this folder")
    options = parser.parse_args()
    plan = Plan(options.hours, options.factor, options.seed, options.trace)

    def work(directory: Path) -> int:
        began = time.monotonic()
        with installed_cluster() as cluster:
            outcome = soak(plan, cluster, directory, say)
        return report(options.json, outcome.rows, outcome.notes, time.monotonic() - began)

    return run_in_folder("imagecache-soak", work, logs=options.logs)


if __name__ == "__main__":
    sys.exit(main())
