import threading
from pathlib import Path

import pytest
from tests.fake_go import FakeGo

from imagecache_gotools import BuildError, __main__, building, catalogue
from imagecache_gotools.building import locate
from imagecache_gotools.cache import cache_root, only_one
from imagecache_gotools.catalogue import CATALOGUE, TOOLS, Module

MADE_UP = Module(
    name="made-up", tools=("saw", "hammer"), expected="no time", versioned="example.org/saw", stamp="saw.version"
)
GO_MOD = """module made-up

go 1.26.0

tool example.org/saw

require example.org/saw v1.2.3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the catalogue by one module that does not exist, and name its folder."""
    folder = tmp_path / "modules" / "made-up"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(GO_MOD)
    monkeypatch.setattr(catalogue, "MODULES", folder.parent)
    monkeypatch.setattr(building, "TOOLS", dict.fromkeys(MADE_UP.tools, MADE_UP))
    return folder


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """Put a Go on PATH that makes those programs, and nothing else."""
    made = FakeGo(tmp_path / "own", "go1.26.8", "saw", "hammer")
    monkeypatch.setenv("PATH", str(made.folder))
    return made


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Point the cache to a place of the test's own."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_a_program_is_built_once(module: Path, go: FakeGo, environment: dict[str, str]) -> None:
    """The first run builds all programs of the module, with the version in them; the second finds them, silently."""
    said: list[str] = []
    found = locate(["saw"], said.append, environment)["saw"]
    assert found.read_text() == "saw"
    assert any("compiling saw and hammer" in line for line in said)
    (listing, _, _), (building_call, _, place) = go.calls
    assert (listing[0], building_call[0], place) == ("list", "build", str(module))
    assert "-X saw.version=v1.2.3" in building_call[building_call.index("-ldflags") + 1]
    said.clear()
    assert locate(["hammer", "saw"], said.append, environment)["saw"] == found
    assert (len(go.calls), said) == (2, [])


def test_what_is_there_is_given_while_others_build(module: Path, go: FakeGo, environment: dict[str, str]) -> None:
    """Who needs nothing built waits for nobody."""
    locate(["saw"], print, environment)
    said: list[str] = []
    with only_one(cache_root(environment) / "tools" / "lock", "the programs", print):
        waiting = threading.Thread(target=locate, args=(["saw"], said.append, environment), daemon=True)
        waiting.start()
        waiting.join(20)
        assert not waiting.is_alive()
    assert said == []


def test_another_pin_is_another_program(module: Path, go: FakeGo, environment: dict[str, str]) -> None:
    """A changed pin is built anew, and what was built before stays beside it."""
    old = locate(["saw"], print, environment)["saw"]
    (module / "go.mod").write_text(GO_MOD.replace("1.2.3", "1.2.4"))
    new = locate(["saw"], print, environment)["saw"]
    assert new != old
    assert old.exists()


def test_a_failed_build_is_one_sentence_and_leaves_nothing(
    module: Path, go: FakeGo, environment: dict[str, str]
) -> None:
    """The last line of Go is the reason; the next run starts afresh."""
    (go.folder / "broken").touch()
    with pytest.raises(BuildError, match=r"^`go list` failed \(missing go.sum entry\)$"):
        locate(["saw"], print, environment)
    assert [path.name for path in (cache_root(environment) / "tools").iterdir()] == ["lock"]
    (go.folder / "broken").unlink()
    assert locate(["saw"], print, environment)["saw"].exists()


def test_what_a_killed_build_left_is_removed(module: Path, go: FakeGo, environment: dict[str, str]) -> None:
    """A half-made folder does not count, and does not stay."""
    left_over = cache_root(environment) / "tools" / f"{MADE_UP.key}.part-x" / "programs"
    left_over.mkdir(parents=True)
    locate(["saw"], print, environment)
    assert not left_over.parent.exists()


def test_a_full_disk_is_told_before_the_work(
    module: Path, go: FakeGo, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better a sentence now than a failure of the linker after some minutes."""
    monkeypatch.setattr(building, "_NEEDED_BYTES", 1 << 62)
    with pytest.raises(BuildError, match="set XDG_CACHE_HOME"):
        locate(["saw"], print, environment)
    assert go.calls == []


def test_the_second_run_waits_and_builds_nothing(module: Path, go: FakeGo, environment: dict[str, str]) -> None:
    """It says what it waits for, and takes what the first run made."""
    root = cache_root(environment) / "tools"
    root.mkdir(parents=True)
    said: list[str] = []
    waiting = threading.Event()

    def note(line: str) -> None:
        said.append(line)
        waiting.set()

    second = threading.Thread(target=locate, args=(["saw"], note, environment))
    with only_one(root / "lock", "the programs", print):
        second.start()
        assert waiting.wait(20)
        made = root / MADE_UP.key
        made.mkdir()
        for tool in MADE_UP.tools:
            (made / tool).touch(0o755)
    second.join(20)
    assert "another run is preparing the programs; waiting" in said[0]
    assert go.calls == []


def test_an_unknown_name_is_one_sentence(environment: dict[str, str]) -> None:
    """It tells the names that there are."""
    with pytest.raises(BuildError, match="there is no program spade; there are helm"):
        locate(["spade"], print, environment)


def test_a_missing_go_mod_is_one_sentence(module: Path, go: FakeGo, environment: dict[str, str]) -> None:
    """As with an installation without the repository around it."""
    (module / "go.mod").unlink()
    with pytest.raises(BuildError, match="run from a checkout of the repository"):
        locate(["saw"], print, environment)


def test_the_command_prints_paths(
    module: Path, go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One path a line on stdout, in the order asked for; progress goes to stderr; a fault is exit status 1."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.argv", ["gotools", "hammer", "saw"])
    assert __main__.main() == 0
    out, err = capsys.readouterr()
    assert [Path(line).name for line in out.splitlines()] == ["hammer", "saw"]
    assert "compiling" in err
    monkeypatch.setattr("sys.argv", ["gotools", "spade"])
    assert __main__.main() == 1
    assert "there is no program spade" in capsys.readouterr().err


@pytest.mark.parametrize("pinned", CATALOGUE, ids=lambda module: module.name)
def test_each_module_is_pinned(pinned: Module) -> None:
    """Its go.mod and go.sum are there, and the version that it stamps is found; no program comes from two modules."""
    assert {"go.mod", "go.sum"} <= {file.name for file in pinned.folder.iterdir()}
    assert pinned.build_options
    assert all(TOOLS[tool] is pinned for tool in pinned.tools)
