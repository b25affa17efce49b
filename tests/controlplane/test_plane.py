import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from imagecache_controlplane import ApiError, ControlPlane, ControlPlaneError, Programs, find_programs, kubectl_path

Eventually = Callable[..., None]
Running = Callable[[str | Path], list[psutil.Process]]

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def programs() -> Programs:
    """Find the programs; on a fresh machine this builds them."""
    return find_programs(print)


@pytest.fixture(scope="module")
def plane(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run a control plane for this module, whose API server the tests may stop and kill."""
    with ControlPlane(programs, audit_log=tmp_path_factory.mktemp("audit") / "audit.log") as running:
        yield running


def kubectl(kubeconfig: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl as the owner of a kubeconfig."""
    command = [str(kubectl_path()), f"--kubeconfig={kubeconfig}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def apiserver(plane: ControlPlane, running: Running) -> psutil.Process:
    """Find the process of the API server."""
    [process] = [p for p in running(plane.directory) if p.name().startswith("kube-apiserver")]
    return process


def port(plane: ControlPlane) -> int:
    """Read the port out of the address."""
    return int(plane.server.rsplit(":", 1)[1])


def test_kubectl_reads_the_version(plane: ControlPlane) -> None:
    """A server built without its version stamp would fail here."""
    answer = json.loads(kubectl(plane.kubeconfig, "version", "--output=json").stdout)
    assert answer["serverVersion"]["gitVersion"].startswith("v1.")


def test_ready_means_namespaces_and_accounts_are_there(programs: Programs) -> None:
    """Right after the start, a test may use any namespace; the accounts show the controller manager at work."""
    with ControlPlane(programs) as plane:
        accounts = plane.request("GET", "/api/v1/namespaces/default/serviceaccounts")
        assert [account["metadata"]["name"] for account in accounts["items"]] == ["default"]
        assert plane.request("GET", "/readyz") == "ok"
        assert {"default", "kube-system"} <= plane._namespaces()


def test_secrets_are_private(plane: ControlPlane) -> None:
    """No other user of the machine can read the administrator's token or the signing key."""
    assert stat.S_IMODE(plane.directory.stat().st_mode) == 0o700
    for name in ("admin.kubeconfig", "tokens.csv", "service-accounts.key"):
        assert stat.S_IMODE((plane.directory / name).stat().st_mode) == 0o600


def test_the_certificate_passes_strict_checks(plane: ControlPlane) -> None:
    """Newer Pythons check certificates by the letter of RFC 5280; those of the API server pass."""
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", port(plane))) as raw,
        trust.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
    ):
        assert connection.version() == "TLSv1.3"


def test_anonymous_and_wrong_tokens_are_refused(plane: ControlPlane, tmp_path: Path) -> None:
    """Authentication and RBAC are on: who is unknown gets in nowhere, who is nobody may do nothing."""
    wrong = plane.write_kubeconfig(tmp_path / "wrong", "no-such-token")
    assert "You must be logged in to the server" in kubectl(wrong, "get", "namespaces").stderr
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{plane.server}/api/v1/namespaces", context=trust)
    with refusal.value:
        assert refusal.value.code == 403


def test_a_service_account_may_do_what_its_role_says(plane: ControlPlane, tmp_path: Path) -> None:
    """Its token names the account, its kubeconfig the namespace, and RBAC decides: config maps yes, secrets no."""
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "workers"}})
    plane.request("POST", "/api/v1/namespaces/workers/serviceaccounts", {"metadata": {"name": "reader"}})
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/workers"
    plane.request("POST", f"{rbac}/roles", {"metadata": {"name": "reader"}, "rules": rules})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "workers"}],
    }
    plane.request("POST", f"{rbac}/rolebindings", binding)
    mine = plane.service_account_kubeconfig(tmp_path / "reader", "workers", "reader")
    allowed = kubectl(mine, "get", "configmaps")
    assert "kube-root-ca.crt" in allowed.stdout, allowed.stderr
    refused = kubectl(mine, "get", "secrets")
    assert 'User "system:serviceaccount:workers:reader" cannot list resource "secrets"' in refused.stderr
    assert refused.returncode == 1


