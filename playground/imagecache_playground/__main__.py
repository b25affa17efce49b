"""`python -m imagecache_playground demo|playground`: what `make demo` and `make playground` run."""

from __future__ import annotations

import argparse
import sys

from imagecache_playground.demo import demo
from imagecache_playground.entry_point import run_in_folder
from imagecache_playground.play import playground

COMMANDS = {"demo": demo, "playground": playground}


def main() -> int:
    """Run one of them in a temporary folder; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m imagecache_playground", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    return run_in_folder("imagecache", COMMANDS[parser.parse_args().command])


if __name__ == "__main__":
    sys.exit(main())
