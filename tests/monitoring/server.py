"""A Prometheus server that scrapes one operator every second and evaluates the alert rules."""

from __future__ import annotations

import json
import math
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml

from imagecache_playground.processes import Program, bare_environment, wait_for

NAMESPACE, JOB = "imagecache-system", "imagecache-operator-metrics"

Object = dict[str, Any]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Prometheus:
    """A server with its data in a directory.

    Args:
        program: the server's binary.
        directory: for configuration, data and log.
        target: host and port of the operator's metrics.
        rules: a rule file.
    """

    def __init__(self, program: Path, directory: Path, target: str, rules: Path) -> None:
        directory.mkdir()
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {
                    "job_name": JOB,
                    "static_configs": [{"targets": [target], "labels": {"namespace": NAMESPACE, "pod": "pod-a"}}],
                }
            ],
        }
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        address = f"127.0.0.1:{free_port()}"
        command = [
            str(program),
            f"--config.file={directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
        ]
        self._url = f"http://{address}"
        self._program = Program(command, bare_environment(), directory / "prometheus.log")
        wait_for(self._ready, what="Prometheus is ready", seconds=30, stand=self._program.said)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.stop()

    def _ready(self) -> bool:
        assert self._program.running, self._program.said()
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API; an error, a warning and a hint are failures."""
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert found["status"] == "success", found
        assert not found.get("warnings"), found["warnings"]
        assert not found.get("infos"), found["infos"]
        return found["data"]

    def instant(self, query: str) -> list[Object]:
        """The series of a query, now."""
        found: list[Object] = self.ask("query", query=query)["result"]
        return [series for series in found if not math.isnan(float(series["value"][1]))]

    def range(self, query: str, seconds: int = 60) -> list[Object]:
        """The series of a query in the time before now, without those that are no number throughout."""
        now = time.time()
        span = {"start": str(now - seconds), "end": str(now), "step": "1"}
        found: list[Object] = self.ask("query_range", query=query, **span)["result"]
        return [series for series in found if not all(math.isnan(float(value)) for _, value in series["values"])]

    def rules(self) -> dict[str, Object]:
        """The alert rules, as they stand, by their names."""
        return {rule["name"]: rule for group in self.ask("rules")["groups"] for rule in group["rules"]}
