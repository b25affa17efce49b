"""`python -m imagecache_operator`."""

import sys

from imagecache_operator.cli import main

if __name__ == "__main__":
    sys.exit(main())
