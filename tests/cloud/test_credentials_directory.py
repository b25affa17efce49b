"""A mounted Secret: read again when it changes, never half old and half new, and never a stumbling block."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagecache_operator.cloud import credentials_directory as module
from imagecache_operator.cloud.credentials import AccessKey, CredentialsError, UserPassword
from imagecache_operator.cloud.credentials_directory import DirectoryCredentials
from imagecache_operator.cloud.files import FILE_BYTES_MAX, read_small_file

OLD = {"accessKey": "AKOLD", "secretKey": "SKOLD-SECRET"}
NEW = {"accessKey": "AKNEW", "secretKey": "SKNEW-SECRET"}


class Mount:
    """A directory as the kubelet makes it: `..data` leads to the newest version, each key leads through `..data`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._versions = 0

    def put(self, texts: dict[str, str]) -> None:
        """Swap to a new version in one step, and drop the old one."""
        self._versions += 1
        version = self.path / f"..2026_{self._versions}"
        version.mkdir()
        for key, text in texts.items():
            (version / key).write_text(text, encoding="utf-8")
            link = self.path / key
            if not link.is_symlink():
                link.symlink_to(f"..data/{key}")
        swap = self.path / "..data_tmp"
        swap.symlink_to(version.name)
        old = self.path / "..data"
        former = old.readlink() if old.is_symlink() else None
        swap.rename(old)
        if former is not None:
            for file in (self.path / former).iterdir():
                file.unlink()
            (self.path / former).rmdir()


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    """A mounted Secret with the old key."""
    mounted = Mount(tmp_path)
    mounted.put(OLD)
    return mounted


def _pair(source: DirectoryCredentials) -> tuple[str, str]:
    secret = source.current().secret
    assert isinstance(secret, AccessKey)
    return secret.access_key, secret.secret_key.get_secret_value()


def _sentence(source: DirectoryCredentials) -> str:
    with pytest.raises(CredentialsError) as caught:
        source.current()
    return str(caught.value)


def test_a_mounted_secret_is_read_and_its_swap_is_seen(mount: Mount) -> None:
    """The swap of `..data` takes effect at the next call."""
    source = DirectoryCredentials(mount.path)
    assert _pair(source) == ("AKOLD", "SKOLD-SECRET")
    mount.put(NEW)
    assert _pair(source) == ("AKNEW", "SKNEW-SECRET")


