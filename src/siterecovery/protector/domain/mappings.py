"""Which network and flavor on the target stands for one on the source.

The request's mapping wins over the group's stored one; what neither names is matched by name, except a network in a test: a drill never
lands on a production network by a name. Keys and values are ids or names. A stored mapping is written once, from the primary site to the
secondary; for a move the other way it is read backwards.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from siterecovery.protector.domain.errors import Unmet
from siterecovery.protector.domain.member import Member

Lookup = Callable[[str], Sequence[str]]
"""Ids of the things on the target that have this id or name."""


@dataclasses.dataclass(frozen=True)
class Thing:
    """A network or flavor on the source."""

    id: str
    name: str


@dataclasses.dataclass(frozen=True)
class Unresolved(Unmet):
    """Besides the common keys, `resource` is what a client must ask for."""

    resource: str = ""


def networks_of(members: Sequence[Member]) -> list[Thing]:
    found = {port.network_id: port.network_name for m in members if m.rebuild for port in m.rebuild.ports}
    return [Thing(network_id, name) for network_id, name in found.items()]


def flavors_of(members: Sequence[Member]) -> list[Thing]:
    found = {m.rebuild.flavor_id: m.rebuild.flavor_name for m in members if m.rebuild}
    return [Thing(flavor_id, name) for flavor_id, name in found.items()]


def wanted(thing: Thing, requested: Mapping[str, str], stored: Mapping[str, str], *, backwards: bool) -> str | None:
    """What the mappings say the thing is on the target (an id or a name), or None."""
    if backwards:
        stored = {value: key for key, value in stored.items()}
    for mapping in (requested, stored):
        for key in (thing.id, thing.name):
            if key in mapping:
                return mapping[key]
    return None


def resolve(
    kind: str,
    things: Sequence[Thing],
    requested: Mapping[str, str],
    stored: Mapping[str, str],
    lookup: Lookup,
    *,
    backwards: bool = False,
    by_name: bool = True,
) -> tuple[dict[str, str], list[Unmet]]:
    """The map from source ids to target ids, and one entry for each that stays open. `kind` is `network` or `flavor`."""
    resolved: dict[str, str] = {}
    unmet: list[Unmet] = []
    for thing in things:
        name = wanted(thing, requested, stored, backwards=backwards)
        if name is None and not by_name:
            unmet.append(
                _unresolved(kind, thing, f"The {kind} '{thing.name}' has no mapping, and a test uses none by its name.")
            )
            continue
        found = lookup(name or thing.name)
        if len(found) == 1:
            resolved[thing.id] = found[0]
            continue
        how_many = "No" if not found else "More than one"
        unmet.append(
            _unresolved(
                kind, thing, f"{how_many} {kind} '{name or thing.name}' exists on the target for '{thing.name}'."
            )
        )
    return resolved, unmet


def _unresolved(kind: str, thing: Thing, detail: str) -> Unresolved:
    resource = thing.name or thing.id
    remedy = f'Name the target\'s {kind}: {kind}_mapping {{"{resource}": <id or name on the target>}}.'
    return Unresolved(f"mapping.{kind}_unresolved", detail, remedy, resource)
