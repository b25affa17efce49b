"""All parts put together: one handler for every request of the port."""

from __future__ import annotations

import json
from email.utils import formatdate

from aiohttp import web

from cce_simulator import delivery, errors, sts
from cce_simulator.agencies import Agencies
from cce_simulator.answers import JSON_TYPE, Answer, RefusedError
from cce_simulator.api import TRUTH, ImageCacheApi, View
from cce_simulator.caches import CacheStore
from cce_simulator.clock import Clock
from cce_simulator.control import PREFIX, Control
from cce_simulator.faults import Faults, FaultSpec
from cce_simulator.gate import Gate
from cce_simulator.iam import Iam
from cce_simulator.identity import Directory
from cce_simulator.incoming import CACHES_PATH, UNKNOWN_OPERATION, WRITES, Incoming, read_incoming
from cce_simulator.journal import Call, Journal
from cce_simulator.scenario import Scenario
from cce_simulator.settings import LiveSettings
from cce_simulator.sts import Sts
from cce_simulator.throttle import Throttle


class Simulator:
    """The cloud's side of the conversation."""

    def __init__(self, scenario: Scenario, clock: Clock) -> None:
        self.clock = clock
        self.live = LiveSettings(scenario.settings)
        self.directory = Directory(scenario.accounts, clock, self.live)
        self.agencies = Agencies(scenario.accounts, clock, self.live)
        self.store = CacheStore(clock, self.live, [project.id for _, project in self.directory.projects()])
        for seed in scenario.caches:
            self.store.add(seed, seed.project or self.directory.default_project.id)
        self.journal = Journal(clock)
        self.faults = Faults(clock)
        for fault in scenario.faults:
            self.faults.order(fault)
        self.throttle = Throttle(clock, self.live)
        self._gate = Gate(self.directory, self.agencies, clock, self.live)
        self._iam = Iam(self.directory, clock)
        self._sts = Sts(self.agencies)
        self._api = ImageCacheApi(self.store, clock, self.live)
        self.control = Control(
            directory=self.directory,
            agencies=self.agencies,
            store=self.store,
            journal=self.journal,
            faults=self.faults,
            throttle=self.throttle,
            live=self.live,
            clock=clock,
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request: the control path, or an API call that is logged."""
        if request.raw_path.startswith(PREFIX):
            return await self.control.handle(request)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            # Section 4.2: 413 is the gateway's.
            return self._dated(
                delivery.whole(errors.gateway(413, errors.TOO_LARGE, "Request entity too large."), "none")
            )
        incoming = read_incoming(request.method, request.raw_path, request.headers, body)
        self.store.advance()
        call = self.journal.open(incoming)
        call.credential = self._gate.claimed(incoming)
        call.project = incoming.headers.get("X-Project-Id")
        if incoming.cache_id is not None:
            cache = self.store.find(incoming.cache_id)
            call.cache_status = cache.status if cache else "absent"
        try:
            return self._dated(await self._serve(request, incoming, call))
        finally:
            self.journal.close(call)

    def _dated(self, response: web.StreamResponse) -> web.StreamResponse:
        """With the time by which signatures are judged; aiohttp would tell the machine's."""
        if not response.prepared:
            response.headers["Date"] = formatdate(self.clock.wall(), usegmt=True)
        return response

    async def _serve(self, request: web.BaseRequest, incoming: Incoming, call: Call) -> web.StreamResponse:
        if self.faults.is_paused():
            call.fault = "paused"
            return delivery.cut(request)
        spec = self.faults.pick(call)
        if spec is None:
            return _send(self._work(incoming, call, TRUTH), call)
        call.fault = spec.kind
        return await self._serve_with(spec, request, incoming, call)

    async def _serve_with(
        self, spec: FaultSpec, request: web.BaseRequest, incoming: Incoming, call: Call
    ) -> web.StreamResponse:
        if spec.kind == "slow" and spec.when == "before":
            await self.clock.sleep(spec.seconds)
            # Time has passed since the arrival.
            self.store.advance()
        works = spec.work or spec.kind in {"slow", "lost_answer", "truncated", "stale_reads", "stale_list_drop"}
        true_answer = self._work(incoming, call, self._view(spec)) if works else None
        if spec.kind == "slow" and spec.when == "after":
            await self.clock.sleep(spec.seconds)
        match spec.kind:
            case "lost_answer" | "refused":
                return delivery.cut(request)
            case "hang":
                return await delivery.held(request, spec.seconds)
        answer = delivery.instead(spec) or true_answer
        assert answer is not None
        if spec.kind != "truncated":
            return _send(answer, call)
        if spec.cut == "content":
            half = answer.body[: len(answer.body) // 2]
            return _send(Answer(answer.status, half, answer.content_type, answer.headers), call)
        call.status = answer.status
        return await delivery.truncated(request, answer, call.request_id)

    def _view(self, spec: FaultSpec) -> View:
        match spec.kind:
            case "stale_reads":
                return View(at=self.clock.monotonic() - spec.seconds)
            case "stale_list_drop":
                return View(without=frozenset(spec.ids))
            case _:
                return TRUTH

    def _work(self, incoming: Incoming, call: Call, view: View) -> Answer:
        """What the cloud does, all refusals included."""
        if incoming.operation == UNKNOWN_OPERATION:
            return errors.not_published()
        try:
            if incoming.operation == "CreateToken":
                return self._iam.create_token(incoming, call)
            if incoming.operation in sts.OPERATIONS:
                return self._sts.answer(incoming, call)
            caller = self._gate.admit(incoming)
            call.project = caller.project.id if caller.project else None
            is_cache_call = incoming.path.startswith(CACHES_PATH)
            if is_cache_call and caller.project:
                admit = self.throttle.admit_write if incoming.operation in WRITES else self.throttle.admit_read
                admit(caller.project.id)
            self._gate.authorize(caller, incoming.operation)
            if is_cache_call:
                return self._api.answer(incoming, caller, call, view)
            return self._iam.look_up(incoming, caller, call)
        except RefusedError as refused:
            return refused.answer


def _send(answer: Answer, call: Call) -> web.Response:
    call.status = answer.status
    if answer.status >= 400 and answer.content_type == JSON_TYPE:
        call.error_code = _code_in(answer.body)
    return delivery.whole(answer, call.request_id)


def _code_in(body: bytes) -> str | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    code = value.get("error_code", value.get("errorCode")) if isinstance(value, dict) else None
    return code if isinstance(code, str) else None
