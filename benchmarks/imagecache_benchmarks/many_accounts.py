"""1,000 objects in 20 accounts: an idle minute, and a restart."""

from __future__ import annotations

import base64
import time
from typing import Any

import yaml

from imagecache_benchmarks.bench import Bench, World
from imagecache_benchmarks.contender import THE_OPERATOR
from imagecache_benchmarks.results import Row
from imagecache_benchmarks.traffic import create_objects
from imagecache_playground.cluster import REPOSITORY
from imagecache_playground.processes import wait_for

ACCOUNTS = 20
PER_ACCOUNT = 50
COUNT = ACCOUNTS * PER_ACCOUNT
MINUTE = 60.0
ROLE = REPOSITORY / "deploy/kustomize/components/namespaced-credentials/role.yaml"
LIST, IAM = "ListImageCaches", frozenset({"ListProjects", "ListDomains", "CreateToken", "GetCallerIdentity"})
REGION = "cn-north-4"


def many_accounts(bench: Bench) -> None:
    """Once, whatever the number of runs: an idle operator disturbs nobody, and a minute is long."""
    bench.say(f"many-accounts: {COUNT} objects in {ACCOUNTS} accounts, an idle minute and a restart, about 120 s")
    settings = {"IMAGECACHE_NAMESPACED_CREDENTIALS": "true", "HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}
    with bench.world("many-accounts", accounts=[_account(number) for number in range(ACCOUNTS)]) as world:
        _bind(world)
        with world.start(THE_OPERATOR, wait=True, **settings) as operator:
            world.wait_held(COUNT, ready=True)
            operator.settle()
            # Events about the binding are few a second by design, and no part of an idle minute.
            wait_for(lambda: _quiet(bench, world), what="the Events are out", seconds=180)
            before, begun = operator.cpu_seconds(), time.monotonic()
            time.sleep(MINUTE)
            cpu = operator.cpu_seconds() - before
            idle = [call["operation"] for call in world.cloud.calls() if begun <= call["monotonic"] < begun + MINUTE]
            idle_writes = bench.audit.writes(world.namespace).total()
        begun = time.monotonic()
        with world.start(THE_OPERATOR, wait=True, **settings) as operator:

            def listed() -> list[dict[str, Any]]:
                return [call for call in world.cloud.calls(LIST) if call["monotonic"] >= begun]

            wait_for(lambda: len(listed()) >= ACCOUNTS, what="every account is listed", seconds=60)
            settled = max(call["monotonic"] for call in listed()) - begun
            operator.settle()
            again = [call["operation"] for call in world.cloud.calls() if call["monotonic"] >= begun]
            again_writes = bench.audit.writes(world.namespace).total()
    what = f"{COUNT} objects in {ACCOUNTS} accounts"
    bench.rows += [
        Row(f"{what}, idle minute: LISTs", "", [float(idle.count(LIST))], most=ACCOUNTS),
        Row(f"{what}, idle minute: other calls to the cloud", "", [float(len(idle) - idle.count(LIST))], most=0),
        Row(f"{what}, idle minute: writes to the API server", "", [float(idle_writes)], most=0),
        Row(f"{what}, idle minute: share of a core", "%", [cpu / MINUTE * 100], most=2),
        Row(f"{what}, restart: LISTs", "", [float(again.count(LIST))], most=ACCOUNTS),
        Row(f"{what}, restart: IAM calls", "", [float(sum(call in IAM for call in again))], most=ACCOUNTS),
        Row(f"{what}, restart: writes to the API server", "", [float(again_writes)], most=0),
        Row(f"{what}, restart: until every account is listed", "s", [settled], most=10),
    ]


def _quiet(bench: Bench, world: World) -> bool:
    """Whether two seconds pass without a request of the operator for its namespace."""
    bench.audit.skip()
    time.sleep(2.0)
    return not [entry for entry in bench.audit.requests(world.namespace) if entry["verb"] in {"create", "patch"}]


def _account(number: int) -> dict[str, Any]:
    return {
        "domain_id": f"d{number:031x}",
        "domain_name": f"domain-{number}",
        "access_keys": [{"access_key": f"AKEXAMPLE{number:011d}", "secret_key": f"SK{number:038d}"}],
        "projects": [{"id": f"{number:032x}", "name": REGION}],
    }


def _bind(world: World) -> None:
    """Secrets, the right to list them, caches, and an object for each."""
    role, binding = yaml.safe_load_all(ROLE.read_text(encoding="utf-8"))
    binding |= {"kind": "RoleBinding", "metadata": {"name": "credentials", "namespace": world.namespace}}
    documents: list[dict[str, Any]] = [role, binding]
    specs: dict[str, dict[str, Any]] = {}
    for number in range(ACCOUNTS):
        account = _account(number)
        [key], [project] = account["access_keys"], account["projects"]
        data = {"accessKey": key["access_key"], "secretKey": key["secret_key"], "projectID": project["id"]}
        documents.append(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "cce.huaweicloud.com/credentials",
                "metadata": {"name": f"account-{number}", "namespace": world.namespace},
                "data": {name: base64.b64encode(text.encode()).decode() for name, text in data.items()},
            }
        )
        names = [f"a{number}-{each:02d}" for each in range(PER_ACCOUNT)]
        ids = world.cloud.add_caches([{"name": name, "project": project["id"]} for name in names])
        for name, cache_id in zip(names, ids, strict=True):
            specs[name] = {"imageCacheID": cache_id, "credentialsSecretRef": {"name": f"account-{number}"}}
    world.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    create_objects(world.cluster.plane, world.namespace, specs)
