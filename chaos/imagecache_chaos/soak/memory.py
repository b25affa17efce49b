"""Memory over time: sampled, and judged by how flat it is."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WINDOWS = 20
"""Equal parts of the time; the memory of each is the median of its samples, so that no single moment decides."""


@dataclass(frozen=True)
class Sample:
    """What a process has at a moment: `monotonic` seconds, resident MiB, open files."""

    at: float
    resident_mib: float
    files: int


def sample(pid: int) -> Sample:
    """Look at a process; resident memory counts pages of shared libraries, too."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Sample(time.monotonic(), pages * os.sysconf("SC_PAGE_SIZE") / 2**20, files)


@dataclass(frozen=True)
class Memory:
    """How memory went.

    Attributes:
        windows: MiB, median of each twentieth of the time.
    """

    windows: Sequence[float]

    @property
    def settled(self) -> Sequence[float]:
        """The windows after the first quarter: by then everything has been used once."""
        return self.windows[len(self.windows) // 4 :]

    @property
    def spread(self) -> float:
        """By how many percent the highest of these lies above the lowest."""
        return (max(self.settled) / min(self.settled) - 1) * 100


def memory_of(samples: Sequence[Sample]) -> Memory:
    """Sort samples into windows."""
    first, last = samples[0].at, samples[-1].at
    width = math.nextafter((last - first) / WINDOWS, math.inf)
    parts: list[list[float]] = [[] for _ in range(WINDOWS)]
    for each in samples:
        parts[min(int((each.at - first) / width), WINDOWS - 1)].append(each.resident_mib)
    return Memory([statistics.median(part) for part in parts if part])
