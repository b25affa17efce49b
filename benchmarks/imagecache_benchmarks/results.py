"""What was measured, what it must be, and whether it is: as a table and as JSON."""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        what: was measured.
        unit: of all figures.
        values: one per run.
        most: the median must not be more than that; None when there is no such limit.
        least: the median must not be less than that.
        every: whether each value must keep the limits, and not only the median.
    """

    what: str
    unit: str
    values: Sequence[float]
    most: float | None = None
    least: float | None = None
    every: bool = False

    @property
    def median(self) -> float:
        """The middle of the runs."""
        return statistics.median(self.values)

    @property
    def judged(self) -> bool:
        """Whether anything is asked of it."""
        return self.most is not None or self.least is not None

    @property
    def good(self) -> bool:
        """Whether it is as it must be."""
        values = self.values if self.every else [self.median]
        return all(
            (self.most is None or value <= self.most) and (self.least is None or value >= self.least)
            for value in values
        )

    @property
    def must_be(self) -> str:
        """The limits in words."""
        if self.most is not None and self.most == self.least:
            return f"= {self.most:g} {self.unit}".rstrip()
        limits = [f"<= {self.most:g}"] if self.most is not None else []
        limits += [f">= {self.least:g}"] if self.least is not None else []
        return f"{' and '.join(limits)} {self.unit}".strip() if limits else "-"

    def as_json(self) -> dict[str, Any]:
        """The line for programs."""
        return {
            "what": self.what,
            "unit": self.unit,
            "values": list(self.values),
            "median": self.median,
            "most": self.most,
            "least": self.least,
            "ok": self.good if self.judged else None,
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def table(rows: Sequence[Row]) -> str:
    """All lines, in columns."""
    lines = [("what", "must be", "median", "min", "max", "runs", "")]
    for row in rows:
        figures = [f"{figure:.4g}" for figure in (row.median, min(row.values), max(row.values))]
        verdict = ("ok" if row.good else "MISSED") if row.judged else ""
        what = f"{row.what}, {row.unit}" if row.unit else row.what
        lines.append((what, row.must_be, figures[0], figures[1], figures[2], str(len(row.values)), verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 2 <= column <= 5 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write_json(path: Path, rows: Sequence[Row], notes: Sequence[str], seconds: float) -> None:
    """The same for programs, with what is needed to compare two machines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "machine": {"cpus": os.cpu_count(), "python": sys.version.split()[0], "platform": sys.platform},
        "rows": [row.as_json() for row in rows],
        "notes": list(notes),
    }
    path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def report(path: Path, rows: Sequence[Row], notes: Sequence[str], seconds: float) -> int:
    """Tell all to a person and write it as JSON; returns the exit status, 1 when a figure is not as it must be."""
    print(f"\n{table(rows)}\n")
    for note in notes:
        print(note)
    write_json(path, rows, notes, seconds)
    missed = [row for row in rows if row.judged and not row.good]
    print(f"\n{len(missed)} MISSED, {seconds:.0f} s; as JSON in {path}", flush=True)
    return 1 if missed else 0
