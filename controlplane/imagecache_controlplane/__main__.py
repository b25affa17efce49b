"""Run one control plane until Ctrl-C: `python -m imagecache_controlplane`."""

import argparse
import signal
import sys
import threading

from imagecache_controlplane.errors import ControlPlaneError
from imagecache_controlplane.plane import ControlPlane
from imagecache_controlplane.programs import find_programs


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Find the programs, run them, and tell where the kubeconfig is."""
    parser = argparse.ArgumentParser(prog="python -m imagecache_controlplane", description=__doc__)
    parser.add_argument("--programs-only", action="store_true", help="find or build the programs, and start nothing")
    options = parser.parse_args()
    end = threading.Event()

    def stop(*_: object) -> None:
        # Before the control plane is up there is something to interrupt; after that there is only the wait below.
        if end.is_set() or not running:
            raise KeyboardInterrupt
        end.set()

    running = False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        programs = find_programs(_say)
        if options.programs_only:
            print(programs.etcd.parent)
            return 0
        with ControlPlane(programs, progress=_say) as plane:
            running = True
            print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)
            _say("Ctrl-C ends it and removes its data")
            end.wait()
    except ControlPlaneError as fault:
        _say(str(fault))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
