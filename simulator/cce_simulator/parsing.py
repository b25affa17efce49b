"""Strict reading of JSON objects: every complaint is one sentence that names the key."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Seed = TypeVar("Seed", bound="DataclassInstance")
Entry = TypeVar("Entry")


class MalformedError(ValueError):
    """The JSON is not what is documented; the text says where and why."""


class Fields:
    """One JSON object being read; `done` complains about keys that nobody asked for."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise MalformedError(f"{where} must be an object.")
        self._value: dict[str, Any] = value
        self.where = where
        self._asked: set[str] = set()

    def has(self, name: str) -> bool:
        """Tell whether the key is there, null included."""
        self._asked.add(name)
        return name in self._value

    def raw(self, name: str, default: Any = None) -> Any:
        """The value as it stands."""
        self._asked.add(name)
        return self._value.get(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        """A string; required unless a default is given. The empty string is refused."""
        value = self.raw(name, default)
        if value is None:
            raise MalformedError(f"{self.where}: '{name}' is required.")
        if not isinstance(value, str) or not value:
            raise self.bad(name, "a string that is not empty")
        return value

    def optional_text(self, name: str, default: str | None = None) -> str | None:
        """A string or null."""
        value = self.raw(name, default)
        if value is not None and not isinstance(value, str):
            raise self.bad(name, "a string or null")
        return value

    def number(self, name: str, default: float, *, minimum: float = 0.0) -> float:
        """A number of at least `minimum`."""
        value = self.raw(name, default)
        if not _is_number(value) or value < minimum:
            raise self.bad(name, f"a number of at least {minimum:g}")
        return float(value)

    def optional_number(self, name: str, default: float | None = None) -> float | None:
        """A number of at least 0, or null."""
        return None if self.raw(name, default) is None else self.number(name, default or 0.0)

    def integer(self, name: str, default: int, *, minimum: int = 0) -> int:
        """A whole number of at least `minimum`."""
        value = self.raw(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.bad(name, f"a whole number of at least {minimum}")
        return value

    def optional_integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number of at least 0, or null."""
        return None if self.raw(name, default) is None else self.integer(name, default or 0)

    def limit(self, name: str, default: int) -> int:
        """A whole number where null means the same as 0: no limit."""
        return 0 if self.has(name) and self.raw(name) is None else self.integer(name, default)

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.raw(name, default)
        if not isinstance(value, bool):
            raise self.bad(name, "true or false")
        return value

    def choice(self, name: str, allowed: Sequence[Any], default: Any) -> Any:
        """One of the allowed values, type included (1 is not true)."""
        value = self.raw(name, default)
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise self.bad(name, "one of " + ", ".join(repr(one) for one in allowed))
        return value

    def texts(self, name: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of strings."""
        value = self.raw(name, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.bad(name, "a list of strings")
        return tuple(value)

    def object(self, name: str) -> Fields:
        """A nested object; absent means empty."""
        return Fields(self.raw(name, {}), f"{self.where}.{name}")

    def objects(self, name: str) -> list[Fields]:
        """A list of nested objects; absent means none."""
        value = self.raw(name, [])
        if not isinstance(value, list):
            raise self.bad(name, "a list")
        return [Fields(item, f"{self.where}.{name}[{index}]") for index, item in enumerate(value)]

    def named_objects(self, name: str) -> dict[str, Fields]:
        """An object whose keys are free and whose values are objects."""
        value = self.raw(name, {})
        if not isinstance(value, dict):
            raise self.bad(name, "an object")
        return {key: Fields(item, f"{self.where}.{name}.{key}") for key, item in value.items()}

    def change(self, seed: Seed, **readers: Callable[[Fields, str, Any], Any]) -> Seed:
        """The seed with those of these fields that are given; a reader gets the name, and what holds otherwise."""
        given = {name: read(self, name, getattr(seed, name)) for name, read in readers.items()}
        return dataclasses.replace(seed, **given)

    def known(self, entries: Mapping[str, Entry], name: str, what: str) -> Entry:
        """The entry that the fields are about."""
        if name not in entries:
            raise MalformedError(f"{self.where}: there is no such {what}.")
        return entries[name]

    def bad(self, name: str, wanted: str) -> MalformedError:
        """The complaint about one key."""
        return MalformedError(f"{self.where}: '{name}' must be {wanted}, not {self._value.get(name)!r}.")

    def done(self) -> None:
        """Complain about keys that nobody asked for."""
        unknown = sorted(set(self._value) - self._asked)
        if unknown:
            known = ", ".join(sorted(self._asked))
            raise MalformedError(f"{self.where}: unknown key '{unknown[0]}' (known: {known}).")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 (NaN)
