import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from imagecache_controlplane import ControlPlaneError, guard
from imagecache_controlplane.guard import Children
from imagecache_controlplane.processes import Processes

Eventually = Callable[[Callable[[], bool]], None]
Running = Callable[[str | Path], list[psutil.Process]]

# Ignores SIGTERM: a program that only SIGKILL stops.
STUBBORN = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)"

# A user of the guard in a process of its own: starts two programs, says where, and waits for its fate.
USER = """
import os, sys, time
from pathlib import Path
from imagecache_controlplane.processes import Processes

processes = Processes()
folder = processes.directory
for name in ("first", "second"):
    processes.start(name, [sys.executable, "-c", "import time; time.sleep(600)", str(folder / name)], folder / "log")
if "fork" in sys.argv and os.fork() == 0:
    time.sleep(600)
print(folder, flush=True)
try:
    sys.stdin.read()
finally:
    if "close" in sys.argv:
        processes.close()
"""


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Start a guard and close it after the test."""
    guarded = Processes()
    yield guarded
    guarded.close()


def sleeper(mark: Path) -> list[str]:
    """Make the command of a program that does nothing, with a mark to find it by."""
    return [sys.executable, "-c", "import time; time.sleep(600)", str(mark)]


def start_user(*words: str) -> tuple[subprocess.Popen[str], Path]:
    """Start a user of the guard in a process group of its own, and read where its folder is."""
    user = subprocess.Popen(
        [sys.executable, "-c", USER, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
    )
    assert user.stdout is not None
    return user, Path(user.stdout.readline().strip())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_the_user_leaves_nothing(number: signal.Signals, eventually: Eventually, running: Running) -> None:
    """Whatever ends the user, cleanly or not: no program and no folder stays."""
    user, folder = start_user()
    with user:
        assert len(running(folder)) == 2
        os.killpg(user.pid, number)
    eventually(lambda: not running(folder) and not folder.exists())


def test_ctrl_c_reaches_the_user_alone(running: Running) -> None:
    """The terminal's SIGINT goes to the user's group: the programs are in others, so the user decides the order."""
    user, folder = start_user("close")
    with user:
        groups = {os.getpgid(process.pid) for process in running(folder)}
        assert len(groups) == 2
        assert os.getpgid(user.pid) not in groups
        os.killpg(user.pid, signal.SIGINT)
    # The user's own cleaning has waited for it: nothing is left at this very moment.
    assert not running(folder)
    assert not folder.exists()


def test_a_fork_that_keeps_the_pipe_open_hides_nothing(eventually: Eventually, running: Running) -> None:
    """A forked child holds the pipe to the guard, which sees all the same that its user is gone."""
    user, folder = start_user("fork")
    with user:
        [other] = [child for child in psutil.Process(user.pid).children() if str(guard.__file__) not in child.cmdline()]
        user.kill()
        user.wait()
        try:
            eventually(lambda: not running(folder) and not folder.exists())
            assert other.is_running()
        finally:
            os.killpg(user.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's own")
def test_programs_do_not_outlive_a_killed_guard(
    processes: Processes, tmp_path: Path, eventually: Eventually, running: Running
) -> None:
    """SIGKILL of the guard itself: the programs die with it, and closing removes the folder."""
    mark = tmp_path / "mark"
    processes.start("program", sleeper(mark), tmp_path / "log")
    os.kill(processes._guard.pid, signal.SIGKILL)
    eventually(lambda: not running(mark))
    with pytest.raises(ControlPlaneError, match="start a new"):
        processes.exit_code("program")
    processes.close()
    assert not processes.directory.exists()


def test_a_polite_end_turns_to_force(processes: Processes, tmp_path: Path, eventually: Eventually) -> None:
    """A program that ignores SIGTERM is killed when the grace is over."""
    log = tmp_path / "log"
    processes.start("stubborn", [sys.executable, "-c", f"{STUBBORN}; time.sleep(600)"], log)
    eventually(lambda: log.read_text() == "up\n")
    processes.stop("stubborn", 0.1)
    assert processes.exit_code("stubborn") == -signal.SIGKILL


def test_a_frozen_program_can_be_ended(processes: Processes, tmp_path: Path) -> None:
    """A stopped program gets to see its SIGTERM."""
    processes.start("frozen", sleeper(tmp_path), tmp_path / "log")
    processes.send("frozen", signal.SIGSTOP)
    processes.stop("frozen", 10)
    assert processes.exit_code("frozen") == -signal.SIGTERM


def test_programs_end_in_reverse_order_of_their_first_start(tmp_path: Path) -> None:
    """A program that was restarted keeps its place: dependants go before what they depend on."""
    ends: list[str] = []

    class Noting(Children):
        def stop(self, name: str, grace: float) -> dict[str, object]:
            ends.append(name)
            return super().stop(name, grace)

    children = Noting()
    for name in ("etcd", "apiserver", "manager"):
        children.start(name, sleeper(tmp_path), str(tmp_path / "log"))
    children.stop("apiserver", 0)
    children.start("apiserver", sleeper(tmp_path), str(tmp_path / "log"))
    ends.clear()
    children.end()
    assert ends == ["manager", "apiserver", "etcd"]


def test_a_program_that_cannot_be_started_is_a_sentence(processes: Processes, tmp_path: Path) -> None:
    """The guard survives and tells why."""
    with pytest.raises(ControlPlaneError, match=r"No such file or directory.*nowhere"):
        processes.start("missing", [str(tmp_path / "nowhere")], tmp_path / "log")
    assert processes.start("there", sleeper(tmp_path), tmp_path / "log") > 0


def test_a_second_start_of_a_running_program_is_refused(processes: Processes, tmp_path: Path) -> None:
    """Two API servers under one name could not be told apart."""
    processes.start("program", sleeper(tmp_path), tmp_path / "log")
    with pytest.raises(ControlPlaneError, match="program runs already"):
        processes.start("program", sleeper(tmp_path), tmp_path / "log")


def test_an_interrupted_call_does_not_confuse_the_next(processes: Processes, tmp_path: Path) -> None:
    """Ctrl-C between question and answer: the late answer is not taken for that of the next question."""
    processes.start("program", sleeper(tmp_path), tmp_path / "log")
    assert processes._guard.stdin is not None
    processes._guard.stdin.write(
        b'{"id": 0, "do": "start", "name": "other", "argv": ["/bin/false"], "log": "/dev/null"}\n'
    )
    assert processes.exit_code("program") is None


def test_closing_twice_is_harmless(processes: Processes) -> None:
    """An error path may close what the normal path closes again."""
    assert processes.directory.is_dir()
    processes.close()
    processes.close()
    assert not processes.directory.exists()
