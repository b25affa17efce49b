"""`python -m imagecache_playground demo|playground`: what `make demo` and `make playground` run."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from imagecache_controlplane import ControlPlaneError
from imagecache_playground.demo import demo
from imagecache_playground.play import playground

COMMANDS = {"demo": demo, "playground": playground}


def main() -> int:
    """Run one of them in a temporary folder; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m imagecache_playground", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command = COMMANDS[parser.parse_args().command]
    # SIGTERM, too, must end the processes that were started.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="imagecache-") as directory:
            return command(Path(directory))
    except ControlPlaneError as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
