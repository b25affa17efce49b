from pathlib import Path

import pytest
from tests.fake_go import FakeGo

from imagecache_controlplane import gobuild as subject
from imagecache_controlplane.errors import NotAvailableError
from imagecache_controlplane.gobuild import PACKAGES, build
from imagecache_controlplane.pins import MODULE, Pins
from imagecache_gotools import command

PINS = Pins(kubernetes="1.37.2", etcd="3.7.0", go="1.26.0", system="linux", architecture="amd64", digest="00000000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the empty folder that a source is given."""
    made = tmp_path / "cache" / "part" / "programs"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """Put a new enough Go on PATH, and nothing else."""
    go = FakeGo(tmp_path / "own", "go1.26.8", "server", "kube-apiserver", "kube-controller-manager")
    monkeypatch.setenv("PATH", str(go.folder))
    return go


def test_the_three_programs_are_built_in_one_go(folder: Path, own: FakeGo) -> None:
    """One build of the pinned modules, read-only, with the version in it; etcd gets its proper name."""
    build(folder, PINS, print)
    assert sorted(path.name for path in folder.iterdir()) == ["etcd", "kube-apiserver", "kube-controller-manager"]
    assert (folder / "etcd").read_text() == "server"
    arguments, _, place = own.calls[-1]
    assert place == str(MODULE)
    assert {"-mod=readonly", "-trimpath", *PACKAGES} <= set(arguments)
    assert "version.gitVersion=v1.37.2" in arguments[arguments.index("-ldflags") + 1]


def test_a_failed_build_is_a_reason_to_ask_the_next_source(folder: Path, own: FakeGo) -> None:
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
    monkeypatch.setattr(command, "_NOTE_SECONDS", 0.01)
    said: list[str] = []
    build(folder, PINS, said.append)
    assert any("s so far" in line for line in said)
    said.clear()
    subject._ticker(said.append, "compiling", 2547)(1200, 131.4)
    assert said == [
        "compiling: 1200 of at most 2547 packages, 131 s so far (6 to 10 min in all on 2 cores, once per version)"
    ]
