"""The operator in a time that passes faster: `python -m imagecache_chaos.soak.scaled FACTOR [FILE]`.

Its settings are scaled by whoever starts it. Waits that are no settings, because they are the cloud's or of no interest
to users, are scaled here; all else is the operator as it ships. With a file, SIGUSR2 writes down which lines of code
have allocated more memory that is in use than at the first SIGUSR2.
"""

from __future__ import annotations

import gc
import importlib
import signal
import sys
import tracemalloc
from pathlib import Path
from typing import Any

from imagecache_operator import cli

WAITS = (
    "ABSENCE_COUNTS_AFTER",
    "ACCOUNT_RETRY",
    "ACCOUNT_RETRY_FIRST",
    "CREDENTIALS_CHECK",
    "FAILED_PAUSES",
    "INTERVAL",
    "PAUSE",
    "SLOW_LANE",
    "THROTTLE_PAUSE",
    "UNAVAILABLE_RETRY_MAX",
    "WINDOW",
)
FRAMES, SHOWN = 8, 30


def scale(factor: float) -> list[str]:
    """Shorten the waits wherever a module has them, also where it took them over; returns which."""
    importlib.import_module("imagecache_operator.run")
    found = []
    for name, module in sorted(sys.modules.items()):
        for wait in WAITS if name.startswith("imagecache_operator.") else ():
            if (value := getattr(module, wait, None)) is not None:
                setattr(module, wait, _shorter(value, factor))
                found.append(f"{name}.{wait}")
    return found


def _shorter(value: Any, factor: float) -> Any:
    return tuple(each / factor for each in value) if isinstance(value, tuple) else value / factor


class Tracer:
    """Compares what is allocated with what was at the first signal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: tracemalloc.Snapshot | None = None
        tracemalloc.start(FRAMES)

    def look(self, *_: Any) -> None:
        """Take a snapshot, and write down what has grown."""
        gc.collect()
        now = tracemalloc.take_snapshot()
        self._first = self._first or now
        grown = now.compare_to(self._first, "traceback")[:SHOWN]
        lines = [
            f"{each.size_diff} B, {each.count_diff} blocks\n" + "\n".join(each.traceback.format()) for each in grown
        ]
        self._path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Scale, and run."""
    scale(float(sys.argv[1]))
    if len(sys.argv) > 2:
        signal.signal(signal.SIGUSR2, Tracer(Path(sys.argv[2])).look)
    return cli.main(["run"])


if __name__ == "__main__":
    sys.exit(main())
