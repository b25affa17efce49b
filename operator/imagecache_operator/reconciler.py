"""reconcile(key): gather what is known, decide, act. Level-triggered: it never matters what woke the key.

A pass never waits for the cloud or for the limiter: calls in flight are tracked, and whatever ends marks the key due.
So `Retain`, set while a call hangs or a queue is minutes long, acts at once.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, assert_never

from imagecache_operator.accounts import Accounts
from imagecache_operator.calls import CloudCalls
from imagecache_operator.clock import Clock
from imagecache_operator.conditions import READY
from imagecache_operator.crd_state import CrdReader
from imagecache_operator.decide import decide
from imagecache_operator.decision import (
    AddFinalizer,
    AwaitRoom,
    Confirm,
    Crd,
    Decision,
    Note,
    Nothing,
    Outcome,
    Policy,
    QueueWrite,
    ReadCrd,
    Release,
    RequestCreation,
    RequestDeletion,
)
from imagecache_operator.events import Events
from imagecache_operator.gathering import Gatherer, View
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.kubernetes_client import ConflictError, KubernetesClient, NotFoundError
from imagecache_operator.ledger import Ledger
from imagecache_operator.metrics import Metrics
from imagecache_operator.objects import Objects
from imagecache_operator.patches import finalizer_added, finalizer_removed, status_patch
from imagecache_operator.status import ImageCacheStatus
from imagecache_operator.tracking import Tracked
from imagecache_operator.turns import Turns
from imagecache_operator.workqueue import WorkQueue

CRD_RETRY = 2.0
"""Seconds before an unreadable CRD is read again."""

DELETIONS_FIRST, THEN_CREATIONS = 0, 1
"""Priorities with the write limiter."""

TELLERS_MAX = 2
"""Writes in flight that only tell something, so that intents and finalizers go first in a crowd."""

TELL_RETRY = 1.0
"""Seconds, at least, before an object that waits for its turn to tell is looked at for another reason."""

logger = logging.getLogger(__name__)


class Reconciler:
    """Moves each object on.

    Args:
        kubernetes: the API server.
        accounts: who looks at the cloud for which object.
        crd: reads the CRD.
        events: takes notes for `kubectl describe`.
        ledger: takes down which caches stay.
        metrics: counts.
        clock: where time comes from.
        policy: settings that decisions depend on.
    """

    def __init__(
        self,
        *,
        kubernetes: KubernetesClient,
        accounts: Accounts,
        crd: CrdReader,
        events: Events,
        ledger: Ledger,
        metrics: Metrics,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._kubernetes = kubernetes
        self._accounts = accounts
        self._crd = crd
        self._events = events
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._policy = policy
        self.queue = WorkQueue(self.reconcile)
        self._turns = Turns(TELLERS_MAX, self.queue.mark_due)
        self.objects = Objects(accounts, ledger, self.queue, self._turns, clock)
        self.store = self.objects.store
        self._gatherer = Gatherer(accounts, self.store, self.objects.tracked, clock)
        self._calls = CloudCalls(self.store, clock, self.queue.mark_due)
        accounts.connect(on_look=self.objects.on_look, wake=self.queue.mark_due)

    # --- one pass

    async def reconcile(self, key: Key) -> float | None:
        """One pass; returns after how many seconds to come back."""
        resource, tracked = self.store.get(key), self.objects.tracked.get(key)
        if resource is None or tracked is None:
            return None
        started = self._clock.monotonic()
        result = "error"
        try:
            view = self._look(resource, tracked)
            decision = self._decide(view)
            if isinstance(decision.action, QueueWrite) and self._ask_for_slot(view):
                # The slot was free: decide again with it, so that waiting is shown only where somebody waits.
                view = self._look(resource, tracked)
                decision = self._decide(view)
            if isinstance(decision.action, ReadCrd):
                await self._read_crd(tracked)
                requeue_after: float | None = 0.0
                if tracked.crd is Crd.UNREADABLE:
                    requeue_after = await self._show_unreadable_crd(key, tracked)
            else:
                requeue_after = await self._act(view, decision)
            result = "success"
        except ConflictError:
            await self._refresh(key, tracked)
            if self.store.get(key) is resource:
                # Nothing new explains it, so trying again at once would go on for ever.
                raise
            result = "conflict"
            requeue_after = 0.0
        except NotFoundError:
            result = "success"
            self._gone(key, tracked)
            requeue_after = None
        finally:
            if result == "error":
                tracked.stand_back(key)
            self._turns.give_back(key)
            self._metrics.pass_done(result, self._clock.monotonic() - started)
        return requeue_after

    def _look(self, resource: ImageCache, tracked: Tracked) -> View:
        tracked.join(resource, self._accounts)
        return self._gatherer.gather(resource, tracked)

    def _decide(self, view: View) -> Decision:
        return decide(view.resource, view.observation, view.facts, self._clock.now(), self._policy)

    async def _show_unreadable_crd(self, key: Key, tracked: Tracked) -> float:
        """Tell that the CRD could not be read, then try again."""
        resource = self.store.get(key)
        if resource is not None:
            view = self._look(resource, tracked)
            decision = self._decide(view)
            if isinstance(decision.action, ReadCrd):
                await self._write_status(view, decision.status)
        return CRD_RETRY

    def _ask_for_slot(self, view: View) -> bool:
        resource, limiter = view.resource, view.tracked.limiter
        assert limiter is not None
        if resource.wants_cache:
            return limiter.request(resource.key, (THEN_CREATIONS, resource.created_at))
        # The old cache of a replacement goes after all objects that are being deleted.
        return limiter.request(resource.key, (DELETIONS_FIRST, resource.deleted_at or datetime.max.replace(tzinfo=UTC)))

    # --- act

    async def _act(self, view: View, decision: Decision) -> float | None:
        key, tracked, action = view.resource.key, view.tracked, decision.action
        self._attend(view, decision)
        match action:
            case AddFinalizer():
                self._keep(await self._kubernetes.patch_object(key, finalizer_added(view.resource)))
                return 0.0
            case Release():
                await self._release(view, action)
                return None
            case RequestDeletion():
                await self._write_status(view, decision.status)
                self._calls.delete(key, tracked, action.cache_id)
            case RequestCreation():
                tracked.claiming = True
                try:
                    await self._write_status(view, decision.status)
                finally:
                    tracked.claiming = False
                self._calls.create(key, tracked, action.desired)
            case Confirm():
                self._calls.get(key, tracked, action.cache_id)
                return await self._tell(view, decision)
            case Nothing() | QueueWrite() | AwaitRoom() | ReadCrd():
                return await self._tell(view, decision)
            case _:
                assert_never(action)
        return decision.requeue_after

    async def _tell(self, view: View, decision: Decision) -> float | None:
        """Write a status on which nothing depends, in its turn; what is learnt until then is told with it."""
        tracked = view.tracked
        if decision.status != view.resource.status and not tracked.ghost:
            if (pause := tracked.may_tell_in(self._clock.monotonic())) > 0:
                return pause
            if not self._turns.take(view.resource.key):
                return None if decision.requeue_after is None else max(decision.requeue_after, TELL_RETRY)
            tracked.tells.append(self._clock.monotonic())
        await self._write_status(view, decision.status)
        for note in decision.notes:
            self._announce(view, note)
        return decision.requeue_after

    def _attend(self, view: View, decision: Decision) -> None:
        """Tell account and limiter what this object waits for."""
        key, tracked = view.resource.key, view.tracked
        if tracked.limiter is not None and not decision.wants_slot:
            tracked.limiter.withdraw(key)
        if tracked.quota is not None and not decision.wants_room:
            tracked.quota.withdraw(key)
        if tracked.account is None:
            return
        tracked.account.set_moving(key, decision.in_motion)
        if decision.awaits_list:
            self.objects.expect(key, tracked.account)
        if decision.hurries_list:
            tracked.account.nudge(tracked.first_look_after)

    def _keep(self, body: dict[str, Any]) -> ImageCache:
        """The object as a patch left it."""
        resource = ImageCache.parse(body)
        self.objects.note(resource)
        return resource

    async def _write_status(self, view: View, status: ImageCacheStatus) -> None:
        """Write what differs, in one patch that fails when the object is not the one that was decided on."""
        resource, tracked = view.resource, view.tracked
        patch = status_patch(resource, status)
        if patch is not None:
            if tracked.ghost:
                self.objects.note(resource.with_status(status))
                tracked.deletion.answer = None
                return
            self._keep(await self._kubernetes.patch_status(resource.key, patch))
            tracked.deletion.told(view.facts.answer)
            tracked.creation.told(view.facts.create_answer)
            before, after = resource.status.condition(READY), status.condition(READY)
            if after is not None and (before is None or before.reason != after.reason):
                stalled = status.condition("Stalled") is not None
                self._announce(view, Note(after.reason, after.message, warning=stalled))

    def _announce(self, view: View, note: Note, **about: str) -> None:
        """An Event, and the same as a line of the log."""
        resource, account = view.resource, view.tracked.account
        self._events.post(resource, note)
        logger.log(
            logging.WARNING if note.warning else logging.INFO,
            "%s",
            note.message,
            extra={
                "object": str(resource.key),
                "cache_id": resource.cache_id,
                "account": account.label if account is not None else None,
                "reason": str(note.reason),
                **about,
            },
        )

    async def _release(self, view: View, release: Release) -> None:
        resource = view.resource
        # Asked now, because what was looked up for an object goes with it, and the watch may tell of its end first.
        proven = view.tracked.account.proven_at(resource.cache_id) if view.tracked.account is not None else None
        body: dict[str, Any] = {}
        if not view.tracked.ghost:
            # The watch may tell of the object's end before the answer to the patch does.
            view.tracked.releasing = True
            try:
                body = await self._kubernetes.patch_object(resource.key, finalizer_removed(resource))
            finally:
                view.tracked.releasing = False
        lag = None if proven is None else self._clock.monotonic() - proven
        assert resource.deleted_at is not None
        if release.outcome is Outcome.RETAINED:
            self._ledger.note(resource, release.note.message, release.cache_id)
        self._metrics.released(release.outcome, (self._clock.now() - resource.deleted_at).total_seconds(), lag)
        self._announce(view, release.note, outcome=release.outcome.value)
        if (body.get("metadata") or {}).get("finalizers"):
            self._keep(body)
        else:
            # The answer to the patch that took the last finalizer is the object's end; no event need tell it.
            self.objects.remove(resource.key, resource.uid, released=True)

    async def _refresh(self, key: Key, tracked: Tracked) -> None:
        try:
            self.objects.upsert(await self._kubernetes.get_object(key))
        except NotFoundError:
            self._gone(key, tracked)

    def _gone(self, key: Key, tracked: Tracked) -> None:
        """The API server has no such object; what the watch has put in its place meanwhile stays."""
        if self.objects.tracked.get(key) is tracked:
            self.objects.remove(key, tracked.uid)

    async def _read_crd(self, tracked: Tracked) -> None:
        assert tracked.deletion_seen is not None
        # What was read for others a moment ago serves, too; what this object was told already does not.
        tracked.crd = await self._crd.read(max(tracked.deletion_seen, tracked.crd_read))
        tracked.crd_read = self._clock.monotonic()

    async def stop(self, grace: float) -> None:
        """Let passes end, and give calls to the cloud that are on their way the rest of `grace` seconds."""
        deadline = self._clock.monotonic() + grace
        await self.queue.stop(grace)
        await self._calls.stop(max(deadline - self._clock.monotonic(), 0.1))
