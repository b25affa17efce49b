"""The command: read the scenario, listen, say so, stop on a signal."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from cce_simulator.clock import SystemClock
from cce_simulator.parsing import MalformedError
from cce_simulator.scenario import Scenario, load_scenario
from cce_simulator.server import listening
from cce_simulator.simulator import Simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. A bad scenario or port is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="cce-simulator", description="A CCE image-cache endpoint on this machine.")
    parser.add_argument("--port", type=int, required=True, help="TCP port; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--scenario", type=Path, help="JSON file with accounts, caches and settings")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(load_scenario(options.scenario), options.host, options.port))
    except MalformedError as error:
        sys.stderr.write(f"cce-simulator: {error}\n")
        return 2
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"cce-simulator: cannot listen on {options.host} port {options.port}: {error}.\n")
        return 2
    return 0


async def _serve(scenario: Scenario, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with listening(Simulator(scenario, SystemClock()), host, port) as bound:
        sys.stdout.write(f"listening on http://{host}:{bound}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
