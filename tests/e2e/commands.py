"""The commands as processes, and the surroundings that they are tried in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagecache_playground.operator_process import operator_settings
from imagecache_playground.processes import bare_environment
from imagecache_playground.surroundings import Surroundings

SECONDS = 90.0
"""Longer than any command may take."""


@dataclass(frozen=True)
class Done:
    """What a command has said, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed."""
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """The same, for programs."""
        return json.loads(self.out)


def command(kubeconfig: Path, settings: Mapping[str, str], *arguments: str) -> Done:
    """Run `imagecache-operator` with these settings alone."""
    done = subprocess.run(
        [sys.executable, "-m", "imagecache_operator", *arguments],
        env=bare_environment(KUBECONFIG=str(kubeconfig), **settings),
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def run(world: Surroundings, *arguments: str, kubeconfig: Path | None = None, **changes: str) -> Done:
    """Run it in the namespace of the test, with the operator's settings and service account."""
    settings = operator_settings(world.cloud.endpoint, IMAGECACHE_NAMESPACES=world.namespace, **changes)
    return command(kubeconfig or world.kubeconfig, settings, *arguments)
