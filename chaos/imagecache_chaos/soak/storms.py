"""What goes wrong during a soak: the cloud, the API server, the replicas, their Lease, their keys."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from typing import Any

from imagecache_chaos.soak.crew import persist
from imagecache_chaos.soak.world import TENANT_KEYS, Replica, World
from imagecache_chaos.weather import DELETE, GET, LIST, POST
from imagecache_controlplane import ControlPlane

FAULT_SECONDS = 3.0
"""After these a fault that has hit nothing is over."""

STALE_SECONDS = 0.5
PAST_THE_DEADLINE = 12.0
"""Seconds without an API server after which nobody may lead."""

GRACE = 3.0
"""Seconds in which a key that was replaced in the Secret is still good."""

_ANY = (POST, DELETE, LIST, GET)
_FAULTS: list[tuple[int, str, tuple[str, ...], list[dict[str, Any]]]] = [
    # how often, what, of which calls, in which forms
    (6, "status", _ANY, [{"status": status} for status in (500, 502, 503, 504)]),
    (3, "status", _ANY, [{"status": 429}, {"status": 429, "retry_after": "1.5"}]),
    (6, "lost_answer", _ANY, [{}]),
    (4, "hang", _ANY, [{"seconds": 4.0}]),
    (3, "slow", _ANY, [{"seconds": 0.7, "when": when} for when in ("before", "after")]),
    (2, "refused", _ANY, [{}]),
    (2, "truncated", _ANY, [{"cut": cut} for cut in ("connection", "content")]),
    (3, "stale_reads", (LIST, GET), [{"seconds": STALE_SECONDS}]),
    (2, "html", _ANY, [{}]),
    (2, "gateway_404", _ANY, [{}]),
    (1, "redirect", _ANY, [{}]),
    (1, "empty_200", _ANY, [{}]),
    (1, "garbage", _ANY, [{}]),
    (2, "wrong_shape", _ANY, [{"variant": each} for each in ("missing_key", "error_in_200", "null", "wrong_types")]),
]


class CloudStorm:
    """Faults of one cloud."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.told: Counter[str] = Counter()

    def act(self, dice: random.Random) -> None:
        """Order one."""
        chance = dice.random()
        if chance < 0.01:
            self.told["connections cut for a while"] += 1
            self._world.cloud.control("POST", "pause-listening", {"seconds": dice.uniform(1.0, 3.0)})
        elif chance < 0.02:
            self._order("unauthorized", times=1, operation=dice.choice(_ANY))
        elif chance < 0.07:
            # One list without it is enough to let go of an object that is bound by name, was never seen and is deleted.
            found = self._world.note_caches()
            caches = [cache_id for cache_id, cache in found.items() if not cache["name"].startswith("by-name")]
            if caches:
                self._order("stale_list_drop", operation=LIST, times=2, ids=dice.sample(caches, min(3, len(caches))))
        else:
            [(_, kind, operations, forms)] = dice.choices(_FAULTS, weights=[each[0] for each in _FAULTS])
            fields = dice.choice(forms) | {"operation": dice.choice(operations)}
            self._order(kind, times=dice.randint(1, 3), **fields)

    def _order(self, kind: str, **fields: Any) -> None:
        self.told[kind] += 1
        self._world.cloud.fault(kind, for_seconds=FAULT_SECONDS, **fields)


class KeyStorm:
    """The tenant's key is replaced, and the old one ends soon after."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.rotations = 0

    def act(self, _dice: random.Random) -> None:
        """Rotate."""
        old, new = self._world.key, 1 - self._world.key
        self._enable(new, yes=True)
        persist(lambda: self._world.use_key(new))
        self.rotations += 1
        time.sleep(GRACE)
        self._enable(old, yes=False)

    def _enable(self, number: int, *, yes: bool) -> None:
        self._world.cloud.settings(access_keys={TENANT_KEYS[number]: {"enabled": yes}})


class ApiServerStorm:
    """The API server is restarted, killed, frozen, and away for so long that nobody may lead."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self.told: Counter[str] = Counter()

    def act(self, dice: random.Random) -> None:
        """One of these."""
        [what] = dice.choices(["restarted", "killed", "frozen", "away"], weights=[3, 3, 2, 2])
        self.told[what] += 1
        if what == "frozen":
            self._plane.freeze_apiserver()
            time.sleep(dice.uniform(1.0, 6.0))
            self._plane.thaw_apiserver()
            return
        if what == "killed":
            self._plane.kill_apiserver()
        else:
            self._plane.stop_apiserver()
        time.sleep(PAST_THE_DEADLINE if what == "away" else 0.0)
        self._plane.start_apiserver()


class ReplicaStorm:
    """Replicas are stopped, killed and frozen, and their Lease is deleted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.told: Counter[str] = Counter()

    def act(self, dice: random.Random) -> None:
        """One of these; it takes a leader, as long as there is one."""
        replicas = self._world.replicas
        leader = next((one for one in replicas if one.leads), dice.choice(replicas))
        other = dice.choice([one for one in replicas if one is not leader])
        deeds = ["SIGTERM", "SIGKILL", "SIGKILL of the standby", "SIGSTOP", "Lease deleted"]
        [what] = dice.choices(deeds, weights=[5, 3, 2, 2, 2])
        self.told[what] += 1
        match what:
            case "SIGTERM":
                leader.program.stop()
                leader.start()
            case "SIGKILL":
                _kill(leader)
            case "SIGKILL of the standby":
                _kill(other)
            case "SIGSTOP":
                leader.program.signal(signal.SIGSTOP)
                time.sleep(dice.uniform(1.0, 20.0))
                leader.program.signal(signal.SIGCONT)
            case _:
                persist(self._world.delete_lease, fine=(404,))


def _kill(replica: Replica) -> None:
    replica.program.kill()
    replica.start()
