"""The page of credentials: its policies, its commands and its overlays are good as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from tests.deploy.kustomize import DEPLOY, Object, render
from tests.helm import Helm, is_hook

from imagecache_controlplane import kubectl_path
from imagecache_operator.cloud.credentials_keys import CHECKS
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.settings import Settings, variable_of
from imagecache_operator.settings_loading import load_settings
from imagecache_playground.cluster import Cluster

PAGE = (DEPLOY.parent / "docs" / "credentials.md").read_text(encoding="utf-8")
NAMESPACE = re.compile(r"-n (\S+)")


def blocks(language: str) -> list[str]:
    """The blocks of the page in that language, the indented ones, too."""
    return [dedent(text) for text in re.findall(rf"^ *```{language}\n(.+?)^ *```", PAGE, re.DOTALL | re.MULTILINE)]


def test_policies_have_the_actions_of_the_operator_and_no_other() -> None:
    """All that it calls in the first one; without creating in the second; looking alone in the third."""
    calls = {str(operation) for operation in Operation if operation.value.startswith("cce:")}
    asked = [set(statement["Action"]) for text in blocks("json") for statement in json.loads(text)["Statement"]]
    assert asked == [calls, calls - {Operation.CREATE}, {Operation.LIST, Operation.GET}]


@pytest.fixture
def overlays(tmp_path: Path) -> dict[str, list[Object]]:
    """What the overlays of the page render to, by the way that they ask for."""
    deploy = os.path.relpath(DEPLOY.resolve(), tmp_path.resolve())
    rendered: dict[str, list[Object]] = {}
    for text in blocks("yaml"):
        if text.startswith("# mine/kustomization.yaml"):
            (tmp_path / "kustomization.yaml").write_text(text.replace("../deploy", deploy), encoding="utf-8")
            documents = render(tmp_path)
            rendered[_settings(documents)["IMAGECACHE_AUTH"]] = documents
    return rendered


def _settings(documents: list[Object]) -> dict[str, str]:
    """The environment of the pod; an empty variable is an unset one."""
    [found] = [it for it in documents if it["kind"] == "ConfigMap" and it["metadata"]["name"] == "imagecache-operator"]
    [container] = _pod(documents)["containers"]
    plain = {it["name"]: it["value"] for it in container.get("env") or []}
    return {name: value for name, value in (found["data"] | plain).items() if value}


def _pod(documents: list[Object]) -> dict[str, Any]:
    [deployment] = [it for it in documents if it["kind"] == "Deployment"]
    return dict(deployment["spec"]["template"]["spec"])


def test_overlays_set_what_the_program_knows(overlays: dict[str, list[Object]]) -> None:
    """Both ways are there, and no variable has a typing error."""
    known = {variable_of(name) for name in Settings.model_fields}
    assert overlays.keys() == {"oidc", "pod-identity"}
    for documents in overlays.values():
        assert _settings(documents).keys() <= known


def test_helm_and_kustomize_set_the_same(helm: Helm, overlays: dict[str, list[Object]]) -> None:
    """The values of the page lead to the same settings as its overlay, for each way."""
    values = [yaml.safe_load(text) for text in blocks("yaml") if text.startswith("# my-values.yaml")]
    charts = [_settings([it for it in helm.template(each) if not is_hook(it)]) for each in values]
    assert {each["IMAGECACHE_AUTH"]: each for each in charts} == {way: _settings(it) for way, it in overlays.items()}


def test_keys_from_a_vault_are_read_where_they_are_mounted(helm: Helm) -> None:
    """The chart takes the values of the page, mounts nothing of its own, and the program reads that directory."""
    [values] = [yaml.safe_load(text) for text in blocks("yaml") if text.startswith("# vault-values.yaml")]
    documents = [it for it in helm.template(values) if not is_hook(it)]
    found, odd = load_settings({}, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"} | _settings(documents))
    [mount] = _pod(documents)["containers"][0]["volumeMounts"]
    [volume] = _pod(documents)["volumes"]
    assert (mount["mountPath"], mount["name"], odd) == (str(found.credentials_dir), volume["name"], [])


def test_the_token_is_mounted_where_the_setting_says(overlays: dict[str, list[Object]]) -> None:
    """Readable for the user that the operator runs as, and with the audience of the page."""
    documents = overlays["oidc"]
    pod, file = _pod(documents), Path(_settings(documents)["HUAWEICLOUD_OIDC_TOKEN_FILE"])
    [container] = pod["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    projected = volumes[mounts[str(file.parent)]]["projected"]
    assert projected["defaultMode"] == 0o440
    assert projected["sources"] == [
        {"serviceAccountToken": {"path": file.name, "audience": "imagecache-operator", "expirationSeconds": 3600}}
    ]


@pytest.mark.parametrize("way", ["oidc", "pod-identity"])
def test_a_real_api_server_takes_the_overlays(
    cluster: Cluster, namespace_name: str, overlays: dict[str, list[Object]], way: str
) -> None:
    """Every object of them, in a namespace of the test's own."""
    cluster.create_namespace(namespace_name)
    kept = [it for it in overlays[way] if it["kind"] in {"ConfigMap", "Deployment"}]
    for it in kept:
        it["metadata"]["namespace"] = namespace_name
    cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(kept))


def test_the_commands_run(cluster: Cluster, namespace_name: str, tmp_path: Path) -> None:
    """One after the other, in a namespace of the test's own; Secrets of the same name make way for each other."""
    cluster.create_namespace(namespace_name)
    for key in CHECKS:
        (tmp_path / key).write_text(f"a-{key}", encoding="utf-8")
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "KUBECONFIG": str(cluster.plane.kubeconfig),
        "HOME": str(tmp_path),
    }
    (tmp_path / "kubectl").symlink_to(kubectl_path())
    made: list[str] = []
    for text in blocks("sh"):
        script = NAMESPACE.sub(f"-n {namespace_name}", text)
        if " replace " not in script:
            cluster.kubectl("-n", namespace_name, "delete", "secret", "--all")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
            env=environment,
        )
        assert (done.returncode, done.stderr) == (0, ""), script
        made.append(done.stdout)
    assert [("created" in said, "replaced" in said) for said in made] == [
        (True, False),
        (False, True),
        (True, False),
        (False, False),
        (True, False),
    ]
    issuer, keys = (json.loads(line) for line in made[3].replace("}{", "}\n{").splitlines() if line)
    assert issuer["issuer"].startswith("https://")
    assert keys["keys"]
