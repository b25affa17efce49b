"""Who may tell something, and when: few at a time, in the order in which they asked."""

from __future__ import annotations

from imagecache_operator.imagecache import Key
from imagecache_operator.turns import Turns

A, B, C, D = (Key("team-a", name) for name in "abcd")


def turns(places: int = 2) -> tuple[Turns, list[Key]]:
    """Turns, and the keys that they wake."""
    woken: list[Key] = []
    return Turns(places, woken.append), woken


def test_places_are_few_and_asking_twice_takes_one() -> None:
    """Two have a place and keep it; the third has none."""
    queue, woken = turns()
    assert [queue.take(key) for key in (A, A, B, C)] == [True, True, True, False]
    assert woken == []


def test_a_place_goes_to_who_waits_longest() -> None:
    """Whoever is woken has the place already, so that nobody overtakes; asking again costs no place in the queue."""
    queue, woken = turns(1)
    assert [queue.take(key) for key in (A, B, C, B)] == [True, False, False, False]
    queue.give_back(A)
    assert woken == [B]
    assert not queue.take(D)
    assert queue.take(B)
    queue.give_back(B)
    queue.give_back(C)
    assert woken == [B, C, D]


def test_a_pass_that_merely_waits_gives_nothing_back() -> None:
    """The end of a pass of somebody without a place makes no place, and does not end its waiting."""
    queue, woken = turns(1)
    assert [queue.take(key) for key in (A, B, C)] == [True, False, False]
    queue.give_back(B)
    assert woken == []
    queue.give_back(A)
    assert woken == [B]


def test_who_is_gone_holds_up_nobody() -> None:
    """Neither a place nor a turn is kept for an object that is gone."""
    queue, woken = turns(1)
    assert [queue.take(key) for key in (A, B, C)] == [True, False, False]
    queue.forget(B)
    queue.forget(A)
    assert woken == [C]
    queue.forget(C)
    assert queue.take(D)
