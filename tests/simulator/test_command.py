"""The command: what it prints, how it ends, what it says of bad input."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "cce_simulator"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_on_a_signal_though_a_client_hangs(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end it with 0 and without a word, also while a call is being held."""
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        match = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", process.stdout.readline())
        assert match
        connection = http.client.HTTPConnection("127.0.0.1", int(match[1]), timeout=10)
        connection.request("POST", "/_control/faults", '{"kind": "hang"}')
        connection.getresponse().read()
        connection.request("GET", "/v5/imagecaches")
        process.send_signal(number)
        rest, errors = process.communicate(timeout=10)
        connection.close()
    assert (process.returncode, rest, errors) == (0, "", "")


def test_the_port_is_taken() -> None:
    """Exit code 2 and one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = _run("--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert re.fullmatch(r"cce-simulator: cannot listen on 127\.0\.0\.1 port \d+: .*\n", done.stderr)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON: "),
        ("[]", "scenario must be an object."),
        ('{"quotas": 3}', "scenario: unknown key 'quotas'"),
        (
            '{"timing": {"delete_seconds": -1}}',
            "scenario.timing: 'delete_seconds' must be a number of at least 0, not -1.",
        ),
        (
            '{"switches": {"create_code": 418}}',
            "scenario.switches: 'create_code' must be one of 200, 201, 202, not 418.",
        ),
        ('{"caches": [{}]}', "scenario.caches[0]: 'name' is required."),
        ('{"caches": [{"name": "a", "project": "p"}]}', "cache 'a' names the unknown project 'p'."),
        (
            '{"caches": [{"name": "a", "id": "i"}, {"name": "b", "id": "i"}]}',
            "scenario: the cache id 'i' is given twice.",
        ),
        ('{"accounts": [{"domain_id": "d", "domain_name": "n"}]}', "'projects' needs at least one project."),
        ('{"faults": [{"kind": "earthquake"}]}', "scenario.faults[0]: 'kind' must be one of 'lost_answer', "),
    ],
)
def test_a_bad_scenario_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """Exit code 2, no trace, and the sentence names the key."""
    path = tmp_path / "scenario.json"
    path.write_text(text, encoding="utf-8")
    done = _run("--port", "0", "--scenario", str(path))
    assert done.returncode == 2
    assert done.stderr.startswith("cce-simulator: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_scenario(tmp_path: Path) -> None:
    """The file's name and the reason are told."""
    done = _run("--port", "0", "--scenario", str(tmp_path / "none.json"))
    assert (done.returncode, done.stderr) == (
        2,
        f"cce-simulator: {tmp_path}/none.json cannot be read: No such file or directory.\n",
    )
