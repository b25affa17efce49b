"""The control path: what a test, a benchmark or a demonstration sees and orders behind the API's back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from cce_simulator import delivery
from cce_simulator.agencies import Agencies
from cce_simulator.answers import Answer, json_answer
from cce_simulator.behaviours import parse_build_behaviour, parse_delete_behaviour
from cce_simulator.caches import CREATING, DELETING, Cache, CacheStore
from cce_simulator.clock import Clock
from cce_simulator.faults import Faults, parse_fault
from cce_simulator.identity import Directory
from cce_simulator.journal import Journal
from cce_simulator.parsing import Fields, MalformedError
from cce_simulator.report import Report
from cce_simulator.scenario import CacheSeed, parse_cache
from cce_simulator.settings import LiveSettings, parse_settings
from cce_simulator.throttle import Throttle

PREFIX = "/_control/"
# Gets the rest of the path (a cache id or a fault number), the body and the query.
Handler = Callable[[str, Any, dict[str, str]], Answer]


class Port(Protocol):
    """The listening socket, as far as the control path orders it about."""

    async def close_for(self, seconds: float, *, spared: object) -> None:
        """Refuse connections for a while and cut those that are open, but for one."""


class NotHereError(Exception):
    """The control path has no such thing; the text is the sentence for the answer."""


class Control:
    """Routes and carries out the control requests. No authentication: it listens where the simulator does."""

    def __init__(
        self,
        *,
        directory: Directory,
        agencies: Agencies,
        store: CacheStore,
        journal: Journal,
        faults: Faults,
        throttle: Throttle,
        live: LiveSettings,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._agencies = agencies
        self._store = store
        self._journal = journal
        self._faults = faults
        self._throttle = throttle
        self._live = live
        # Set by whoever listens.
        self.port: Port | None = None
        self._report = Report(directory, agencies, store, journal, faults, throttle, live, clock)
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "state"): self._state,
            ("GET", "calls"): self._calls,
            ("DELETE", "calls"): self._clear_calls,
            ("POST", "caches"): self._add_caches,
            ("DELETE", "caches"): self._drop_caches,
            ("GET", "caches/"): self._show_cache,
            ("PATCH", "caches/"): self._change_cache,
            ("DELETE", "caches/"): self._vanish_cache,
            ("GET", "settings"): self._show_settings,
            ("PATCH", "settings"): self._change_settings,
            ("GET", "faults"): self._show_faults,
            ("POST", "faults"): self._order_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("DELETE", "faults/"): self._clear_fault,
            ("POST", "pause-listening"): self._pause,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one control request; it is not logged and no fault hits it."""
        self._store.advance()
        text = await request.read()
        what, slash, name = request.path.removeprefix(PREFIX).partition("/")
        try:
            body = json.loads(text) if text else {}
            if (request.method, what + slash) == ("POST", "close-port"):
                return await self._close_port(request, body)
            route = self._routes.get((request.method, what + slash), _no_route)
            answer = route(request.path if route is _no_route else name, body, dict(request.query))
        except NotHereError as error:
            answer = json_answer(404, {"error": str(error)})
        except MalformedError as error:
            answer = json_answer(400, {"error": str(error)})
        except ValueError as error:
            answer = json_answer(400, {"error": f"The body is not JSON: {error}."})
        return delivery.whole(answer, "control")

    def _state(self, _name: str, _body: Any, query: dict[str, str]) -> Answer:
        return json_answer(200, self._report.state(with_caches=query.get("caches") != "no"))

    def _calls(self, _name: str, _body: Any, query: dict[str, str]) -> Answer:
        since = query.get("since", "0")
        if not since.isdecimal():
            raise MalformedError("'since' must be a sequence number.")
        body = {"calls": self._journal.since(int(since)), "total": self._journal.total}
        return json_answer(200, body)

    def _clear_calls(self, _name: str, _body: Any, _query: dict[str, str]) -> Answer:
        self._journal.clear()
        return Answer(204)

    def _add_caches(self, _name: str, body: Any, _query: dict[str, str]) -> Answer:
        """One cache, or {"caches": [...]}."""
        if isinstance(body, dict) and "caches" in body:
            fields = Fields(body, "body")
            seeds = [parse_cache(item) for item in fields.objects("caches")]
            fields.done()
        else:
            seeds = [parse_cache(Fields(body, "body"))]
        placed = [(seed, self._place(seed)) for seed in seeds]
        added = [self._store.add(seed, project) for seed, project in placed]
        return json_answer(201, {"caches": [self._report.cache(cache) for cache in added]})

    def _place(self, seed: CacheSeed) -> str:
        project = seed.project or self._directory.default_project.id
        if self._directory.project(project) is None:
            raise MalformedError(f"There is no project '{project}'.")
        if seed.id is not None and self._store.find(seed.id) is not None:
            raise MalformedError(f"There is a cache '{seed.id}' already.")
        return project

    def _drop_caches(self, _name: str, _body: Any, _query: dict[str, str]) -> Answer:
        for own in self._store.projects.values():
            for cache in list(own.by_id.values()):
                self._store.vanish(cache)
        return Answer(204)

    def _show_cache(self, name: str, _body: Any, _query: dict[str, str]) -> Answer:
        return json_answer(200, {"cache": self._report.cache(self._cache(name))})

    def _change_cache(self, name: str, body: Any, _query: dict[str, str]) -> Answer:
        cache, fields = self._cache(name), Fields(body, "body")
        status = fields.text("status", cache.status)
        message = fields.optional_text("message", cache.message if status == cache.status else None)
        in_use = fields.flag("in_use", cache.in_use)
        delete = (
            parse_delete_behaviour(Fields(fields.raw("delete_behaviour") or {}, "body.delete_behaviour"))
            if fields.has("delete_behaviour")
            else None
        )
        build = (
            parse_build_behaviour(Fields(fields.raw("build_behaviour") or {}, "body.build_behaviour"))
            if fields.has("build_behaviour")
            else None
        )
        fields.done()
        cache.in_use = in_use
        if delete is not None:
            cache.delete, cache.refusals, cache.reverts = delete, 0, 0
        if build is not None:
            cache.build = build
        if status != cache.status:
            self._store.set_status(cache, status, message)
        else:
            cache.message = message
            self._store.touch(cache)
            concerned = {DELETING: delete, CREATING: build}.get(status)
            if concerned is not None:
                self._store.reschedule(cache)
        return json_answer(200, {"cache": self._report.cache(cache)})

    def _vanish_cache(self, name: str, _body: Any, _query: dict[str, str]) -> Answer:
        self._store.vanish(self._cache(name))
        return Answer(204)

    def _cache(self, cache_id: str) -> Cache:
        cache = self._store.find(cache_id)
        if cache is None:
            raise NotHereError(f"There is no cache '{cache_id}'.")
        return cache

    def _show_settings(self, _name: str, _body: Any, _query: dict[str, str]) -> Answer:
        return json_answer(200, {"settings": self._live.now.as_json()})

    def _change_settings(self, _name: str, body: Any, _query: dict[str, str]) -> Answer:
        fields = Fields(body, "body")
        settings = parse_settings(fields, self._live.now)
        keys, users = fields.named_objects("access_keys"), fields.named_objects("users")
        agencies = fields.named_objects("agencies")
        expire = fields.flag("expire_temporary_keys", default=False)
        revoke = fields.flag("revoke_tokens", default=False)
        forget = fields.flag("forget_writes", default=False)
        fields.done()
        for name, changes in keys.items():
            self._directory.change_key(name, changes)
        for name, changes in users.items():
            self._directory.change_user(name, changes)
        for name, changes in agencies.items():
            self._agencies.change(name, changes)
        self._live.now = settings
        self._store.touch_all()
        if expire:
            self._agencies.expire_all()
        if revoke:
            self._directory.revoke_tokens()
        if forget:
            self._throttle.forget()
        return json_answer(200, {"settings": settings.as_json()})

    def _show_faults(self, _name: str, _body: Any, _query: dict[str, str]) -> Answer:
        return json_answer(200, {"faults": self._faults.as_json()})

    def _order_faults(self, _name: str, body: Any, _query: dict[str, str]) -> Answer:
        """One fault, or {"faults": [...]}."""
        if isinstance(body, dict) and "faults" in body:
            fields = Fields(body, "body")
            specs = [parse_fault(item) for item in fields.objects("faults")]
            fields.done()
        else:
            specs = [parse_fault(Fields(body, "body"))]
        return json_answer(201, {"ids": [self._faults.order(spec).number for spec in specs]})

    def _clear_faults(self, _name: str, _body: Any, _query: dict[str, str]) -> Answer:
        return json_answer(200, {"cleared": self._faults.clear()})

    def _clear_fault(self, name: str, _body: Any, _query: dict[str, str]) -> Answer:
        if not name.isdecimal() or not self._faults.clear(int(name)):
            raise NotHereError(f"There is no fault '{name}'.")
        return json_answer(200, {"cleared": 1})

    async def _close_port(self, request: web.BaseRequest, body: Any) -> web.StreamResponse:
        """Answer when the port is closed already; this connection is the only one left, and it ends with the answer."""
        fields = Fields(body, "body")
        seconds = fields.number("seconds", 1.0)
        fields.done()
        if self.port is None:
            raise NotHereError("This simulator does not listen on a port.")
        await self.port.close_for(seconds, spared=request.protocol)
        response = delivery.whole(json_answer(200, {"closed_for_seconds": seconds}), "control")
        response.force_close()
        return response

    def _pause(self, _name: str, body: Any, _query: dict[str, str]) -> Answer:
        fields = Fields(body, "body")
        seconds = fields.optional_number("seconds")
        fields.done()
        self._faults.pause(seconds)
        return json_answer(200, {"paused": self._faults.is_paused()})


def _no_route(path: str, _body: Any, _query: dict[str, str]) -> Answer:
    raise NotHereError(f"{path} with this method is not part of the control path.")
