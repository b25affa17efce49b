"""How commands reach the two sides: the API server, and the cloud with no more than one refused authentication.

More than five consecutive failures lock an access key for everybody who uses it (cce-api section 4.2), and people call
commands again and again while they look for a mistake. So after a first 401 nothing more goes out.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from imagecache_operator.clock import Clock
from imagecache_operator.cloud.credentials import CredentialsSource
from imagecache_operator.cloud.gate import Operation
from imagecache_operator.cloud.responses import CloudError, read_error, trouble_of
from imagecache_operator.cloud.session import Sessions
from imagecache_operator.cloud.transport import open_client
from imagecache_operator.commands.arguments import CommandError
from imagecache_operator.commands.reach import Unreached, reach
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError
from imagecache_operator.kubernetes_config import load_configuration
from imagecache_operator.observation import Trouble, TroubleKind
from imagecache_operator.settings import Settings

REACH_SECONDS = 5.0
"""For finding out why a cloud was not reached, which may have taken long enough already."""


@contextlib.asynccontextmanager
async def open_kubernetes() -> AsyncIterator[KubernetesClient]:
    """The API server. Raises KubernetesConfigError when none is configured."""
    kubernetes = KubernetesClient(await load_configuration())
    try:
        yield kubernetes
    finally:
        await kubernetes.close()


@dataclass
class Guard:
    """Stands between a command and the wire, and holds back whatever would follow a 401."""

    asked: httpx.URL | None = field(default=None, init=False)
    """What the newest request was for; None before the first."""

    _refused: CloudError | None = field(default=None, init=False)

    def shut(self) -> bool:
        """Whether the credentials were refused."""
        return self._refused is not None

    def trouble(self, who: str) -> Trouble | None:
        """What the refusal means; None while there was none."""
        return None if self._refused is None else trouble_of(self._refused, who=who, action="any call")

    async def before(self, request: httpx.Request) -> None:
        """Hold back whatever comes after a refusal."""
        if self._refused is not None:
            raise httpx.RequestError("not asked, since the credentials were refused", request=request)
        self.asked = request.url

    async def after(self, response: httpx.Response) -> None:
        """Look at each answer."""
        if response.status_code == 401:
            await response.aread()
            self._refused = read_error(response)


@contextlib.asynccontextmanager
async def guarded_client(settings: Settings, guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    """The client of calls to the cloud."""
    async with open_client(settings.request_timeout) as http:
        http.event_hooks = {"request": [guard.before], "response": [guard.after]}
        yield http


async def explain(trouble: Trouble, http: httpx.AsyncClient, guard: Guard) -> str:
    """What is wrong and what to do: where the cloud was not reached, at which step the way to it ends."""
    if trouble.kind is TroubleKind.CLOUD_UNAVAILABLE and guard.asked is not None:
        origin = f"{guard.asked.scheme}://{guard.asked.netloc.decode('ascii')}"
        reached = await reach(http, origin, REACH_SECONDS)
        if isinstance(reached, Unreached):
            return f"{reached.told} {reached.mend}"
    return trouble.message


def sessions_for(
    http: httpx.AsyncClient, settings: Settings, source: CredentialsSource, clock: Clock, *, trusted: bool = True
) -> Sessions:
    """Opens sessions with those credentials; `trusted`: they are the operator's own."""

    def unmeasured(_operation: Operation, _outcome: str, _seconds: float) -> None:
        """Nobody scrapes a command."""

    return Sessions(
        http,
        settings.endpoints,
        source,
        trusted=trusted,
        request_timeout=settings.request_timeout,
        clock=clock,
        meter=unmeasured,
    )


def no_objects(error: KubernetesError) -> CommandError:
    """Why the objects cannot be told."""
    match error.status:
        case None:
            return CommandError(f"The ImageCaches cannot be listed: {error}. Check KUBECONFIG and the network.")
        case 401:
            return CommandError(f"The API server does not know these credentials ({error}): renew the kubeconfig.")
        case 403:
            return CommandError(f"The API server does not allow to read ImageCaches ({error}): ask its administrator.")
        case 404:
            return CommandError(
                "The CustomResourceDefinition imagecaches.cce.huaweicloud.com is not installed: apply the output of "
                "`imagecache-operator crd`."
            )
        case _:
            return CommandError(f"The ImageCaches cannot be listed: {error}")
