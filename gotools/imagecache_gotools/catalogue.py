"""The programs that can be had, and the Go modules of ours that pin them."""

import hashlib
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagecache_gotools.errors import BuildError

MODULES = Path(__file__).resolve().parents[1] / "go"


@dataclass(frozen=True)
class Module:
    """A folder with go.mod and go.sum, and what is built from it."""

    name: str
    tools: tuple[str, ...]
    expected: str
    """How long it takes on two cores, as people say it."""
    packages: str = "tool"
    """Packages to build: those of the `tool` lines of go.mod, or the folder's own."""
    tags: tuple[str, ...] = ()
    """Options of Go that leave something out."""
    versioned: str = ""
    """The module whose version the programs tell."""
    stamp: str = ""
    """The variable that is given this version."""

    @property
    def folder(self) -> Path:
        """Where go.mod is."""
        return MODULES / self.name

    @property
    def go(self) -> str:
        """The oldest Go that go.mod accepts."""
        return self._find(r"^go (\S+)")

    @property
    def key(self) -> str:
        """Name the folder in the cache: another pin, another line of our own code, another machine has another one."""
        digest = hashlib.sha256(repr((self.tools, self.packages, self.build_options)).encode())
        for file in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            digest.update(file.relative_to(self.folder).as_posix().encode() + b"\0" + file.read_bytes())
        return f"{self.name}-{sys.platform}-{platform.machine().lower()}-{digest.hexdigest()[:8]}"

    @property
    def build_options(self) -> list[str]:
        """What `go build` is told, but for the place of the result."""
        version = self._find(rf"{re.escape(self.versioned)} (v\S+)") if self.stamp else ""
        flags = f"-s -w -X {self.stamp}={version}" if self.stamp else "-s -w"
        # Not inlined, which is a fifth of the compiling: no test asks much of these programs.
        compiled = ["-gcflags=all=-l", "-ldflags", flags]
        return ["-mod=readonly", "-buildvcs=false", "-trimpath", *compiled, *self.tags]

    def _find(self, pattern: str) -> str:
        try:
            text = (self.folder / "go.mod").read_text()
        except OSError as fault:
            raise BuildError(
                f"{self.folder}/go.mod cannot be read ({fault.strerror}); run from a checkout of the repository"
            ) from None
        found = re.search(pattern, text, re.MULTILINE)
        if not found:
            raise BuildError(f"{self.folder}/go.mod has no line like {pattern}; restore it from the repository")
        return found[1]


CATALOGUE = (
    Module(
        name="helm",
        tools=("helm",),
        expected="2 to 3 min",
        versioned="helm.sh/helm/v4",
        stamp="helm.sh/helm/v4/internal/version.version",
    ),
    Module(name="actionlint", tools=("actionlint",), expected="20 s"),
    Module(
        name="prometheus",
        tools=("prometheus", "promtool"),
        expected="2 to 3 min",
        # Service discovery in two dozen clouds is half of the build, and no test needs it.
        tags=("-tags", "remove_all_sd"),
        versioned="github.com/prometheus/prometheus",
        stamp="github.com/prometheus/common/version.Version",
    ),
    Module(
        name="gitops",
        tools=("argocd-lua", "flux-status"),
        expected="3 to 5 min",
        # Programs of our own: Argo CD and Flux have none that only judges.
        packages="./...",
    ),
)

TOOLS: Mapping[str, Module] = {tool: module for module in CATALOGUE for tool in module.tools}
"""Each program, and the module that it comes from."""
