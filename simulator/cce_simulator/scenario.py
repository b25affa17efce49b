"""The world at start: accounts, keys, projects, caches and settings, read from a JSON file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from cce_simulator.behaviours import (
    PLAIN_BUILD,
    PLAIN_DELETE,
    BuildBehaviour,
    DeleteBehaviour,
    parse_build_behaviour,
    parse_delete_behaviour,
)
from cce_simulator.faults import FaultSpec, parse_fault
from cce_simulator.parsing import Fields, MalformedError
from cce_simulator.settings import Settings, parse_settings

DEFAULT_CLUSTER = "c271e39f-1a6e-4d3d-8fa8-2a36329c68d2"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeySeed:
    """An AK/SK pair (section 6)."""

    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    # None: a permanent key; else requests must bring it as X-Security-Token.
    security_token: str | None = dataclasses.field(default=None, repr=False)
    enabled: bool = True
    denied_actions: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UserSeed:
    """An IAM user with a password (section 5)."""

    name: str
    password: str = dataclasses.field(repr=False)
    enabled: bool = True
    denied_actions: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgencySeed:
    """An agency that gives temporary keys to pods (section 7), by pod identity, by OIDC, or both."""

    urn: str
    # The tokens that are good now, be it of the service account or of the identity provider.
    tokens: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    # None: it trusts no identity provider.
    provider_urn: str | None = None
    # None: it is not bound to a service account.
    association_id: str | None = None
    namespace: str = "imagecache-system"
    service_account: str = "imagecache-operator"
    enabled: bool = True
    denied_actions: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSeed:
    """A project; its name is the region (section 6.1)."""

    id: str
    name: str
    # None: any cluster UID is taken; else only these build caches.
    clusters: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeed:
    """An account (IAM calls it a domain); its first project is the default one."""

    domain_id: str
    domain_name: str
    users: tuple[UserSeed, ...] = ()
    access_keys: tuple[AccessKeySeed, ...] = ()
    agencies: tuple[AgencySeed, ...] = ()
    projects: tuple[ProjectSeed, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CacheSeed:
    """A cache that is there without a POST."""

    name: str
    images: tuple[str, ...] = ("busybox:latest",)
    # None: the default project.
    project: str | None = None
    # None: made up.
    id: str | None = None
    image_cache_size: int = 20
    retention_days: int = 0
    cluster: str = DEFAULT_CLUSTER
    image_pull_secrets: tuple[str, ...] | None = None
    status: str = "Available"
    message: str | None = None
    age_seconds: float = 0.0
    in_use: bool = False
    build_behaviour: BuildBehaviour = PLAIN_BUILD
    delete_behaviour: DeleteBehaviour = PLAIN_DELETE


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All of it."""

    accounts: tuple[AccountSeed, ...]
    caches: tuple[CacheSeed, ...] = ()
    settings: Settings = dataclasses.field(default_factory=Settings)
    faults: tuple[FaultSpec, ...] = ()


DEFAULT_ACCOUNTS = (
    AccountSeed(
        domain_id="d0123456789abcdef0123456789abcde",
        domain_name="example-domain",
        users=(UserSeed(name="example-user", password="example-password"),),  # noqa: S106 (made up)
        access_keys=(
            AccessKeySeed(access_key="AKEXAMPLE0000000000", secret_key="SKEXAMPLE00000000000000000000000000000000"),  # noqa: S106 (made up)
        ),
        agencies=(
            AgencySeed(
                urn="iam::d0123456789abcdef0123456789abcde:agency:imagecache-operator",
                tokens=("example-token",),
                provider_urn="iam::d0123456789abcdef0123456789abcde:oidc-provider:example-cluster",
                association_id="a1b2c3d4-0000-4000-8000-000000000001",
            ),
        ),
        projects=(ProjectSeed(id="0123456789abcdef0123456789abcdef", name="cn-north-4"),),
    ),
)


def load_scenario(path: Path | None) -> Scenario:
    """Read the file, or give the built-in scenario. Raises MalformedError with one sentence."""
    if path is None:
        return Scenario(accounts=DEFAULT_ACCOUNTS)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MalformedError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise MalformedError(f"{path} is not JSON: {error}.") from error
    return parse_scenario(document)


