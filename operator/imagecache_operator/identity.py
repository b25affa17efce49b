"""Who looks at the cloud, and where: an absence proves something only to the identity that saw the presence.

See `docs/architecture.md`, "What proves that a cache is gone".
"""

from __future__ import annotations

from dataclasses import dataclass

from imagecache_operator.status import SeenBy


@dataclass(frozen=True, slots=True)
class Location:
    """Where caches live: they are known by id and by name only within it."""

    endpoint: str
    region: str
    project_id: str

    def __str__(self) -> str:
        return f"{self.endpoint} (region {self.region}, project {self.project_id})"


@dataclass(frozen=True, slots=True)
class Identity:
    """A location, and the account and credential with which it is looked at.

    `account_id` is the IAM domain id, None when it cannot be told; `credential` is a fingerprint, never a secret.
    """

    location: Location
    account_id: str | None
    credential: str

    def __str__(self) -> str:
        account = f"account {self.account_id}" if self.account_id else "an account that could not be told"
        return f"credential {self.credential} of {account} at {self.location}"

    def same_as(self, other: Identity) -> bool:
        """Whether both see the same caches: same account, or where that cannot be told, same credential."""
        if self.location != other.location:
            return False
        if self.account_id is None or other.account_id is None:
            return self.credential == other.credential
        return self.account_id == other.account_id

    def to_status(self, former: SeenBy | None = None) -> SeenBy:
        """As shown in `status.seenBy`; an account once told is kept when it merely cannot be told now."""
        account = self.account_id
        if account is None and former is not None and self.same_as(identity_of(former)):
            account = former.account_id
        return SeenBy(
            endpoint=self.location.endpoint,
            region=self.location.region,
            project_id=self.location.project_id,
            account_id=account,
            credential=self.credential,
        )


def location_of(seen_by: SeenBy) -> Location:
    """The location that is pinned in `status.seenBy`."""
    return Location(seen_by.endpoint, seen_by.region, seen_by.project_id)


def identity_of(seen_by: SeenBy) -> Identity:
    """The identity that `status.seenBy` names."""
    return Identity(location_of(seen_by), seen_by.account_id, seen_by.credential)
