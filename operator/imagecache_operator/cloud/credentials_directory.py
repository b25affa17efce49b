"""Credentials from a mounted Secret, which may change at any time."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from imagecache_operator.cloud.credentials import Credentials, CredentialsError
from imagecache_operator.cloud.credentials_keys import CHECKS, credentials_from
from imagecache_operator.cloud.files import read_small_file, stamp_of, why_unreadable

READ_ATTEMPTS = 5
"""How often a directory that changes while it is read is read again before giving up for now."""

Stamp: TypeAlias = tuple[object, ...]


class DirectoryCredentials:
    """A mounted Secret, one file per key, read again when it changes.

    The kubelet swaps the link `..data` to a new directory, so all files are read through one target of it, and what
    was read counts only when nothing changed meanwhile.

    Args:
        path: the directory; it need not be there yet.
        auth: see `credentials_from`.
    """

    def __init__(self, path: Path, *, auth: str = "auto") -> None:
        self._path = path
        self._auth = auth
        self._where = f"the credentials directory {path}"
        self._stamp: Stamp | None = None
        self._outcome: Credentials | str = ""

    def current(self) -> Credentials:
        """See `CredentialsSource`."""
        for _ in range(READ_ATTEMPTS):
            base = self._base()
            before = self._look(base)
            if before != self._stamp:
                outcome = self._read(base)
                if before != self._look(self._base()):
                    continue
                self._stamp, self._outcome = before, outcome
            if isinstance(self._outcome, str):
                raise CredentialsError(self._outcome)
            return self._outcome
        raise CredentialsError(f"What is in {self._where} changes faster than it can be read; it is read again later.")

    def _base(self) -> Path:
        try:
            return self._path / (self._path / "..data").readlink()
        except OSError:
            return self._path

    @staticmethod
    def _look(base: Path) -> Stamp:
        """What differs after any change of the files."""
        return (str(base), *(stamp_of(base / name) for name in (".", *CHECKS)))

    def _read(self, base: Path) -> Credentials | str:
        """The credentials, or the sentence that says why there are none."""
        if not base.is_dir():
            return f"There is no {self._where.removeprefix('the ')}: mount the Secret with the credentials there."
        texts: dict[str, str] = {}
        for key in CHECKS:
            try:
                texts[key] = read_small_file(base / key)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                reason = why_unreadable(error)
                return f"{key} in {self._where} cannot be read ({reason}): check its mode, owner and content."
        try:
            return credentials_from(texts, where=self._where, auth=self._auth)
        except CredentialsError as error:
            return str(error)
