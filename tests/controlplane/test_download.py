import hashlib
import io
import tarfile
import threading
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from imagecache_controlplane import download as subject
from imagecache_controlplane.download import ENVTEST_INDEX, download
from imagecache_controlplane.errors import NotAvailableError
from imagecache_controlplane.pins import Pins

PINS = Pins(kubernetes="1.2.3", etcd="3.0.0", go="1.26.0", system="linux", architecture="amd64", digest="00000000")
NAME = "envtest-v1.2.3-linux-amd64.tar.gz"
ARCHIVE = f"https://github.com/kubernetes-sigs/controller-tools/releases/download/envtest-v1.2.3/{NAME}"
MANAGER = "https://dl.k8s.io/release/v1.2.3/bin/linux/amd64/kube-controller-manager"


def archive(*names: str) -> bytes:
    """Pack members whose content is their own name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as out:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            out.addfile(member, io.BytesIO(name.encode()))
    return packed.getvalue()


def sha512(content: bytes) -> str:
    """Sum up as the publisher does."""
    return hashlib.sha512(content).hexdigest()


class Web:
    """The published files by address."""

    def __init__(self) -> None:
        packed = archive("controller-tools/envtest/etcd", "controller-tools/envtest/kube-apiserver", "../../kubectl")
        self.files = {ARCHIVE: packed, MANAGER: b"manager", f"{MANAGER}.sha512": sha512(b"manager").encode()}
        self.index(NAME, sha512(packed))

    def index(self, name: str, checksum: str) -> None:
        """Publish the checksum of an archive."""
        self.files[ENVTEST_INDEX] = f"releases:\n  v1.2.3:\n    {name}:\n      hash: {checksum}\n".encode()

    def __call__(self, url: str) -> IO[bytes]:
        """Fetch an address as the real one does."""
        if url not in self.files:
            raise urllib.error.URLError("no route to host")
        return io.BytesIO(self.files[url])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the empty folder that a source is given."""
    made = tmp_path / "programs"
    made.mkdir()
    return made


def test_the_published_programs_are_taken(folder: Path) -> None:
    """Two programs from the archive, one from the release, all executable, and nothing else from the archive."""
    download(folder, PINS, print, Web())
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "etcd": "controller-tools/envtest/etcd",
        "kube-apiserver": "controller-tools/envtest/kube-apiserver",
        "kube-controller-manager": "manager",
    }
    assert all(path.stat().st_mode & 0o111 for path in folder.iterdir())


@pytest.mark.parametrize("changed", [ARCHIVE, MANAGER])
def test_another_checksum_is_refused(folder: Path, changed: str) -> None:
    """A file that is not what its publisher summed up is never unpacked, and not even kept."""
    web = Web()
    web.files[changed] += b"!"
    with pytest.raises(NotAvailableError, match="is refused, because its checksum"):
        download(folder, PINS, print, web)
    kept = folder / "etcd" if changed == ARCHIVE else folder / "kube-controller-manager"
    assert not kept.exists()
    assert not (folder.parent / changed.rsplit("/", 1)[1]).exists()


def test_a_version_that_is_not_published_is_said(folder: Path) -> None:
    """Not every patch version has an archive."""
    web = Web()
    web.index(NAME.replace("1.2.3", "1.2.0"), "0" * 128)
    with pytest.raises(NotAvailableError, match=f"{NAME} has not been published"):
        download(folder, PINS, print, web)


def test_an_archive_without_a_program_is_said(folder: Path) -> None:
    """The contents are checked by name."""
    web = Web()
    web.files[ARCHIVE] = archive("envtest/etcd")
    web.index(NAME, sha512(web.files[ARCHIVE]))
    with pytest.raises(NotAvailableError, match="has no kube-apiserver"):
        download(folder, PINS, print, web)


def test_a_checksum_file_that_is_none_is_said(folder: Path) -> None:
    """A web page in place of a checksum (a captive portal) is no checksum."""
    web = Web()
    web.files[f"{MANAGER}.sha512"] = b"<html>please log in</html>"
    with pytest.raises(NotAvailableError, match="is no checksum"):
        download(folder, PINS, print, web)


def test_no_internet_is_a_reason(folder: Path) -> None:
    """A machine without internet goes on to the next source with the reason."""
    web = Web()
    web.files.clear()
    with pytest.raises(NotAvailableError, match=r"cannot be downloaded.*no route to host"):
        download(folder, PINS, print, web)


def test_a_publisher_that_never_answers_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the name server hangs, which no socket time-out covers."""
    monkeypatch.setattr(subject, "_FIRST_ANSWER_SECONDS", 0.05)
    over = threading.Event()

    def hang(url: str) -> IO[bytes]:
        over.wait(20)
        return io.BytesIO()

    with pytest.raises(NotAvailableError, match="does not answer"):
        download(folder, PINS, print, hang)
    over.set()


def test_other_systems_are_not_asked_for(folder: Path) -> None:
    """There is no published controller manager for macOS, so nothing is downloaded in vain."""
    with pytest.raises(NotAvailableError, match="published for Linux alone, not for darwin"):
        download(folder, replace(PINS, system="darwin"), print, Web())
