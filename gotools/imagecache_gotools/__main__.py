"""Find or build programs and print where they are: `python -m imagecache_gotools [NAME...]`, all when none is named."""

import argparse
import sys

from imagecache_gotools.building import find_tools
from imagecache_gotools.catalogue import TOOLS
from imagecache_gotools.errors import BuildError


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Print one path a line, in the order of the names."""
    parser = argparse.ArgumentParser(prog="python -m imagecache_gotools", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(TOOLS)}")
    names = parser.parse_args().names or list(TOOLS)
    try:
        found = find_tools(names, _say)
    except BuildError as fault:
        _say(str(fault))
        return 1
    except KeyboardInterrupt:
        return 130
    for name in names:
        print(found[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
