"""Everybody who does something again and again during a soak, each in a thread and with dice of its own."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from imagecache_controlplane import ApiError, ControlPlaneError

Deed = Callable[[random.Random], None]
T = TypeVar("T")

PERSISTENCE, PAUSE = 90.0, 0.2
"""Seconds for which a request to the API server is tried, and between two attempts."""


class Crew:
    """Starts them, and ends them together; the first error of any of them is raised by whoever waits.

    Args:
        seed: of all dice.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def every(self, pause: tuple[float, float], name: str, deed: Deed) -> None:
        """Do it again and again, with a random pause before each time."""
        dice = random.Random(f"{self._seed} {name}")  # noqa: S311 (a schedule)

        def work() -> None:
            try:
                while not self._stop.wait(dice.uniform(*pause)):
                    deed(dice)
            except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
                self._errors.append(error)

        thread = threading.Thread(target=work, name=name)
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float) -> None:
        """Let them work for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._errors:
            time.sleep(min(0.5, max(deadline - time.monotonic(), 0.0)))
        if self._errors:
            raise self._errors[0]

    def end(self) -> None:
        """No more deeds; returns when the last one is done."""
        self.__exit__(None, None, None)
        if self._errors:
            raise self._errors[0]


def persist(do: Callable[[], T], *, fine: tuple[int, ...] = ()) -> T | None:
    """A request to an API server that may be away; None when the refusal is one of the `fine` ones.

    Raises:
        ControlPlaneError: it is refused for good, or the API server is away for too long.
        OSError: as above.
    """
    deadline = time.monotonic() + PERSISTENCE
    while True:
        try:
            return do()
        except ApiError as error:
            if error.status in fine:
                return None
            if error.status not in {401, 403, 429} and error.status < 500:
                raise
            if time.monotonic() > deadline:
                raise
        except (ControlPlaneError, OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)