def parse_scenario(document: Any) -> Scenario:
    """Read a scenario; without `accounts` it has the built-in one."""
    fields = Fields(document, "scenario")
    accounts = tuple(_parse_account(item) for item in fields.objects("accounts")) or DEFAULT_ACCOUNTS
    scenario = Scenario(
        accounts=accounts,
        caches=tuple(parse_cache(item) for item in fields.objects("caches")),
        settings=parse_settings(fields, Settings()),
        faults=tuple(parse_fault(item) for item in fields.objects("faults")),
    )
    fields.done()
    _check_unique("project id", [project.id for account in accounts for project in account.projects])
    _check_unique("access key", [key.access_key for account in accounts for key in account.access_keys])
    _check_unique("agency", [agency.urn for account in accounts for agency in account.agencies])
    _check_unique("domain name", [account.domain_name for account in accounts])
    _check_unique("cache id", [cache.id for cache in scenario.caches if cache.id])
    projects = {project.id for account in accounts for project in account.projects}
    for cache in scenario.caches:
        if cache.project is not None and cache.project not in projects:
            raise MalformedError(f"scenario: cache '{cache.name}' names the unknown project '{cache.project}'.")
    return scenario


def parse_cache(fields: Fields) -> CacheSeed:
    """Read one cache of a scenario or of the control path."""
    seed = CacheSeed(
        name=fields.text("name"),
        images=fields.texts("images", ("busybox:latest",)),
        project=fields.optional_text("project"),
        id=fields.optional_text("id"),
        image_cache_size=fields.integer("image_cache_size", 20),
        retention_days=fields.integer("retention_days", 0),
        cluster=fields.text("cluster", DEFAULT_CLUSTER),
        image_pull_secrets=fields.texts("image_pull_secrets") if fields.has("image_pull_secrets") else None,
        status=fields.text("status", "Available"),
        message=fields.optional_text("message"),
        age_seconds=fields.number("age_seconds", 0.0),
        in_use=fields.flag("in_use", default=False),
        build_behaviour=parse_build_behaviour(fields.object("build_behaviour")),
        delete_behaviour=parse_delete_behaviour(fields.object("delete_behaviour")),
    )
    fields.done()
    return seed


def _parse_account(fields: Fields) -> AccountSeed:
    account = AccountSeed(
        domain_id=fields.text("domain_id"),
        domain_name=fields.text("domain_name"),
        users=tuple(_parse_user(item) for item in fields.objects("users")),
        access_keys=tuple(_parse_key(item) for item in fields.objects("access_keys")),
        agencies=tuple(_parse_agency(item) for item in fields.objects("agencies")),
        projects=tuple(_parse_project(item) for item in fields.objects("projects")),
    )
    fields.done()
    if not account.projects:
        raise MalformedError(f"{fields.where}: 'projects' needs at least one project.")
    return account


def _parse_user(fields: Fields) -> UserSeed:
    user = UserSeed(
        name=fields.text("name"),
        password=fields.text("password"),
        enabled=fields.flag("enabled", default=True),
        denied_actions=fields.texts("denied_actions"),
    )
    fields.done()
    return user


def _parse_key(fields: Fields) -> AccessKeySeed:
    key = AccessKeySeed(
        access_key=fields.text("access_key"),
        secret_key=fields.text("secret_key"),
        security_token=fields.optional_text("security_token"),
        enabled=fields.flag("enabled", default=True),
        denied_actions=fields.texts("denied_actions"),
    )
    fields.done()
    return key


def _parse_agency(fields: Fields) -> AgencySeed:
    agency = AgencySeed(
        urn=fields.text("urn"),
        tokens=fields.texts("tokens"),
        provider_urn=fields.optional_text("provider_urn"),
        association_id=fields.optional_text("association_id"),
        namespace=fields.text("namespace", "imagecache-system"),
        service_account=fields.text("service_account", "imagecache-operator"),
        enabled=fields.flag("enabled", default=True),
        denied_actions=fields.texts("denied_actions"),
    )
    fields.done()
    return agency


def _parse_project(fields: Fields) -> ProjectSeed:
    project = ProjectSeed(
        id=fields.text("id"),
        name=fields.text("name"),
        clusters=fields.texts("clusters") if fields.raw("clusters") is not None else None,
    )
    fields.done()
    return project


def _check_unique(what: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise MalformedError(f"scenario: the {what} '{value}' is given twice.")
