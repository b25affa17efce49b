"""The status of an ImageCache: what the operator knows, enough to go on from after a restart."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from imagecache_operator.model import Model, Time
from imagecache_operator.names import RECONCILE_ANNOTATION, RECREATE_ANNOTATION


class Condition(Model):
    """One aspect of the state, as in the Kubernetes API conventions."""

    type: str = Field(description="Ready, Reconciling or Stalled.", max_length=316)
    status: str = Field(description="True, False or Unknown.", json_schema_extra={"enum": ["True", "False", "Unknown"]})
    observed_generation: int = Field(description="The metadata.generation that this condition was set for.", ge=0)
    last_transition_time: Time = Field(description="When the status of this condition last changed.")
    reason: str = Field(description="Why, as one word for programs.", max_length=1024)
    message: str = Field(description="Why, and what to do, as a sentence for people.", max_length=32768)


class SeenBy(Model):
    """Who saw the cache last: an absence counts only for the same identity."""

    endpoint: str = Field(description="Base URL of the CCE endpoint.", max_length=2048)
    region: str = Field(description="Region.", max_length=63)
    project_id: str = Field(alias="projectID", description="Project.", max_length=64)
    account_id: str | None = Field(
        default=None,
        alias="accountID",
        description="IAM domain id, when it can be told.",
        max_length=64,
    )
    credential: str = Field(
        description="Fingerprint of the access key id or user, or the name of the agency of temporary keys.",
        max_length=256,
    )


class CreationAnswer(StrEnum):
    """What is known of a creation that was asked for."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    LOST = "Lost"


class Creation(Model):
    """The newest request to create the cache: written before the POST, closed after it."""

    attempt_id: str = Field(alias="attemptID", description="Unique id of this attempt.", max_length=64)
    requested_at: Time = Field(description="When it was asked for; written before the POST.")
    spec_hash: str = Field(description="Hash of the cloud fields of the spec at that time.", max_length=128)
    answer: CreationAnswer | None = Field(
        default=None,
        description="Accepted, Refused or Lost; absent while the answer is awaited.",
    )

    @property
    def open(self) -> bool:
        """Whether it may have made a cache whose id is not known; also after a 2xx that did not tell the id."""
        return self.answer in {None, CreationAnswer.LOST}


class DeletionAnswer(StrEnum):
    """What the cloud said to a DELETE; none of it proves that the cache is gone."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    NOT_FOUND = "NotFound"
    LOST = "Lost"


class Deletion(Model):
    """The deletion in the cloud, so that a restart goes on polling and does not ask twice."""

    requested_at: Time = Field(default=None, description="When the last DELETE was asked for; written before it.")
    answer: DeletionAnswer | None = Field(
        default=None,
        description="Accepted, Refused, NotFound or Lost; absent while the answer is awaited.",
    )
    accepted_at: Time = Field(default=None, description="When the cloud accepted it.")
    seen_deleting_at: Time = Field(default=None, description="When the cloud first said Deleting after that.")
    request_id: str | None = Field(
        default=None,
        alias="requestID",
        description="The cloud's id of the last DELETE request.",
        max_length=256,
    )
    attempts: int = Field(default=0, description="How many DELETE requests may have been carried out.", ge=0)
    last_error: str | None = Field(
        default=None,
        description="Why the last DELETE was not accepted, in the cloud's words.",
        max_length=2048,
    )


class ImageCacheStatus(Model):
    """What the operator knows."""

    observed_generation: int = Field(
        default=-1,
        description="The metadata.generation that this status is about; -1 before the first look.",
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="Ready (always), then at most one of Reconciling (progress is expected) and Stalled (a person "
        "must act, or it takes far too long).",
        max_length=8,
    )
    image_cache_id: str | None = Field(
        default=None,
        alias="imageCacheID",
        description="Id of the cloud cache that this object stands for.",
        max_length=36,
    )
    name: str | None = Field(default=None, description="Name of that cache in the cloud.", max_length=128)
    seen_by: SeenBy | None = Field(default=None, description="Who saw the cache last.")
    cache_status: str | None = Field(
        default=None,
        description="The cloud's own word: Creating, Available, Unavailable, Failed or Deleting; an unknown word "
        "is shown as it is.",
        max_length=64,
    )
    cache_message: str | None = Field(
        default=None, description="The cloud's own message, at most 1 KiB.", max_length=1024
    )
    created_at: Time = Field(default=None, description="When the cloud made the cache, when it can be told.")
    expires_at: Time = Field(default=None, description="When the retention ends, when it can be told.")
    creation: Creation | None = Field(default=None, description="The newest request to create the cache.")
    deletion: Deletion | None = Field(default=None, description="The deletion in the cloud.")
    last_handled_reconcile_at: str | None = Field(
        default=None,
        description=f"Echo of the annotation {RECONCILE_ANNOTATION}.",
        max_length=256,
    )
    last_handled_recreate_at: str | None = Field(
        default=None,
        description=f"Echo of the annotation {RECREATE_ANNOTATION}.",
        max_length=256,
    )

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, or None when it is not there."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def to_json(self) -> dict[str, Any]:
        """As the API server holds it; fields without a value are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
