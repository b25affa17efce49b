"""The published programs: the envtest archive (etcd, kube-apiserver) and the release's kube-controller-manager.

Both are checked against the SHA-512 sum that their publisher gives over HTTPS.
"""

import contextlib
import hashlib
import http.client
import queue
import re
import tarfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from imagecache_controlplane.errors import NotAvailableError
from imagecache_controlplane.pins import Pins

ENVTEST_INDEX = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
ENVTEST = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
RELEASES = "https://dl.k8s.io/release"

Fetch = Callable[[str], IO[bytes]]

_CONNECT_SECONDS = 5.0
# A name server that does not answer is no part of the time-out above.
_FIRST_ANSWER_SECONDS = 8.0
_NOTE_SECONDS = 15.0
_CHUNK = 1 << 20
_FAULTS = (OSError, http.client.HTTPException, tarfile.TarError, EOFError)


def _fetch(url: str) -> IO[bytes]:
    response: IO[bytes] = urllib.request.urlopen(url, timeout=_CONNECT_SECONDS)  # noqa: S310 - the addresses above
    return response


def download(folder: Path, pins: Pins, progress: Callable[[str], None], fetch: Fetch = _fetch) -> None:
    """Fetch and check the published programs of this version and machine."""
    if pins.system != "linux":
        raise NotAvailableError(f"kube-controller-manager is published for Linux alone, not for {pins.system}")
    progress(f"asking for the published envtest archive of Kubernetes {pins.kubernetes}")
    try:
        _envtest(folder, pins, progress, fetch)
        _controller_manager(folder, pins, progress, fetch)
    except _FAULTS as fault:
        raise NotAvailableError(f"the published programs cannot be downloaded ({fault})") from None


def _envtest(folder: Path, pins: Pins, progress: Callable[[str], None], fetch: Fetch) -> None:
    name = f"envtest-v{pins.kubernetes}-{pins.system}-{pins.architecture}.tar.gz"
    index = _in_time(lambda: _text(ENVTEST_INDEX, fetch))
    found = re.search(rf"^\s*{re.escape(name)}:\s+hash: ([0-9a-f]{{128}})$", index, re.MULTILINE)
    if not found:
        raise NotAvailableError(f"{name} has not been published")
    archive = folder.parent / name
    _save(f"{ENVTEST}/envtest-v{pins.kubernetes}/{name}", archive, found[1], progress, fetch)
    wanted = {"etcd", "kube-apiserver"}
    with tarfile.open(archive) as members:
        for member in members:
            base = Path(member.name).name
            content = members.extractfile(member) if base in wanted and member.isfile() else None
            if content:
                wanted.discard(base)
                _program(folder / base, content)
    if wanted:
        raise NotAvailableError(f"{name} has no {' and no '.join(sorted(wanted))}")


def _controller_manager(folder: Path, pins: Pins, progress: Callable[[str], None], fetch: Fetch) -> None:
    name = "kube-controller-manager"
    url = f"{RELEASES}/v{pins.kubernetes}/bin/{pins.system}/{pins.architecture}/{name}"
    checksum = _text(f"{url}.sha512", fetch).split()[:1]
    if not checksum or not re.fullmatch(r"[0-9a-f]{128}", checksum[0]):
        raise NotAvailableError(f"{url}.sha512 is no checksum")
    file = folder.parent / name
    _save(url, file, checksum[0], progress, fetch)
    with file.open("rb") as content:
        _program(folder / name, content)


def _in_time(work: Callable[[], str]) -> str:
    results: queue.SimpleQueue[str | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(work())
        except _FAULTS as fault:
            results.put(fault)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = results.get(timeout=_FIRST_ANSWER_SECONDS)
    except queue.Empty:
        raise NotAvailableError("the publisher of the programs does not answer") from None
    if isinstance(result, BaseException):
        raise result
    return result


def _text(url: str, fetch: Fetch) -> str:
    with contextlib.closing(fetch(url)) as stream:
        return stream.read().decode(errors="replace")


def _save(url: str, file: Path, sha512: str, progress: Callable[[str], None], fetch: Fetch) -> None:
    total = hashlib.sha512()
    size, note = 0, 0.0
    with contextlib.closing(fetch(url)) as stream, file.open("wb") as out:
        while chunk := stream.read(_CHUNK):
            out.write(chunk)
            total.update(chunk)
            size += len(chunk)
            if time.monotonic() > note:
                progress(f"downloading {file.name}: {size >> 20} MiB of about 100")
                note = time.monotonic() + _NOTE_SECONDS
    if total.hexdigest() != sha512:
        file.unlink()
        raise NotAvailableError(f"{file.name} is refused, because its checksum is not the published one")


def _program(file: Path, content: IO[bytes]) -> None:
    with file.open("wb") as out:
        while chunk := content.read(_CHUNK):
            out.write(chunk)
    file.chmod(0o755)