def test_the_token_of_a_coming_account_is_waited_for(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account may be made a moment after it is asked for, by a manifest in another process."""
    refusals: list[ApiError] = []
    real = plane.request

    def request(method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        try:
            return real(method, path, body, content_type)
        except ApiError as refusal:
            refusals.append(refusal)
            if len(refusals) == 2:
                real("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "late"}})
            raise

    monkeypatch.setattr(plane, "request", request)
    late = plane.service_account_kubeconfig(tmp_path / "late", "default", "late")
    assert [refusal.status for refusal in refusals] == [404, 404]
    assert late.exists()


def test_a_refusal_has_its_status_and_sentence(plane: ControlPlane) -> None:
    """The small helper gives the API server's own words."""
    with pytest.raises(ApiError, match=r'answered 404: configmaps "none" not found') as refusal:
        plane.request("GET", f"{CONFIG_MAPS}/none")
    assert refusal.value.status == 404


def test_a_patch_needs_its_own_content_type(plane: ControlPlane) -> None:
    """Merge patches work through the helper."""
    plane.request("POST", CONFIG_MAPS, {"metadata": {"name": "patched"}})
    answer = plane.request("PATCH", f"{CONFIG_MAPS}/patched", {"data": {"a": "b"}}, "application/merge-patch+json")
    assert answer["data"] == {"a": "b"}


def test_every_request_is_in_the_audit_log(plane: ControlPlane, eventually: Eventually) -> None:
    """One line per request with verb, object and user, so that tests can count."""
    plane.request("POST", CONFIG_MAPS, {"metadata": {"name": "audited"}})
    assert plane._audit_log is not None
    log = plane._audit_log
    eventually(lambda: '"name":"audited"' in log.read_text())  # the line may come just after the answer
    lines = [json.loads(line) for line in log.read_text().splitlines() if '"name":"audited"' in line]
    mine = [line for line in lines if line["verb"] == "create"]
    assert [(line["user"]["username"], line["stage"], line["level"]) for line in mine] == [
        ("admin", "ResponseComplete", "Metadata")
    ]


def test_a_restart_keeps_data_address_and_tokens(plane: ControlPlane, tmp_path: Path) -> None:
    """After an orderly restart, clients go on with what they have."""
    plane.request("POST", CONFIG_MAPS, {"metadata": {"name": "kept"}})
    account = plane.service_account_kubeconfig(tmp_path / "account", "default", "default")
    server, authority = plane.server, plane.ca_file.read_text()
    plane.restart_apiserver()
    assert (plane.server, plane.ca_file.read_text()) == (server, authority)
    assert plane.request("GET", f"{CONFIG_MAPS}/kept")["metadata"]["name"] == "kept"
    assert "system:serviceaccount:default:default" in kubectl(account, "auth", "whoami").stdout


def test_a_killed_apiserver_comes_back_with_its_data(plane: ControlPlane) -> None:
    """After a crash too; in between there is no answer, and nobody else gets the port."""
    plane.request("POST", CONFIG_MAPS, {"metadata": {"name": "survivor"}})
    plane.kill_apiserver()
    with pytest.raises(urllib.error.URLError, match="refused"):
        plane.request("GET", "/readyz")
    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind(("127.0.0.1", port(plane)))
    plane.start_apiserver()
    assert plane.request("GET", f"{CONFIG_MAPS}/survivor")["metadata"]["name"] == "survivor"


def test_a_frozen_apiserver_accepts_and_says_nothing(
    plane: ControlPlane, running: Running, eventually: Eventually
) -> None:
    """The worst kind of outage for a client; after the thaw all is as before."""
    process = apiserver(plane, running)
    plane.freeze_apiserver()
    try:
        eventually(lambda: process.status() == psutil.STATUS_STOPPED)
        with socket.create_connection(("127.0.0.1", port(plane)), timeout=0.3) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(1)
    finally:
        plane.thaw_apiserver()
    assert plane.request("GET", "/readyz") == "ok"
    assert apiserver(plane, running).pid == process.pid


def test_a_namespace_can_be_deleted(plane: ControlPlane, eventually: Eventually) -> None:
    """The controller manager empties and removes namespaces, as on a real cluster."""
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "passing"}})
    plane.request("DELETE", "/api/v1/namespaces/passing")
    eventually(lambda: "passing" not in plane._namespaces())


def test_a_program_that_fails_at_start_shows_the_end_of_its_log(programs: Programs, tmp_path: Path) -> None:
    """The error has what the program said, and nothing stays."""
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho the reason is this >&2\nexit 3\n")
    broken.chmod(0o755)
    plane = ControlPlane(Programs(programs.etcd, broken, programs.kube_controller_manager))
    with pytest.raises(ControlPlaneError, match=r"kube-apiserver ended with code 3 .*\n.*the reason is this"), plane:
        pass
    assert not plane.directory.exists()


def test_a_program_that_is_never_ready_is_given_up(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a time limit, and the log is shown."""
    monkeypatch.setattr("imagecache_controlplane.plane._READY_SECONDS", 0.5)
    idle = tmp_path / "etcd"
    idle.write_text("#!/bin/sh\necho thinking\nexec sleep 600\n")
    idle.chmod(0o755)
    plane = ControlPlane(Programs(idle, programs.kube_apiserver, programs.kube_controller_manager))
    with pytest.raises(ControlPlaneError, match=r"(?s)etcd was not ready within .* s\. .*thinking"), plane:
        pass
    assert not plane.directory.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 0), (signal.SIGTERM, 0)])
def test_the_program_leaves_nothing(
    number: signal.Signals, code: int, programs: Programs, eventually: Eventually, running: Running
) -> None:
    """`python -m imagecache_controlplane` says its KUBECONFIG; Ctrl-C, SIGTERM and kill -9 leave no trace."""
    folder = programs.etcd.parent
    with subprocess.Popen(
        [sys.executable, "-m", "imagecache_controlplane"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
        env={**os.environ, "KUBEBUILDER_ASSETS": str(folder)},
    ) as program:
        assert program.stdout is not None
        name, _, value = program.stdout.readline().strip().removeprefix("export ").partition("=")
        assert name == "KUBECONFIG"
        assert kubectl(Path(value), "get", "--raw=/readyz").stdout == "ok"
        directory = Path(value).parent
        assert len(running(directory)) == 3
        os.killpg(program.pid, number)
    assert program.returncode == code
    eventually(lambda: not running(directory) and not directory.exists())


def test_programs_only_starts_nothing(programs: Programs) -> None:
    """It prints where the programs are, for scripts."""
    run = subprocess.run(
        [sys.executable, "-m", "imagecache_controlplane", "--programs-only"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KUBEBUILDER_ASSETS": str(programs.etcd.parent)},
    )
    assert Path(run.stdout.strip()) == programs.etcd.parent
