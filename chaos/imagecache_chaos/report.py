"""What is printed: how far it is, and the table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from imagecache_chaos.life import Run
from imagecache_chaos.weather import WEATHERS

EVERY = 20
"""Runs between two lines of progress."""


class Progress:
    """Tells every now and then how far it is, and of every run that is wrong."""

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self._total = total
        self._say = say
        self._began = time.monotonic()
        self._done = 0

    def told(self, run: Run) -> None:
        """A run has ended."""
        self._done += 1
        if not run.good:
            self._say(f"  WRONG  {run.plan.weather} {' '.join(run.plan.points)}: {run.verdict.faults} {run.stuck}")
        if self._done % EVERY == 0 or self._done == self._total:
            left = (time.monotonic() - self._began) / self._done * (self._total - self._done)
            self._say(f"  {self._done} of {self._total} runs, about {left:.0f} s to go")


def table(runs: Sequence[Run]) -> str:
    """A row per weather, and the sum; `races` are no faults."""
    rows: list[tuple[str, ...]] = [
        ("weather", "runs", "deaths", "orphans", "twins", "double DELETEs", "stuck", "races", "s each", "what")
    ]
    for name in [*WEATHERS, "all"]:
        of_it = [run for run in runs if name in {run.plan.weather, "all"}]
        if not of_it:
            continue
        counts = (
            len(of_it),
            sum(run.deaths for run in of_it),
            sum(run.verdict.orphans for run in of_it),
            sum(run.verdict.twins for run in of_it),
            sum(run.verdict.doubles for run in of_it),
            sum(bool(run.stuck) for run in of_it),
            sum(run.verdict.races for run in of_it),
        )
        seconds = sum(run.seconds for run in of_it) / len(of_it)
        tells = WEATHERS[name].tells if name in WEATHERS else ""
        rows.append((name, *map(str, counts), f"{seconds:.1f}", tells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(text)
