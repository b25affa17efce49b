"""A simulator in this process."""

from tests.simulated import cloud, home_without_traces, start

__all__ = ["cloud", "home_without_traces", "start"]
