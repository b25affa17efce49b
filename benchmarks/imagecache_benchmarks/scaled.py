"""The operator in a time in which the cloud's minute is shorter: `python -m imagecache_benchmarks.scaled SECONDS`.

The write limit counts over a fixed minute, which is the cloud's and therefore no setting. 50 deletions under ten writes
a minute take more than four of them; here the window of the limiter is set to what a minute is for a simulator with a
time scale, and everything else is the operator as it ships.
"""

import sys

from imagecache_operator import cli, limiter

if __name__ == "__main__":
    limiter.WINDOW = limiter.PAUSE = float(sys.argv[1])
    sys.exit(cli.main(["run"]))
