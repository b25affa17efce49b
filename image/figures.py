"""Size and start time, as a table for people (build/image.md) and as JSON (build/image.json)."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MB = 1_000_000
"""As registries count."""


def mb(size: int) -> str:
    """A size for people."""
    return f"{size / MB:.1f} MB"


def write(directory: Path, *, base: str, layers: Mapping[str, Sequence[int]], starts: Mapping[str, float]) -> str:
    """Write both files; returns the table."""
    found: dict[str, Any] = {
        "machine": platform.machine(),
        "base": base,
        "compressed_bytes_of_layers": {whose: list(sizes) for whose, sizes in layers.items()},
        "compressed_bytes": sum(map(sum, layers.values())),
        "start_seconds": {what: round(seconds, 2) for what, seconds in starts.items()},
    }
    directory.mkdir(exist_ok=True)
    (directory / "image.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    rows = [("layer, compressed", base), *((whose, mb(size)) for whose, sizes in layers.items() for size in sizes)]
    rows += [("sum", mb(found["compressed_bytes"]))]
    rows += [(f"start until {what}", f"{seconds:.2f} s") for what, seconds in found["start_seconds"].items()]
    lines = [f"| {left} | {right} |" for left, right in rows]
    text = "\n".join([lines[0], "|---|---|", *lines[1:]]) + "\n"
    (directory / "image.md").write_text(text, encoding="utf-8")
    return text
