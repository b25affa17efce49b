"""The operator as a process that dies by SIGKILL at a point named in advance: `python -m imagecache_chaos.mortal`.

A point is `verb:phase:number`: the passage with that number of `before`, `during` (a call that takes long) or `after`
of a verb of the API server or of the cloud, or of an event of the watch. The verbs are wrapped from outside; all else
is the operator as it ships, but for the two minutes after a POST before an absence counts, which are the cloud's and
therefore no setting.

This is a nursery: it has everything imported, and forks for each line of JSON on stdin, so that a start costs a tenth
of a second. It answers with the process id and, when the process has ended, with its status.

    {"environment": {...}, "log": "...", "point": "cloud.create:after:1", "record": null, "absence": 3.0}
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import os
import random
import select
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from imagecache_operator import cli, intent

DURING = 0.15
"""Seconds into a call after which it is in its middle."""

LOOK = 0.02
"""Seconds between two looks at a process."""


class Passages:
    """Counts what is passed, writes it down if that is wanted, and kills at the point that is named."""

    def __init__(self, point: str | None, record: Path | None) -> None:
        self._point = point
        self._record = record
        self._counts: Counter[str] = Counter()

    def passed(self, place: str) -> None:
        """The process is there."""
        self._counts[place] += 1
        point = f"{place}:{self._counts[place]}"
        if self._record is not None:
            with self._record.open("a", encoding="utf-8") as stream:
                stream.write(f"{point}\n")
        if point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, method: str, name_of: Callable[..., str]) -> None:
        """Have each call of the coroutine method pass its points."""
        original: Callable[..., Awaitable[Any]] = getattr(owner, method)

        @functools.wraps(original)
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            verb = name_of(*arguments, **named)
            self.passed(f"{verb}:before")
            middle = asyncio.get_running_loop().call_later(DURING, self.passed, f"{verb}:during")
            try:
                answer = await original(*arguments, **named)
            finally:
                middle.cancel()
            self.passed(f"{verb}:after")
            return answer

        setattr(owner, method, wrapped)


def _verb_of(_client: object, method: str, path: str, *_: object) -> str:
    if method == "PATCH":
        return "api.patch_status" if path.endswith("/status") else "api.patch_object"
    if method == "POST":
        return "api.create_event"
    if "/customresourcedefinitions/" in path:
        return "api.get_crd"
    return "api.list_objects" if "?" in path else "api.get_object"


def lie_in_wait(passages: Passages) -> None:
    """Wrap all that the operator awaits."""
    client = importlib.import_module("imagecache_operator.cloud.client").CloudClient
    sessions = importlib.import_module("imagecache_operator.cloud.session").Sessions
    kubernetes = importlib.import_module("imagecache_operator.kubernetes_client").KubernetesClient
    watcher = importlib.import_module("imagecache_operator.watcher").Watcher
    for method in ("list", "get", "create", "delete"):
        passages.around(client, method, lambda *_, verb=f"cloud.{method}", **__: verb)
    passages.around(sessions, "open", lambda *_, **__: "cloud.open")
    passages.around(kubernetes, "_request", _verb_of)
    begin = watcher.__init__

    def told(self: object, *arguments: Any, upsert: Callable[[dict[str, Any]], None], **named: Any) -> None:
        def passing(body: dict[str, Any]) -> None:
            passages.passed("watch.event:before")
            upsert(body)

        begin(self, *arguments, upsert=passing, **named)

    watcher.__init__ = told


def _live(order: dict[str, Any]) -> int:
    """One process of the operator, from its start to its end."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(order["environment"])
    # Else each process would have the same jitter.
    random.seed()
    record = order.get("record")
    lie_in_wait(Passages(order.get("point"), Path(record) if record else None))
    return cli.main(["run"])


def main() -> None:
    """Fork for each line, until stdin ends."""
    for line in sys.stdin:
        order = json.loads(line)
        # Before anything else is imported: the modules take its value over.
        intent.ABSENCE_COUNTS_AFTER = order["absence"]
        importlib.import_module("imagecache_operator.run")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = _live(order)
            except BaseException:  # noqa: BLE001 (a fork must end here, whatever it dies of)
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(child, flush=True)
        print(_wait(child), flush=True)


def _wait(child: int) -> int:
    """Until the process has ended, which it does at the latest with whoever ordered it."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        # Nobody orders a process before the last one has ended, so there is nothing to read but the end.
        if select.select([sys.stdin], [], [], LOOK)[0]:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    main()
