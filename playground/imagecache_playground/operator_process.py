"""The operator as a process, with settings through its environment alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from imagecache_playground.cloud import ACCESS_KEY, REGION, SECRET_KEY
from imagecache_playground.processes import Program, bare_environment, wait_for

SERVING = "Serving "


def operator_settings(endpoint: str, **changes: str) -> dict[str, str]:
    """Settings for the simulator at that endpoint; an empty text takes one away."""
    settings = {
        "IMAGECACHE_REGION": REGION,
        "IMAGECACHE_CCE_ENDPOINT": endpoint,
        "IMAGECACHE_IAM_ENDPOINT": endpoint,
        "IMAGECACHE_STS_ENDPOINT": endpoint,
        "HUAWEICLOUD_SDK_AK": ACCESS_KEY,
        "HUAWEICLOUD_SDK_SK": SECRET_KEY,
        "IMAGECACHE_METRICS_ADDR": "off",
        "IMAGECACHE_HEALTH_ADDR": "off",
        "IMAGECACHE_LOG_FORMAT": "text",
        # As in the image.
        "MALLOC_MMAP_THRESHOLD_": "131072",
    }
    return {name: text for name, text in (settings | changes).items() if text}


class Operator:
    """A running operator, which can be stopped, killed, and started again with the same settings."""

    def __init__(self, kubeconfig: Path, settings: Mapping[str, str], log: Path, *, wait: bool = True) -> None:
        self._kubeconfig = kubeconfig
        self.settings = dict(settings)
        self._log = log
        self.start(wait=wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.stop()

    def start(self, *, wait: bool = True, **changes: str) -> None:
        """Start it, with changed settings if any, and wait until it has listed the objects."""
        self.settings |= changes
        said = self._log.stat().st_size if self._log.exists() else 0
        environment = bare_environment(KUBECONFIG=str(self._kubeconfig), **self.settings)
        self.program = Program([sys.executable, "-m", "imagecache_operator", "run"], environment, self._log)
        if wait:
            wait_for(
                lambda: SERVING in self.program.said()[said:] or not self.program.running,
                what="the operator serves",
                seconds=30,
                stand=self.program.said,
            )
            if not self.program.running:
                raise RuntimeError(f"the operator ended: {self.program.said()[said:]}")
