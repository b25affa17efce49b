"""`python -m imagecache_benchmarks`: what `make bench` runs. Prints a table, and writes it as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from imagecache_benchmarks.audit import AuditLog
from imagecache_benchmarks.bench import Bench
from imagecache_benchmarks.burst import burst, limited
from imagecache_benchmarks.creating import creating, creating_limited
from imagecache_benchmarks.idle import idle
from imagecache_benchmarks.many_accounts import many_accounts
from imagecache_benchmarks.process import process
from imagecache_benchmarks.replicas import replicas
from imagecache_benchmarks.results import report
from imagecache_benchmarks.single import single
from imagecache_benchmarks.thousand import profile, thousand
from imagecache_playground.cluster import REPOSITORY
from imagecache_playground.entry_point import installed_cluster, run_in_folder, say

BENCHMARKS: dict[str, tuple[Callable[[Bench], None], int, int]] = {
    "single": (single, 5, 35),
    "burst": (burst, 5, 15),
    "limited": (limited, 5, 35),
    "idle": (idle, 80, 0),
    "process": (process, 5, 15),
    "creating": (creating, 5, 35),
    "creating-limited": (creating_limited, 5, 35),
    "many-accounts": (many_accounts, 240, 0),
    "replicas": (replicas, 5, 60),
    "thousand": (thousand, 30, 175),
}
"""By name: what to do, and how many seconds it takes once and per run."""

EXTRA = {"profile": (profile, 40, 0)}
"""Only when asked for by name, as it is a part of another one."""

RUNS = 5


def main() -> int:
    """Run what was asked for; exit status 1 when a figure is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m imagecache_benchmarks", description=__doc__)
    every = BENCHMARKS | EXTRA
    parser.add_argument("--only", action="append", choices=every, metavar="NAME", help=f"one of {', '.join(every)}")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each measurement (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="the same as --runs 1: for a first look")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build" / "bench.json", help="where to write it")
    parser.add_argument("--logs", type=Path, help="keep all logs in this folder")
    options = parser.parse_args()
    runs = 1 if options.quick else max(options.runs, 1)
    chosen = {name: every[name] for name in options.only or BENCHMARKS}
    return run_in_folder(
        "imagecache-bench", lambda directory: _run(chosen, runs, directory, options.json), logs=options.logs
    )


def _run(
    chosen: dict[str, tuple[Callable[[Bench], None], int, int]], runs: int, directory: Path, report_path: Path
) -> int:
    began = time.monotonic()
    seconds = sum(once + each * runs for _, once, each in chosen.values())
    say(f"Benchmarks {', '.join(chosen)}; runs: {runs}; about {seconds / 60:.0f} min")
    audit = directory / "audit.log"
    with installed_cluster(audit_log=audit) as cluster:
        bench = Bench(cluster, AuditLog(audit), directory, runs)
        for do, _, _ in chosen.values():
            do(bench)
    return report(report_path, bench.rows, bench.notes, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
