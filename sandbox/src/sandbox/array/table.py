"""The named objects of one kind: found by name in any case, or by id; a name in use, destroyed or not, is reserved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from sandbox.array.errors import Refused
from sandbox.array.model import Thing

T = TypeVar("T", bound=Thing)


class Table(Generic[T]):
    """`label` begins the messages: "Volume does not exist."."""

    def __init__(self, label: str, things: Iterable[T] = ()) -> None:
        self.label = label
        self._by_name: dict[str, T] = {}
        self._by_id: dict[str, T] = {}
        for thing in things:
            self._put(thing)

    def __iter__(self) -> Iterator[T]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> T | None:
        """The object of that name, destroyed or not."""
        return self._by_name.get(name.lower())

    def by_id(self, thing_id: str) -> T | None:
        """The object of that id."""
        return self._by_id.get(thing_id)

    def need(self, name: str) -> T:
        """The object, destroyed or not; refuses when there is none."""
        thing = self._by_name.get(name.lower())
        if thing is None:
            raise Refused(name, f"{self.label} does not exist.")
        return thing

    def alive(self, name: str) -> T:
        """The object; refuses when there is none or it is destroyed."""
        thing = self.need(name)
        if thing.destroyed:
            raise Refused(name, f"{self.label} has been destroyed.")
        return thing

    def check_free(self, name: str) -> None:
        """Refuse a name in use; a destroyed object keeps its name until its eradication."""
        thing = self.get(name)
        if thing is not None:
            raise Refused(name, f"{self.label} {'has been destroyed' if thing.destroyed else 'already exists'}.")

    def add(self, thing: T) -> T:
        """Add under a free name."""
        self.check_free(thing.name)
        self._put(thing)
        return thing

    def rename(self, thing: T, name: str) -> None:
        """Give a new name; another case of the same name is fine."""
        if name.lower() != thing.name.lower():
            self.check_free(name)
        del self._by_name[thing.name.lower()]
        thing.name = name
        self._by_name[name.lower()] = thing

    def remove(self, thing: T) -> None:
        """Forget the object, freeing its name; removing it twice is fine."""
        if self._by_id.pop(thing.id, None) is not None:
            del self._by_name[thing.name.lower()]

    def _put(self, thing: T) -> None:
        self._by_name[thing.name.lower()] = thing
        self._by_id[thing.id] = thing