def test_what_has_not_changed_is_not_read_again(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request asks for the credentials, so only a change costs a read."""
    source = DirectoryCredentials(mount.path)
    first = source.current()
    monkeypatch.setattr(module, "read_small_file", lambda path: pytest.fail("read again"))
    assert source.current() is first


def test_plain_files_work_without_a_kubelet(tmp_path: Path) -> None:
    """A directory of plain files is read, and the change of one file is seen, even when its length stays."""
    for key, text in {"username": "ann", "password": "one", "domainName": "corp"}.items():
        (tmp_path / key).write_text(text, encoding="utf-8")
    source = DirectoryCredentials(tmp_path)
    (tmp_path / "password").write_text("two", encoding="utf-8")
    secret = source.current().secret
    assert isinstance(secret, UserPassword)
    assert secret.password.get_secret_value() == "two"
    (tmp_path / "password").write_text("six", encoding="utf-8")
    secret = source.current().secret
    assert isinstance(secret, UserPassword)
    assert secret.password.get_secret_value() == "six"


def test_a_swap_in_the_middle_never_mixes_two_versions(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the Secret is swapped between two files, the pair that comes out is the new one, whole."""

    def swapping(path: Path) -> str:
        if path.name == "secretKey":
            monkeypatch.setattr(module, "read_small_file", read_small_file)
            mount.put(NEW)
        return read_small_file(path)

    monkeypatch.setattr(module, "read_small_file", swapping)
    assert _pair(DirectoryCredentials(mount.path)) == ("AKNEW", "SKNEW-SECRET")


def test_a_plain_file_that_changes_in_the_middle_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kubelet, too, what was read counts only when nothing changed meanwhile."""
    for key, text in OLD.items():
        (tmp_path / key).write_text(text, encoding="utf-8")

    def changing(path: Path) -> str:
        text = read_small_file(path)
        if path.name == "secretKey":
            monkeypatch.setattr(module, "read_small_file", read_small_file)
            for key, new in NEW.items():
                (tmp_path / key).write_text(new, encoding="utf-8")
        return text

    monkeypatch.setattr(module, "read_small_file", changing)
    assert _pair(DirectoryCredentials(tmp_path)) == ("AKNEW", "SKNEW-SECRET")


def test_one_that_never_stands_still_is_given_up_for_now(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few attempts the sentence says that it is read again later; and then it is."""

    def restless(path: Path) -> str:
        if path.name == "accessKey":
            mount.put(NEW)
        return read_small_file(path)

    source = DirectoryCredentials(mount.path)
    monkeypatch.setattr(module, "read_small_file", restless)
    assert _sentence(source) == (
        f"What is in the credentials directory {mount.path} changes faster than it can be read; it is read again later."
    )
    monkeypatch.setattr(module, "read_small_file", read_small_file)
    assert _pair(source) == ("AKNEW", "SKNEW-SECRET")


def test_a_directory_that_comes_later(tmp_path: Path) -> None:
    """Missing, then empty, then whole, then gone: each state has its sentence, and each change is seen."""
    path = tmp_path / "late"
    source = DirectoryCredentials(path)
    missing = f"There is no credentials directory {path}: mount the Secret with the credentials there."
    assert _sentence(source) == missing
    path.mkdir()
    assert _sentence(source).startswith(f"There are no credentials in the credentials directory {path}: it needs the")
    for key, text in OLD.items():
        (path / key).write_text(text, encoding="utf-8")
    assert _pair(source) == ("AKOLD", "SKOLD-SECRET")
    for key in OLD:
        (path / key).unlink()
    path.rmdir()
    assert _sentence(source) == missing


def test_the_asked_kind_is_passed_on(mount: Mount) -> None:
    """A directory with a key does not serve who asks for a user."""
    assert _sentence(DirectoryCredentials(mount.path, auth="token")).startswith("username and password and domainName")


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


NO_TEXT = "it is no text in UTF-8 of at most 64 KiB"


def _odd(path: Path, what: str) -> None:
    """Put something odd in the place of a file."""
    match what:
        case "bytes that are no text":
            path.write_bytes(b"SK\xff\xfeSECRET")
        case "too large":
            path.write_bytes(b"S" * (FILE_BYTES_MAX + 1))
        case "a pipe":
            os.mkfifo(path)
        case "a directory":
            path.mkdir()
        case "a link to itself":
            path.symlink_to(path.name)
        case "a device that never ends":
            path.symlink_to("/dev/zero")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("bytes that are no text", NO_TEXT),
        ("too large", NO_TEXT),
        ("a pipe", NO_TEXT),
        ("a directory", NO_TEXT),
        ("a link to itself", "Too many levels of symbolic links"),
        ("a device that never ends", NO_TEXT),
    ],
)
def test_odd_files_are_told_and_hold_nothing_up(tmp_path: Path, what: str, reason: str) -> None:
    """Whatever stands in the place of a key: a sentence without its content, no waiting, no open file left."""
    (tmp_path / "accessKey").write_text("AKOLD", encoding="utf-8")
    _odd(tmp_path / "secretKey", what)
    opened = _open_files()
    assert _sentence(DirectoryCredentials(tmp_path)) == (
        f"secretKey in the credentials directory {tmp_path} cannot be read ({reason}): check its mode, owner and "
        "content."
    )
    assert _open_files() == opened


def test_the_largest_key_that_is_read(tmp_path: Path) -> None:
    """64 KiB are read; that no such secret key exists is then told by its form."""
    (tmp_path / "accessKey").write_text("AKOLD", encoding="utf-8")
    (tmp_path / "secretKey").write_bytes(b"S" * FILE_BYTES_MAX)
    assert "secretKey in the credentials directory" in _sentence(DirectoryCredentials(tmp_path))
    assert "must be a secret access key" in _sentence(DirectoryCredentials(tmp_path))


def test_no_secret_is_shown(mount: Mount) -> None:
    """Neither the source nor what it says after a spoilt swap shows what was read."""
    source = DirectoryCredentials(mount.path)
    source.current()
    mount.put({"accessKey": "AKOLD", "secretKey": "SKOLD-SECRET with a blank"})
    sentence = _sentence(source)
    assert "must be a secret access key" in sentence
    assert all("SECRET" not in text for text in (sentence, repr(source), str(source)))
