"""The operator with a look at its stack every few milliseconds: `python -m imagecache_benchmarks.sampled FILE`.

The kernel sends SIGPROF per amount of processor time used, so waiting costs no samples, and unlike a tracing profiler
it does not make small functions look dear. SIGUSR1 begins, and the file is written at the end.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from imagecache_operator import cli

INTERVAL = 0.004
HOT = 25

_PACKAGES = (
    ("/imagecache_operator/kubernetes_client", "requests to the API server (kubernetes, aiohttp)"),
    ("/imagecache_operator/", "ours"),
    ("/kubernetes/", "requests to the API server (kubernetes, aiohttp)"),
    ("/httpx", "requests to the cloud (httpx, aiohttp)"),
    ("/kopf/", "kopf"),
)
_BOTTOM = "/imagecache_operator/cli.py"
"""Every stack ends there; what no package above it owns is the event loop's."""

_REST = "event loop, TLS and parsers outside of them"

shares: Counter[str] = Counter()
hot: Counter[str] = Counter()


def sample(_number: int, frame: FrameType | None) -> None:
    """Count the innermost frame that belongs to a package with a name, and its function."""
    innermost = frame
    while frame is not None and _BOTTOM not in frame.f_code.co_filename:
        name = frame.f_code.co_filename
        for part, share in _PACKAGES:
            if part in name:
                shares[share] += 1
                hot[_place(frame)] += 1
                return
        frame = frame.f_back
    shares[_REST] += 1
    if innermost is not None:
        hot[_place(innermost)] += 1


def _place(frame: FrameType) -> str:
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])}:{frame.f_lineno} {frame.f_code.co_qualname}"


def begin(*_: Any) -> None:
    """Forget what was before."""
    shares.clear()
    hot.clear()
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)


def main() -> int:
    """Run the operator, then write what was seen."""
    signal.signal(signal.SIGPROF, sample)
    signal.signal(signal.SIGUSR1, begin)
    try:
        return cli.main(["run"])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        body = {"interval": INTERVAL, "shares": shares, "hot": hot.most_common(HOT)}
        Path(sys.argv[1]).write_text(json.dumps(body), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
