"""The intent of a creation: written before the POST, closed after it, and resolved when its answer was lost.

The cloud has no tags and no idempotency key (cce-api section 1.3). What stands in for them: names are unique, the
fields that were asked for are kept as a hash, and the cloud tells when a cache was made.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import assert_never

from imagecache_operator.answers import CreateAnswer, Created, Lost, NotCreated, NotDone
from imagecache_operator.conditions import Reason, Verdict
from imagecache_operator.decision import Facts
from imagecache_operator.desired import made_of
from imagecache_operator.identity import Identity, identity_of
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.observation import Cache, CacheStatus
from imagecache_operator.status import Creation, CreationAnswer, ImageCacheStatus

ABSENCE_COUNTS_AFTER = 120.0
"""Seconds after a POST before a cache that is not there counts as one that was never made."""

CLOCK_SLACK = timedelta(minutes=15)
"""How far the cloud's clock may be behind ours: with more it would refuse signatures (cce-api section 6)."""


def new_intent(resource: ImageCache, hashed: str, now: datetime, *, failures: int) -> Creation:
    """The record of a creation that is about to be asked for; `failures`: builds that failed before it."""
    unique = hashlib.sha256(f"{resource.uid} {now.isoformat()}".encode()).hexdigest()[:16]
    return Creation(attempt_id=f"{unique}-{failures}", requested_at=now, spec_hash=hashed)


def with_failure(creation: Creation) -> Creation:
    """The record with one more build that failed."""
    unique = creation.attempt_id.partition("-")[0]
    return creation.model_copy(update={"attempt_id": f"{unique}-{failures_of(creation) + 1}"})


def failures_of(creation: Creation | None) -> int:
    """How many builds have failed and were replaced, this one included; the end of the attempt's id says so."""
    number = creation.attempt_id.rpartition("-")[2] if creation is not None else ""
    return int(number) if number.isdecimal() and len(number) < 4 else 0


def recorded(status: ImageCacheStatus, facts: Facts) -> ImageCacheStatus:
    """The status with the answer to the newest POST in it; recording twice changes nothing."""
    creation, answer = status.creation, facts.create_answer
    if answer is None or creation is None or creation.answer is not None:
        return status
    update: dict[str, object] = {"creation": creation.model_copy(update={"answer": _meaning(answer)})}
    if isinstance(answer, Created) and answer.cache_id is not None:
        # The cloud itself has just told of the cache, so this is a sighting; by whom, was written with the intent.
        update["image_cache_id"] = answer.cache_id
        if status.seen_by is None and facts.identity is not None:
            update["seen_by"] = facts.identity.to_status()
    if _meaning(answer) is CreationAnswer.REFUSED:
        update["seen_by"] = None
    return status.model_copy(update=update)


def _meaning(answer: CreateAnswer) -> CreationAnswer:
    match answer:
        case Created(cache_id):
            return CreationAnswer.LOST if cache_id is None else CreationAnswer.ACCEPTED
        case Lost():
            return CreationAnswer.LOST
        case NotCreated() | NotDone():
            return CreationAnswer.REFUSED
        case _:
            assert_never(answer)


def is_ours(cache: Cache, status: ImageCacheStatus, facts: Facts) -> bool:
    """Whether a cache that was found by its name came of the open intent; its id can be taken.

    One that is being deleted may be somebody's former one of that name: it is waited for.
    """
    return cache.status != CacheStatus.DELETING and may_be_ours(cache, status, facts)


def may_be_ours(cache: Cache, status: ImageCacheStatus, facts: Facts) -> bool:
    """Whether a cache that was found by its name has the fields of the open intent, and was not made before it."""
    creation = status.creation
    if creation is None or not is_younger(cache, status):
        return False
    return made_of(cache, creation.spec_hash, facts.default_cluster_id)


def is_younger(cache: Cache, status: ImageCacheStatus) -> bool:
    """Whether a cache was not made before the open intent, as far as can be told."""
    creation = status.creation
    if creation is None or not creation.open or is_former(cache, status):
        return False
    asked = creation.requested_at
    return cache.created_at is None or asked is None or cache.created_at >= asked - CLOCK_SLACK


def is_former(cache: Cache, status: ImageCacheStatus) -> bool:
    """Whether a stale look shows the cache that was replaced; when that was made is kept until another is found."""
    former = status.created_at if status.image_cache_id is None else None
    return former is not None and cache.created_at is not None and cache.created_at <= former


def closed(status: ImageCacheStatus, answer: CreationAnswer) -> ImageCacheStatus:
    """The status with the intent closed; where nothing came of it, nothing pins the location any more."""
    assert status.creation is not None
    update: dict[str, object] = {"creation": status.creation.model_copy(update={"answer": answer})}
    if answer is CreationAnswer.REFUSED:
        update["seen_by"] = None
    return status.model_copy(update=update)


def blind(status: ImageCacheStatus, identity: Identity) -> Verdict | None:
    """Why a look says nothing of an open creation: another identity asked for it. None when it does."""
    seen_by = status.seen_by
    if seen_by is None or identity.same_as(identity_of(seen_by)):
        return None
    return Verdict(
        Reason.NOT_FOUND,
        f"The answer to the POST by {identity_of(seen_by)} was lost, and what {identity} sees says nothing of it. "
        "Restore those credentials.",
    )
