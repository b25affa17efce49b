"""What `doctor` looks at in the cloud: credentials, endpoints, clock, account, and each permission by using it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import assert_never

import httpx

from imagecache_operator.answers import Accepted, DeleteAnswer, Gone, Lost, NotDone, Refused
from imagecache_operator.clock import Clock
from imagecache_operator.cloud.client import CloudClient, NotThere
from imagecache_operator.cloud.credentials import (
    AccessKey,
    Credentials,
    CredentialsError,
    CredentialsSource,
    UserPassword,
)
from imagecache_operator.cloud.credentials_source import source_from
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.cloud.hosts import EndpointError
from imagecache_operator.cloud.session import Session
from imagecache_operator.cloud.transport import open_client
from imagecache_operator.commands.access import Guard, guarded_client, sessions_for
from imagecache_operator.commands.findings import Finding, Outcome, judge_clock
from imagecache_operator.commands.reach import Reached, Unreached, reach
from imagecache_operator.observation import Cache, Trouble
from imagecache_operator.placement import Placement
from imagecache_operator.settings import Settings

NOBODYS_ID = "00000000-0000-0000-0000-000000000000"
"""Has the form of a cache's id, and is never given to one."""

_CREDENTIALS, _ACCOUNT = "credentials", "account"
_LIST, _GET, _DELETE = (f"permission {operation}" for operation in (Operation.LIST, Operation.GET, Operation.DELETE))
_CLOCK_OF_CLOUD = "the cloud"


async def look_at_cloud(settings: Settings, clock: Clock, *, try_delete: bool) -> AsyncIterator[Finding]:
    """The checks, in order; what needs credentials is left out after the first refusal."""
    source = source_from(settings)
    credentials, found = _credentials(source, settings)
    yield found
    async with AsyncExitStack() as stack:
        # Whatever answers a look without credentials says nothing of them, so this client has no guard.
        http = await stack.enter_async_context(open_client(settings.request_timeout))
        obstacle = None if credentials is not None else "there are no credentials to ask with."
        async for finding, hindering in _endpoints(settings, credentials, http, clock):
            yield finding
            if hindering and finding.outcome is Outcome.FAILED:
                obstacle = obstacle or f"{finding.check} comes first."
        region = _region(settings, credentials)
        if obstacle is None and region is None:
            obstacle = "no region is known."
        if obstacle is None and credentials is not None and region is not None:
            guard = Guard()
            guarded = await stack.enter_async_context(guarded_client(settings, guard))
            asked = _Asked(settings, source, credentials, region, guarded, guard, clock)
            async for finding in asked.findings(try_delete=try_delete):
                yield finding
            return
        for check in (_ACCOUNT, _LIST, _GET, _DELETE):
            yield Finding(check, Outcome.SKIPPED, obstacle or "")


def _credentials(source: CredentialsSource, settings: Settings) -> tuple[Credentials | None, Finding]:
    try:
        credentials = source.current()
    except CredentialsError as error:
        if settings.namespaced_credentials and settings.credentials_dir is None:
            told = "the operator has none of its own, and objects bring Secrets; try those with list --secret."
            return None, Finding(_CREDENTIALS, Outcome.SKIPPED, told)
        return None, Finding(_CREDENTIALS, Outcome.FAILED, str(error), "Put them where it says.")
    return credentials, Finding(_CREDENTIALS, Outcome.OK, credentials.who)


def _region(settings: Settings, credentials: Credentials | None) -> str | None:
    return (credentials.region if credentials is not None else None) or settings.region


async def _endpoints(
    settings: Settings, credentials: Credentials | None, http: httpx.AsyncClient, clock: Clock
) -> AsyncIterator[tuple[Finding, bool]]:
    """What was found, and whether it keeps the credentials from being tried where it has failed."""
    region = _region(settings, credentials)
    if region is None:
        told = "No default region is set, so every object must name one, and the cloud cannot be looked at here."
        yield Finding("region", Outcome.WARNING, told, "Set IMAGECACHE_REGION, or call this with --region."), True
        return
    endpoints = settings.endpoints
    if credentials is not None:
        endpoints = endpoints.overridden(
            region=credentials.region, cce=credentials.cce_endpoint, iam=credentials.iam_endpoint
        )
    project = credentials.project_id or settings.project_id if credentials is not None else None
    placed = project is not None and isinstance(credentials.secret if credentials else None, AccessKey)
    told_time = False
    for what, endpoint_in in (("CCE", endpoints.cce), ("IAM", endpoints.iam)):
        try:
            url = endpoint_in(region)
        except EndpointError as error:
            yield Finding(f"{what} endpoint", Outcome.FAILED, str(error), f"Set IMAGECACHE_{what}_ENDPOINT."), True
            continue
        reached = await reach(http, url, settings.request_timeout)
        match reached:
            case Unreached():
                # IAM tells no more than the account to a key whose project is set.
                outcome = Outcome.FAILED if what == "CCE" or not placed else Outcome.WARNING
                yield Finding(f"{what} endpoint", outcome, reached.told, reached.mend), True
            case Reached():
                yield Finding(f"{what} endpoint", Outcome.OK, f"{url} answers"), False
                if not told_time:
                    told_time = True
                    yield _clock(reached, credentials, clock), True
            case _:
                assert_never(reached)


