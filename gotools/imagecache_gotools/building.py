"""The programs from the cache, or built into it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from imagecache_gotools.cache import cache_root, create, only_one
from imagecache_gotools.catalogue import TOOLS, Module
from imagecache_gotools.command import Go, Tick
from imagecache_gotools.errors import BuildError
from imagecache_gotools.toolchain import find_go

_NEEDED_BYTES = 4 << 30

Progress = Callable[[str], None]


def find_tool(name: str, progress: Progress) -> Path:
    """Find a program; build it once where there is none. This can take minutes."""
    return find_tools([name], progress)[name]


def find_tools(names: Sequence[str], progress: Progress) -> dict[str, Path]:
    """Find several programs; those to be built share what they have in common."""
    return locate(names, progress, os.environ)


def locate(names: Sequence[str], progress: Progress, environment: Mapping[str, str]) -> dict[str, Path]:
    """Look into the cache, and fill it where it lacks something."""
    unknown = [name for name in names if name not in TOOLS]
    if unknown:
        raise BuildError(f"there is no program {' and no '.join(unknown)}; there are {', '.join(TOOLS)}")
    home = cache_root(environment)
    root = home / "tools"
    modules = dict.fromkeys(TOOLS[name] for name in names)
    if any(_missing(root, module) for module in modules):
        create(root)
        # One lock for all: two builds at a time would only be in each other's way.
        with only_one(root / "lock", "the programs", progress):
            _fill(root, home, [module for module in modules if _missing(root, module)], progress)
    return {name: root / TOOLS[name].key / name for name in names}


def _missing(root: Path, module: Module) -> bool:
    return not all(os.access(root / module.key / tool, os.X_OK) for tool in module.tools)


def _fill(root: Path, home: Path, modules: Sequence[Module], progress: Progress) -> None:
    scratch = root / "go-work"
    for left_over in root.glob("*.part-*"):  # the lock is ours, so nobody writes there
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        for module in modules:
            free = shutil.disk_usage(root).free
            if free < _NEEDED_BYTES:
                raise BuildError(
                    f"{root} has {free >> 30} GiB free and the build needs {_NEEDED_BYTES >> 30} "
                    "(set XDG_CACHE_HOME to another place)"
                )
            with tempfile.TemporaryDirectory(prefix=f"{module.key}.part-", dir=root) as part:
                made = Path(part) / "programs"
                made.mkdir()
                _build(module, made, find_go(module.go, home, scratch, progress), progress)
                shutil.rmtree(root / module.key, ignore_errors=True)
                made.rename(root / module.key)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build(module: Module, folder: Path, go: Go, progress: Progress) -> None:
    names = " and ".join(module.tools)
    fetching = _ticker(progress, f"fetching the Go modules of {names}")
    count = len(go.run(module.folder, ["list", "-mod=readonly", *module.tags, "-deps", module.packages], fetching))
    progress(f"compiling {names} ({module.expected} on 2 cores, once per version)")
    compiling = _ticker(progress, f"compiling {names}", count)
    go.run(module.folder, ["build", "-v", *module.build_options, "-o", f"{folder}{os.sep}", module.packages], compiling)


def _ticker(progress: Progress, what: str, total: int | None = None) -> Tick:
    def tick(lines: int, seconds: float) -> None:
        share = f"{lines} of at most {total} packages, " if total else ""
        progress(f"{what}: {share}{seconds:.0f} s so far")

    return tick
