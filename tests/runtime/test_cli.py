"""The program as a process: what it prints, and with which status it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runtime.test_settings import KEY, OURS
from tests.runtime.test_settings_faults import REGION

import imagecache_operator
from imagecache_operator.settings import flag_of

COMMAND = [sys.executable, "-m", "imagecache_operator"]
ROOT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """An environment without settings, away from any cluster."""
    ours = ("IMAGECACHE_", "HUAWEICLOUD_", "KUBE", "PYTHONUNBUFFERED")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return kept | {"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none"), "COLUMNS": "200"}


@pytest.fixture
def run(surroundings: dict[str, str]) -> Run:
    """Runs the program with these settings and no others."""

    def start(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], env=surroundings | environ, capture_output=True, text=True, timeout=60, check=False
        )

    return start


def test_wrong_settings_are_one_sentence_each(run: Run) -> None:
    """On stderr, with exit status 2, and nothing else; a secret that is wrong is not shown."""
    done = run(
        "run",
        "--idle-interval=never",
        **KEY,
        IMAGECACHE_REGION="Not A Region",
        IMAGECACHE_PASSWORD="made-up\nsecret",
        IMAGECACHE_METRICS_ADDR="here",
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"imagecache-operator: IMAGECACHE_REGION {REGION}.",
        "imagecache-operator: IMAGECACHE_PASSWORD must be a password in one line.",
        "imagecache-operator: --idle-interval must be a number of seconds, 0.1 at least, such as 30 or 0.5.",
        "imagecache-operator: IMAGECACHE_METRICS_ADDR must be host:port, :port, or off.",
    ]


def test_without_credentials(run: Run) -> None:
    """The sentence names all ways to set them."""
    done = run("run")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("imagecache-operator: No credentials are set: set IMAGECACHE_CREDENTIALS_DIR, or ")


def test_without_a_kubeconfig(run: Run) -> None:
    """Good settings and no cluster: exit status 2, what to do, no trace; what is odd is a line of the log before."""
    done = run("run", **KEY, IMAGECACHE_REGOIN="eu-west-101", IMAGECACHE_LOG_FORMAT="json")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    odd, sentence = done.stderr.splitlines()
    assert json.loads(odd)["message"] == "IMAGECACHE_REGOIN is no setting of this program and is ignored."
    assert sentence.startswith("imagecache-operator: No access to a Kubernetes API server: not in a pod, and ")
    assert sentence.endswith("Set KUBECONFIG to a kubeconfig file that kubectl can use.")


def test_a_fault_of_the_program_is_a_line_of_the_log(run: Run, tmp_path: Path) -> None:
    """With its trace inside, also when it ends everything: whoever reads JSON must not miss just that."""
    breaks = "from imagecache_operator import run as program\nprogram.load_configuration = None\n"
    (tmp_path / "sitecustomize.py").write_text(breaks, encoding="utf-8")
    done = run("run", **KEY, IMAGECACHE_LOG_FORMAT="json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    [line] = map(json.loads, done.stderr.splitlines())
    assert (line["level"], line["message"]) == ("error", "The operator ends by a fault of its own")
    assert "TypeError: 'NoneType' object is not callable" in line["exception"]


def test_a_kubeconfig_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    """Rubbish in the file is one sentence, too."""
    path = tmp_path / "config"
    path.write_text("just text\n", encoding="utf-8")
    done = run("run", **KEY, KUBECONFIG=str(path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("imagecache-operator: No access to a Kubernetes API server: ")


def test_crd_prints_the_file_of_the_repository(run: Run) -> None:
    """To the byte, so the file is up to date; it needs no settings."""
    done = run("crd")
    kept = (ROOT / "crds" / "cce.huaweicloud.com_imagecaches.yaml").read_text(encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == kept


def test_help_of_run_has_all_flags(run: Run) -> None:
    """Each setting of the interface, and what it is for."""
    done = run("run", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for variable in OURS:
        assert f"{flag_of(variable)} " in done.stdout
    assert "seconds for one request to the cloud" in done.stdout


def test_help_has_the_commands(run: Run) -> None:
    """With a line each."""
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "run the controller" in done.stdout
    assert "print the CustomResourceDefinition" in done.stdout


def test_version(run: Run) -> None:
    """That of the package."""
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{imagecache_operator.__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "--regoin=x"], ["run", "extra"]])
def test_a_wrong_command_line(run: Run, arguments: list[str]) -> None:
    """Exit status 2 and how it is meant."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: imagecache-operator")


def test_switches_need_no_value(run: Run) -> None:
    """`--leader-election` alone turns it on, and then a Lease is needed; with a value it is read like the variable."""
    refused = run("run", "--leader-election", **KEY)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "IMAGECACHE_LEASE_NAMESPACE must be set" in refused.stderr
    assert "No access to a Kubernetes API server" in run("run", "--leader-election", "false", **KEY).stderr


@pytest.mark.parametrize("arguments", [["crd"], ["--help"], ["list", "--help"]], ids=" ".join)
def test_it_ends_in_silence_when_its_reader_has_enough(surroundings: dict[str, str], arguments: list[str]) -> None:
    """As in `imagecache-operator crd | head -1`: no trace, and a status that says that not all was told."""
    with subprocess.Popen(
        [*COMMAND, *arguments], env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        program.stdout.close()
        assert program.stderr is not None
        assert program.stderr.read() == ""
    assert program.returncode == 1


def test_an_output_that_cannot_be_written_is_told(surroundings: dict[str, str]) -> None:
    """A full disk is one sentence."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "crd"], env=surroundings, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (
        1,
        "imagecache-operator: The output cannot be written: No space left on device.\n",
    )


def _request_of_ours(server: socket.socket) -> socket.socket:
    """The connection with the command's first request; others may look for a server that had this port before."""
    while True:
        connection, _ = server.accept()
        if connection.recv(1024).startswith((b"GET /version ", b"GET /apis/cce.huaweicloud.com/")):
            return connection
        connection.close()


@pytest.mark.parametrize("arguments", [["list"], ["doctor"], ["release", "--all", "--force"]], ids=" ".join)
def test_ctrl_c_ends_a_command(surroundings: dict[str, str], tmp_path: Path, arguments: list[str]) -> None:
    """While it waits for an API server that says nothing: status 130, and no trace."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        user = {"clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.getsockname()[1]}"}}]}
        context = {"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
        path = tmp_path / "config"
        path.write_text(json.dumps(user | context | {"users": [{"name": "u", "user": {}}]}), encoding="utf-8")
        with (
            subprocess.Popen(
                [*COMMAND, *arguments],
                env=surroundings | KEY | {"KUBECONFIG": str(path), "IMAGECACHE_REGION": "cn-north-4"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as program,
            _request_of_ours(server),
        ):
            program.send_signal(signal.SIGINT)
            _, said = program.communicate(timeout=60)
    assert (program.returncode, said) == (130, "")