def _clock(reached: Reached, credentials: Credentials | None, clock: Clock) -> Finding:
    finding = judge_clock(_CLOCK_OF_CLOUD, reached.date, clock.now())
    if finding.outcome is Outcome.FAILED and credentials and isinstance(credentials.secret, UserPassword):
        # Nothing is signed with a user and a password.
        return Finding(finding.check, Outcome.WARNING, finding.told, finding.mend)
    return finding


class _Asked:
    """The checks that use the credentials."""

    def __init__(
        self,
        settings: Settings,
        source: CredentialsSource,
        credentials: Credentials,
        region: str,
        http: httpx.AsyncClient,
        guard: Guard,
        clock: Clock,
    ) -> None:
        self._sessions = sessions_for(http, settings, source, clock)
        self._credentials = credentials
        self._guard = guard
        self._place = Placement(region, self._sessions.defaults(settings.defaults).project_id)

    async def findings(self, *, try_delete: bool) -> AsyncIterator[Finding]:
        """One check after the other, until the credentials are refused."""
        session = await self._sessions.open(self._place)
        refused = self._guard.trouble(self._credentials.who)
        if refused is not None or isinstance(session, Trouble):
            trouble = refused or session
            assert isinstance(trouble, Trouble)
            yield Finding(_ACCOUNT, Outcome.FAILED, trouble.message)
            for check in (_LIST, _GET, _DELETE):
                yield _not_asked(check) if refused else Finding(check, Outcome.SKIPPED, f"{_ACCOUNT} comes first.")
            return
        yield _account(session)
        async for finding in self._calls(session.client, try_delete=try_delete):
            yield finding

    async def _calls(self, client: CloudClient, *, try_delete: bool) -> AsyncIterator[Finding]:
        async def delete() -> Finding:
            if not try_delete:
                return Finding(_DELETE, Outcome.SKIPPED, "tried with --delete only, with an id that nobody has")
            return judge_delete(await client.delete(NOBODYS_ID))

        async def look(check: str) -> Finding:
            return judge_look(check, await (client.list() if check == _LIST else client.get(NOBODYS_ID)))

        for check, ask in ((_LIST, partial(look, _LIST)), (_GET, partial(look, _GET)), (_DELETE, delete)):
            if self._guard.shut():
                yield _not_asked(check)
                continue
            finding = await ask()
            refused = self._guard.trouble(self._credentials.who)
            yield finding if refused is None else Finding(check, Outcome.FAILED, refused.message)


def _not_asked(check: str) -> Finding:
    return Finding(check, Outcome.SKIPPED, "not asked: after some more refusals the cloud would lock the key.")


def _account(session: Session) -> Finding:
    identity = session.identity
    if identity.account_id is None:
        return Finding(
            _ACCOUNT,
            Outcome.WARNING,
            f"Project {identity.location.project_id}; neither IAM nor STS tells whose account it is.",
            "It works. But after a change of the key, deletions wait until the former one is back, unless the account "
            "can be told: let the operator reach IAM or STS.",
        )
    return Finding(_ACCOUNT, Outcome.OK, f"{identity.account_id}, project {identity.location.project_id}")


def judge_look(check: str, answer: tuple[Cache, ...] | Cache | NotThere | Trouble) -> Finding:
    """What an answer to LIST, or to GET of an id that nobody has, says of the permission."""
    match answer:
        case Trouble():
            return Finding(check, Outcome.FAILED, answer.message)
        case NotThere():
            return Finding(check, Outcome.OK, "an id that nobody has is not found, in CCE's own words")
        case Cache():
            told = f"The cloud shows a cache under {NOBODYS_ID}, an id that nobody has: it does not read ids."
            return Finding(check, Outcome.FAILED, told, "Check the endpoint, and what stands between it and here.")
        case tuple():
            return Finding(check, Outcome.OK, f"{len(answer)} caches")
        case _:
            assert_never(answer)


def judge_delete(answer: DeleteAnswer) -> Finding:
    """What an answer to DELETE of an id that nobody has says of the permission."""
    match answer:
        case Gone() | Accepted():
            return Finding(_DELETE, Outcome.OK, "asked for an id that nobody has")
        case Refused():
            return Finding(_DELETE, Outcome.OK, f"allowed, and refused for an id that nobody has ({answer.message})")
        case Lost():
            return Finding(_DELETE, Outcome.WARNING, f"It could not be told: {answer.message}", "Try again.")
        case NotDone():
            return Finding(_DELETE, Outcome.FAILED, answer.trouble.message)
        case _:
            assert_never(answer)
