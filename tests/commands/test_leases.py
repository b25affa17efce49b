"""Whether a Lease says that somebody leads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagecache_operator.commands.leases import state_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def lease(ago: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A Lease that was renewed so many seconds ago; None takes a field away."""
    renewed = (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": renewed} | changes
    return {"spec": {name: value for name, value in spec.items() if value is not None}}


@pytest.mark.parametrize(
    ("body", "live"),
    [
        pytest.param(lease(), True, id="renewed a second ago"),
        pytest.param(lease(15), True, id="at its end"),
        pytest.param(lease(15.5), False, id="expired"),
        pytest.param(lease(-3), True, id="the holder's clock is ahead"),
        pytest.param(lease(holderIdentity=""), False, id="given back"),
        pytest.param(lease(holderIdentity=None), False, id="never held"),
        pytest.param(lease(renewTime=None), False, id="never renewed"),
        pytest.param(lease(renewTime="soon"), False, id="no time"),
        pytest.param({}, False, id="empty"),
    ],
)
def test_a_lease_is_live_while_its_holder_renews_it(body: dict[str, Any], live: bool) -> None:
    """Held, and renewed within its duration."""
    assert state_of(body, NOW).live is live
