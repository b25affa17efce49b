"""A simulator in this process whose clock only the test moves, and the official SDK kept away from the real home."""

from __future__ import annotations

from tests.simulated import cloud, home_without_traces, start

__all__ = ["cloud", "home_without_traces", "start"]
