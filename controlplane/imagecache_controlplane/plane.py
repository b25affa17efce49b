"""One Kubernetes control plane on this machine: etcd, kube-apiserver and kube-controller-manager, RBAC on."""

import contextlib
import json
import secrets
import signal
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imagecache_controlplane import files
from imagecache_controlplane.errors import ApiError, ControlPlaneError
from imagecache_controlplane.processes import Processes
from imagecache_controlplane.programs import Programs

_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0
_REQUEST_SECONDS = 30.0
_POLL_SECONDS = 0.05
_TOKEN_SECONDS = 24 * 3600
_TAIL_LINES = 25
_PEM_HEAD = "-----BEGIN CERTIFICATE-----\n"
_PEM_TAIL = "-----END CERTIFICATE-----\n"
_NAMESPACES = {"default", "kube-system", "kube-public", "kube-node-lease"}


def _silent(_: str) -> None:
    pass


class ControlPlane:
    """A context manager: ready inside the `with`, gone without a trace after it, also when its process is killed."""

    def __init__(
        self,
        programs: Programs,
        *,
        audit_log: Path | None = None,
        progress: Callable[[str], None] = _silent,
    ) -> None:
        self._programs = programs
        self._audit_log = audit_log.absolute() if audit_log else None
        self._progress = progress
        self.admin_token = secrets.token_urlsafe(32)
        self.directory: Path
        self.kubeconfig: Path
        self.ca_file: Path
        self.server: str
        self._processes: Processes
        self._resources = contextlib.ExitStack()
        self._trust: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        began = time.monotonic()
        try:
            self._prepare()
            self._start_etcd()
            self.start_apiserver()
            self.kubeconfig = self.write_kubeconfig(self.directory / "admin.kubeconfig", self.admin_token)
            self._start_controller_manager()
        except BaseException:
            self._resources.close()
            raise
        self._progress(f"control plane ready at {self.server} after {time.monotonic() - began:.1f} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def write_kubeconfig(self, path: Path, token: str, *, namespace: str = "default") -> Path:
        """Write a kubeconfig for a token; it needs no other file."""
        text = files.kubeconfig(server=self.server, ca_file=self.ca_file, token=token, namespace=namespace)
        return files.write_private(path, text)

    def service_account_kubeconfig(self, path: Path, namespace: str, name: str) -> Path:
        """Ask for a token of a service account, waiting until the account is there, and write its kubeconfig."""
        wish = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        body = wish | {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        where = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                answer = self.request("POST", where, body)
            except ApiError as refusal:
                if refusal.status != 404 or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return self.write_kubeconfig(path, answer["status"]["token"], namespace=namespace)

    def start_apiserver(self) -> None:
        """Start the API server on its port and wait until it is ready."""
        self._start("kube-apiserver", self._apiserver_command())
        self._wait("kube-apiserver", self._apiserver_ready)

    def stop_apiserver(self) -> None:
        """End the API server as a rollout would: with SIGTERM."""
        self._processes.stop("kube-apiserver", _STOP_SECONDS)

    def restart_apiserver(self) -> None:
        """Stop and start; data, address, certificate and tokens stay."""
        self.stop_apiserver()
        self.start_apiserver()

    def kill_apiserver(self) -> None:
        """End the API server as a crash would: with SIGKILL."""
        self._processes.stop("kube-apiserver", 0)

    def freeze_apiserver(self) -> None:
        """Let the API server accept connections and answer none."""
        self._processes.send("kube-apiserver", signal.SIGSTOP)

    def thaw_apiserver(self) -> None:
        """Let a frozen API server go on."""
        self._processes.send("kube-apiserver", signal.SIGCONT)

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request as the administrator; give the parsed JSON, or the text where it is none.

        A server that has just started answers 429 for a kind whose storage is not ready, and 503 while an admission
        policy does not know a kind yet; such a request is repeated.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                return self._request(method, path, body, content_type)
            except ApiError as refusal:
                if refusal.status not in {429, 503} or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)

    def _request(self, method: str, path: str, body: Any, content_type: str) -> Any:
        data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.admin_token}", "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(self.server + path, data, headers, method=method)  # noqa: S310 - our own server
        try:
            with self._opener().open(request, timeout=_REQUEST_SECONDS) as response:
                text = response.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ApiError(refusal.code, _message(refusal.read().decode(errors="replace"))) from None
        try:
            return json.loads(text)
        except ValueError:
            return text

    def _opener(self) -> urllib.request.OpenerDirector:
        if self._trust is None:
            self._trust = ssl.create_default_context(cafile=str(self.ca_file))
        # The server is on this machine: a proxy of the environment must not be asked.
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._trust)
        )

    def _prepare(self) -> None:
        self._processes = Processes()
        self._resources.callback(self._processes.close)
        self.directory = self._processes.directory
        self._etcd_port = self._resources.enter_context(files.reserve_port())
        self._api_port = self._resources.enter_context(files.reserve_port())
        self.server = f"https://127.0.0.1:{_number(self._api_port)}"
        # The API server makes its own certificate here, and takes the same one again after a restart.
        self._certificate = self.directory / "certificates" / "apiserver.crt"
        self.ca_file = self.directory / "ca.crt"
        files.write_private(self.directory / "service-accounts.key", files.signing_key())
        files.write_private(self.directory / "tokens.csv", f'{self.admin_token},admin,admin,"system:masters"\n')
        files.write_private(self.directory / "audit-policy.json", json.dumps(files.AUDIT_POLICY))

    def _start_etcd(self) -> None:
        url = f"http://127.0.0.1:{_number(self._etcd_port)}"
        self._start(
            "etcd",
            [
                str(self._programs.etcd),
                f"--data-dir={self.directory / 'etcd'}",
                f"--listen-client-urls={url}",
                f"--advertise-client-urls={url}",
                "--listen-peer-urls=http://127.0.0.1:0",
                "--socket-reuse-port",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )
        self._wait("etcd", self._etcd_ready)

    def _apiserver_command(self) -> list[str]:
        key = self.directory / "service-accounts.key"
        command = [
            str(self._programs.kube_apiserver),
            f"--etcd-servers=http://127.0.0.1:{_number(self._etcd_port)}",
            "--bind-address=127.0.0.1",
            f"--secure-port={_number(self._api_port)}",
            "--permit-port-sharing",
            f"--cert-dir={self._certificate.parent}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/24",
            # Loopback is no valid endpoint for the `kubernetes` service, and nobody here looks it up.
            "--endpoint-reconciler-type=none",
            # Without it an orderly end waits a minute for the clients to give up their watches.
            "--shutdown-watch-termination-grace-period=2s",
            "--profiling=false",
        ]
        if self._audit_log:
            command += [
                f"--audit-policy-file={self.directory / 'audit-policy.json'}",
                f"--audit-log-path={self._audit_log}",
                "--audit-log-maxsize=10240",
            ]
        return command

    def _start_controller_manager(self) -> None:
        self._start(
            "kube-controller-manager",
            [
                str(self._programs.kube_controller_manager),
                f"--kubeconfig={self.kubeconfig}",
                f"--root-ca-file={self.ca_file}",
                f"--service-account-private-key-file={self.directory / 'service-accounts.key'}",
                "--leader-elect=false",
                "--secure-port=0",
                # One user with a whole machine: the limits of a shared cluster would only slow namespaces down.
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                "--profiling=false",
            ],
        )
        self._wait("kube-controller-manager", self._namespaces_ready)

    def _start(self, name: str, command: list[str]) -> None:
        self._progress(f"starting {name}")
        self._processes.start(name, command, self._log(name))

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            code = self._processes.exit_code(name)
            if code is not None:
                raise ControlPlaneError(f"{name} ended with code {code} instead of getting ready. {self._tail(name)}")
            if time.monotonic() > deadline:
                raise ControlPlaneError(f"{name} was not ready within {_READY_SECONDS:.0f} s. {self._tail(name)}")
            time.sleep(_POLL_SECONDS)

    def _tail(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "The end of its log:\n" + "\n".join(lines)

    def _etcd_ready(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(self._etcd_port.getsockname(), timeout=1):
            return True
        return False

    def _apiserver_ready(self) -> bool:
        if not self.ca_file.exists() and not self._take_authority():
            return False
        with contextlib.suppress(ApiError, OSError):
            return bool(self.request("GET", "/readyz") == "ok") and self._namespaces() >= _NAMESPACES
        return False

    def _take_authority(self) -> bool:
        # The file has the server's certificate and then the one that signed it. The controller manager publishes the
        # signer, and would complain for ever about the other.
        if not self._certificate.exists():
            return False
        blocks = self._certificate.read_text().split(_PEM_HEAD)
        if len(blocks) != 3 or not blocks[-1].endswith(_PEM_TAIL):
            return False  # it is being written
        self.ca_file.write_text(_PEM_HEAD + blocks[-1])
        return True

    def _namespaces(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.request("GET", "/api/v1/namespaces")["items"]}

    def _namespaces_ready(self) -> bool:
        # A service account in each namespace is the work of the controller manager, so it is at work.
        accounts = self.request("GET", "/api/v1/serviceaccounts")["items"]
        return {a["metadata"]["namespace"] for a in accounts if a["metadata"]["name"] == "default"} >= _NAMESPACES


def _number(holder: socket.socket) -> int:
    port: int = holder.getsockname()[1]
    return port


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:500]
