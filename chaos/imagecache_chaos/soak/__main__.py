"""`python -m imagecache_chaos.soak`: what `make soak` runs. Prints a table; exit status 1 when a figure is wrong."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from imagecache_benchmarks.results import report
from imagecache_chaos.soak.soak import Plan, soak
from imagecache_controlplane import ControlPlane, ControlPlaneError, find_programs
from imagecache_playground.cluster import REPOSITORY, Cluster


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
    # SIGTERM, too, must end the processes that were started.
    signal.signal(signal.SIGTERM, _interrupt)
    plan = Plan(options.hours, options.factor, options.seed, options.trace)
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="imagecache-soak-") as temporary:
            directory = options.logs or Path(temporary)
            directory.mkdir(parents=True, exist_ok=True)
            with ControlPlane(find_programs(_say), progress=_say) as plane:
                cluster = Cluster(plane)
                cluster.install()
                outcome = soak(plan, cluster, directory, _say)
    except ControlPlaneError as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return report(options.json, outcome.rows, outcome.notes, time.monotonic() - began)


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
