"""Access to the API server: a kubeconfig that cannot be used is one sentence, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import Configuration

from imagecache_operator import kubernetes_config
from imagecache_operator.kubernetes_config import KubernetesConfigError, load_configuration

REAL_TIME = True
"""Exec plugins are processes."""

SERVER = "https://127.0.0.1:6443"
NO_FORM = "it does not have the form of a kubeconfig"


def kubeconfig(*, user: dict[str, Any] | str | None = None, **others: Any) -> str:
    """A kubeconfig with one context, whose user this is."""
    return yaml.safe_dump(
        {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": SERVER}}],
            "users": [{"name": "u", "user": user or {}}],
        }
        | others
    )


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes the kubeconfig that is used; before that, there is none."""
    path = tmp_path / "config"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(path))

    def put(text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        return path

    return put


async def refusal() -> str:
    """The reason in the sentence."""
    with pytest.raises(KubernetesConfigError) as caught:
        await load_configuration()
    sentence = str(caught.value)
    before, after = "not in a pod, and the kubeconfig cannot be used (", "). Set KUBECONFIG to a kubeconfig file that "
    assert sentence.startswith(f"No access to a Kubernetes API server: {before}")
    assert sentence.endswith(f"{after}kubectl can use.")
    assert "\n" not in sentence
    return sentence.partition(before)[2].partition(after)[0]


@pytest.mark.usefixtures("write")
async def test_no_file_at_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The sentence names the file, and the library's own words about it are not logged."""
    caplog.set_level(logging.DEBUG)
    assert await refusal() == f"Config not found: {tmp_path / 'config'}"
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", NO_FORM, id="an empty file"),
        pytest.param("just text", NO_FORM, id="text"),
        pytest.param(kubeconfig(contexts=7), NO_FORM, id="a number for a list"),
        pytest.param(kubeconfig(clusters=["c"]), "list to have 'name' key", id="names for entries"),
        pytest.param(kubeconfig(user="just text"), NO_FORM, id="text for a user"),
        pytest.param("a: [\n", "expected the node content, but found '<stream end>'", id="no YAML"),
        pytest.param(kubeconfig(contexts=[]), "Expected object with name here in", id="a context that is not there"),
        pytest.param(
            kubeconfig(clusters=[{"name": "c", "cluster": {"server": SERVER, "certificate-authority-data": "Zm9v"}}]),
            "its certificates or keys: ",
            id="an authority that is no certificate",
        ),
        pytest.param(
            kubeconfig(user={"client-certificate-data": "Zm9v", "client-key-data": "Zm9v"}),
            "its certificates or keys: ",
            id="a user's certificate that is none",
        ),
        pytest.param(
            kubeconfig(user={"exec": {"command": "/nonexistent", "apiVersion": "v1"}}, clusters=[{"name": "c"}]),
            "Expected key cluster in",
            id="a cluster without content",
        ),
    ],
)
async def test_a_file_that_cannot_be_used(
    write: Callable[[str], Path], caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    """One line that says why, as far as a person can use it, and no log."""
    write(text)
    caplog.set_level(logging.DEBUG)
    assert reason in await refusal()
    assert caplog.messages == []


async def test_a_directory_for_a_file(tmp_path: Path, write: Callable[[str], Path]) -> None:
    """What the system says is passed on."""
    (tmp_path / "config").mkdir()
    assert "Is a directory" in await refusal()


async def test_no_secret_of_the_file_is_shown(write: Callable[[str], Path], caplog: pytest.LogCaptureFixture) -> None:
    """A token in the wrong place makes the library quote its whole surroundings; the sentence does not."""
    write(kubeconfig(users=[{"name": "u", "token": "made-up-secret"}]))
    assert "Expected key user in" in await refusal()
    write(kubeconfig(user={"exec": None, "password": "made-up-secret"}))
    await load_configuration()
    shown = [str(record.__dict__) for record in caplog.records]
    assert len(shown) == 1
    assert "Expected key exec in" in shown[0]
    write(kubeconfig(users=[{"name": "u", "token": "made-up-secret"}]))
    assert all("made-up-secret" not in text for text in (await refusal(), *shown))


async def test_a_plugin_that_fails_is_logged_when_there_is_another_way(
    write: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Without a failure nothing of what the library says is lost."""
    write(kubeconfig(user={"exec": {"command": "/nonexistent", "apiVersion": "v1"}, "token": "made-up"}))
    configuration = await load_configuration()
    assert configuration.host == SERVER
    assert caplog.messages == ["[Errno 2] No such file or directory: '/nonexistent'"]
    await load_configuration()
    assert len(caplog.messages) == 2


async def test_an_empty_variable_is_an_unset_one(
    write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kubectl has it: the file in the home folder is used."""
    write(kubeconfig()).rename(tmp_path / "kept")
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    (tmp_path / "kept").rename(home / ".kube" / "config")
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(home))
    assert (await load_configuration()).host == SERVER


async def token_of(configuration: Configuration) -> str:
    """As a request that goes out now has it."""
    settings = await configuration.auth_settings()
    return str(settings["BearerToken"]["value"])


async def test_a_token_file_is_read_again(
    write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In time, and not before; while it cannot be read, the former token is used on, and that is said once."""
    monkeypatch.setattr(kubernetes_config, "REREAD", 0.0)
    token = tmp_path / "token"
    token.write_text("first")
    write(kubeconfig(user={"tokenFile": str(token)}))
    configuration = await load_configuration()
    assert await token_of(configuration) == "Bearer first"
    token.write_text("second")
    assert await token_of(configuration) == "Bearer second"
    token.unlink()
    assert [await token_of(configuration) for _ in range(2)] == ["Bearer second"] * 2
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("The token for the API server cannot be read again, and is used on: ")
    assert str(token) in warning
    token.write_text("third")
    monkeypatch.setattr(kubernetes_config, "REREAD", 60.0)
    assert await token_of(configuration) == "Bearer third"
    token.write_text("fourth")
    assert await token_of(configuration) == "Bearer third"


async def test_a_kubeconfig_with_a_certificate_is_read_once(write: Callable[[str], Path]) -> None:
    """There is no token that could end."""
    write(kubeconfig())
    assert (await load_configuration()).refresh_api_key_hook is None
