"""What `make demo`, `make bench`, `make chaos` and `make soak` have in common: a folder, a cluster, and a clean end."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from imagecache_controlplane import ControlPlane, ControlPlaneError, find_programs
from imagecache_playground.cluster import Cluster


def say(sentence: str) -> None:
    """Show it at once, also through a pipe."""
    print(sentence, flush=True)


def run_in_folder(name: str, work: Callable[[Path], int], *, logs: Path | None = None) -> int:
    """Do the work in a temporary folder of that name, or in `logs`, which stays.

    Returns:
        what the work does; 1 when there is no control plane for it; 130 after Ctrl-C or SIGTERM, either of which ends
        all processes that were started.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as temporary:
            directory = logs or Path(temporary)
            directory.mkdir(parents=True, exist_ok=True)
            return work(directory)
    except ControlPlaneError as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


@contextmanager
def installed_cluster(progress: Callable[[str], None] = say, *, audit_log: Path | None = None) -> Iterator[Cluster]:
    """A control plane with the CRD and the operator's role in it."""
    with ControlPlane(find_programs(say), audit_log=audit_log, progress=progress) as plane:
        cluster = Cluster(plane)
        cluster.install()
        yield cluster


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
