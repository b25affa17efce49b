"""The four image-cache calls (sections 1 to 3)."""

from __future__ import annotations

import dataclasses
import random

from cce_simulator import documents, errors
from cce_simulator.answers import Answer, RefusedError, dump, raw_json_answer
from cce_simulator.behaviours import Refusal
from cce_simulator.caches import CREATING, DELETING, Cache, CacheStore, ProjectCaches
from cce_simulator.clock import Clock
from cce_simulator.creation import is_name, read_creation
from cce_simulator.gate import Caller
from cce_simulator.incoming import Incoming
from cce_simulator.journal import Call
from cce_simulator.scenario import ProjectSeed
from cce_simulator.settings import LiveSettings
from cce_simulator.switches import Switches


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """How a read looks at the caches; the default is the truth."""

    # Monotonic time of the state to show; None: now.
    at: float | None = None
    # Ids that a list leaves out though they are there.
    without: frozenset[str] = frozenset()


TRUTH = View()


class ImageCacheApi:
    """The backend behind the gateway."""

    def __init__(self, store: CacheStore, clock: Clock, live: LiveSettings) -> None:
        self._store = store
        self._clock = clock
        self._live = live
        self._lists: dict[str, tuple[int, Switches, bytes]] = {}

    def answer(self, incoming: Incoming, caller: Caller, call: Call, view: View) -> Answer:
        """Do what is asked. Raises RefusedError when it cannot be done."""
        project = caller.project
        if project is None:
            message = "The token must be scoped to a project."
            raise RefusedError(errors.gateway(403, errors.PROJECT_UNAVAILABLE, message))
        own = self._store.projects[project.id]
        cache_id = incoming.cache_id or ""
        match incoming.operation:
            case "CreateImageCache":
                return self._create(incoming, caller, project, call)
            case "ListImageCaches":
                return self._list(incoming, own, project, view)
            case "ShowImageCache":
                return self._show(own, cache_id, view)
            case _:
                return self._delete(own, cache_id, call)

    def _create(self, incoming: Incoming, caller: Caller, project: ProjectSeed, call: Call) -> Answer:
        switches = self._live.now.switches
        seed = read_creation(incoming, project, switches)
        self._check_name(seed.name, self._store.projects[project.id])
        self._check_quota(caller, project)
        cache = self._store.add(seed, project.id)
        call.work_done, call.cache_id = True, cache.id
        if switches.create_body == "empty":
            return Answer(switches.create_code)
        detail = documents.document(cache, switches, status=cache.status, message=cache.message)
        if switches.create_body == "without_id":
            del detail["id"]
        return raw_json_answer(switches.create_code, documents.one(dump(detail)))

    def _check_name(self, name: str, own: ProjectCaches) -> None:
        switches = self._live.now.switches
        taken = own.by_name.get(name, [])
        if switches.name_reuse == "allowed":
            taken = [cache for cache in taken if cache.status != DELETING]
        if taken:
            code = errors.DUPLICATE if switches.duplicate_name == 409 else errors.BAD_REQUEST
            raise RefusedError(errors.cce(switches.duplicate_name, code, f"The image cache {name} already exists."))

    def _check_quota(self, caller: Caller, project: ProjectSeed) -> None:
        settings = self._live.now
        ids = [project.id]
        if settings.switches.quota_scope == "account":
            ids = [each.id for each in caller.account.projects]
        if settings.quota and sum(len(self._store.projects[each].by_id) for each in ids) >= settings.quota:
            # No code for this quota is known; these are the nearest of section 4.2.
            code = "CCE.01400007" if settings.switches.quota_answer == 400 else errors.FORBIDDEN
            message = f"The quota of {settings.quota} image caches is used up."
            raise RefusedError(errors.cce(settings.switches.quota_answer, code, message))

    def _list(self, incoming: Incoming, own: ProjectCaches, project: ProjectSeed, view: View) -> Answer:
        switches = self._live.now.switches
        name = incoming.parameter("name")
        if name is not None and not is_name(name):
            raise RefusedError(errors.cce(400, errors.BAD_REQUEST, "Invalid request: name."))
        if view.at is not None:
            return raw_json_answer(200, self._past_list(own, view.at, name))
        if name is not None or view.without or switches.list_order == "random":
            caches = own.by_id.values() if name is None else own.by_name.get(name, [])
            shown = [cache for cache in caches if cache.id not in view.without]
            return raw_json_answer(200, self._render(shown))
        known = self._lists.get(project.id)
        # `is`: switches are replaced as a whole, and comparing all of them would cost more than it tells.
        if known is None or known[0] != own.version or known[1] is not switches:
            known = (own.version, switches, self._render(list(own.by_id.values())))
            self._lists[project.id] = known
        return raw_json_answer(200, known[2])

    def _render(self, caches: list[Cache]) -> bytes:
        switches = self._live.now.switches
        if switches.list_deleting == "no":
            caches = [cache for cache in caches if cache.status != DELETING]
        _order(caches, switches)
        return documents.many([documents.rendered(cache, switches) for cache in caches], switches)

    def _past_list(self, own: ProjectCaches, at: float, name: str | None) -> bytes:
        switches = self._live.now.switches
        caches = [cache for cache in (*own.gone, *own.by_id.values()) if name in {None, cache.name}]
        _order(caches, switches)
        hidden = DELETING if switches.list_deleting == "no" else None
        details = [self._past(cache, at, hidden) for cache in caches]
        return documents.many([detail for detail in details if detail is not None], switches)

    def _past(self, cache: Cache, at: float, hidden: str | None = None) -> bytes | None:
        switches = self._live.now.switches
        moment = cache.status_at(at)
        if moment is None or moment.status is None or moment.status == hidden:
            return None
        return dump(documents.document(cache, switches, status=moment.status, message=moment.message))

    def _show(self, own: ProjectCaches, cache_id: str, view: View) -> Answer:
        if view.at is not None:
            known = [cache for cache in (*own.gone, *own.by_id.values()) if cache.id == cache_id]
            past = [detail for detail in (self._past(cache, view.at) for cache in known) if detail is not None]
            return raw_json_answer(200, documents.one(past[-1])) if past else self._not_found(cache_id)
        cache = own.by_id.get(cache_id)
        if cache is None:
            return self._not_found(cache_id)
        return raw_json_answer(200, documents.one(documents.rendered(cache, self._live.now.switches)))

    def _delete(self, own: ProjectCaches, cache_id: str, call: Call) -> Answer:
        switches = self._live.now.switches
        cache = own.by_id.get(cache_id)
        if cache is None:
            return Answer(204) if switches.delete_unknown == 204 else self._not_found(cache_id)
        refusal = self._store.take_refusal(cache)
        if refusal is not None:
            return _refused(refusal, cache)
        if cache.status == DELETING:
            return self._delete_again(cache)
        if cache.status == CREATING and switches.delete_creating != "accepted":
            return _refused(Refusal(status=switches.delete_creating), cache)
        if cache.in_use and switches.delete_in_use != "accepted":
            return _refused(Refusal(status=switches.delete_in_use, message="The image cache is in use."), cache)
        self._store.delete(cache)
        call.work_done = True
        if switches.delete_answer == "204":
            self._store.vanish(cache)
        if switches.delete_answer != "202":
            return Answer(204)
        return raw_json_answer(202, documents.one(documents.rendered(cache, switches)))

    def _delete_again(self, cache: Cache) -> Answer:
        switches = self._live.now.switches
        match switches.delete_deleting:
            case 202:
                return raw_json_answer(202, documents.one(documents.rendered(cache, switches)))
            case 204:
                return Answer(204)
            case 404:
                return self._not_found(cache.id)
            case 409:
                return _refused(Refusal(status=409, message="The image cache is being deleted."), cache)
            case 429:
                message = "The resource is locked by another request."
                return errors.cce(429, errors.LOCKED, message)

    def _not_found(self, cache_id: str) -> Answer:
        switches = self._live.now.switches
        message = f"Resource not found: image cache {cache_id} does not exist."
        return errors.error(404, switches.not_found_shape, code=switches.not_found_code, message=message)


def _refused(refusal: Refusal, cache: Cache) -> Answer:
    code = refusal.code or errors.code_for(refusal.status, "errorCode")
    message = refusal.message or f"The image cache cannot be deleted in status {cache.status}."
    return errors.cce(refusal.status, code, message)


def _order(caches: list[Cache], switches: Switches) -> None:
    """Sort in place; the store's own order is that of creation."""
    match switches.list_order:
        case "created":
            pass
        case "newest_first":
            caches.reverse()
        case "name":
            caches.sort(key=lambda cache: cache.name)
        case "random":
            random.shuffle(caches)
