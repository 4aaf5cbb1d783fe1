"""The checker: look everywhere once, then ask each invariant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sandbox.check import arrays, clouds, databases
from sandbox.check.invariants import (
    drill,
    it_ends,
    metadata,
    no_loss,
    nothing_left,
    nothing_twice,
    one_primary,
    record,
)
from sandbox.check.ledger import Ledger
from sandbox.check.picture import Picture
from sandbox.check.places import CheckError, Places
from sandbox.check.report import INVARIANTS, Finding, Report
from sandbox.check.rest import Unanswered

_ASKED: Mapping[str, Callable[[Picture], Iterable[str]]] = {
    "one_primary": one_primary.findings,
    "no_loss": no_loss.findings,
    "nothing_twice": nothing_twice.findings,
    "nothing_left": nothing_left.findings,
    "it_ends": it_ends.findings,
    "metadata": metadata.findings,
    "drill": drill.findings,
    "record": record.findings,
}


def check(places: Places, *, settled: bool = True) -> Report:
    """Looks once, at a quiet moment; `settled=False` lets operations be under way. CheckError when the world itself cannot be asked."""
    picture, unseen = look(places, settled=settled)
    return judge(picture, unseen)


def look(places: Places, *, settled: bool = True) -> tuple[Picture, tuple[str, ...]]:
    """Everything there is to see, and what could not be seen. The databases come first: what they name is then looked for."""
    world, unseen = places.world(), []
    records: dict[str, databases.Database] = {}
    for site in world["sites"]:
        if site not in places.databases:
            unseen.append(f"the Protector database of {site}: its URL is not known")
            continue
        try:
            records[site] = databases.read(site, places.databases[site])
        except CheckError as error:
            unseen.append(str(error))
    state = places.ask("/state")
    seen, storage = _clouds(places, world, state), _arrays(world, state)
    return Picture(records, seen, storage, Ledger.of(places.ask("/history")), settled), tuple(unseen)


def _clouds(places: Places, world: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, clouds.Site]:
    """By the front door; by the back door where nobody answers at the front."""
    found = {}
    for site in world["sites"]:
        login = clouds.login_of(places.clouds_yaml or world["clouds_yaml"], site)
        try:
            found[site] = clouds.read(site, login)
        except Unanswered:
            found[site] = clouds.of_dump(site, state["clouds"][site])
    return found


def _arrays(world: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, arrays.Array]:
    found = {}
    for site, entry in world["sites"].items():
        name = entry["array"]
        try:
            found[site] = arrays.read(name, site, world["arrays"][name], world["array_ca"])
        except Unanswered:
            found[site] = arrays.of_dump(name, site, state["arrays"][name])
    return found


def judge(picture: Picture, unseen: tuple[str, ...] = ()) -> Report:
    """The invariants in their order."""
    findings = [Finding(name, what) for name in INVARIANTS for what in dict.fromkeys(_ASKED[name](picture))]
    return Report(tuple(findings), looked(picture), unseen)


def looked(picture: Picture) -> dict[str, int]:
    """How much of each was seen; what came through the back door is told apart."""
    sites, storage = picture.sites.values(), picture.arrays.values()
    counts = {
        "clouds": len(sites),
        "arrays": len(storage),
        "databases": len(picture.databases),
        "of them through the simulator's back door": sum(s.backdoor for s in sites) + sum(a.backdoor for a in storage),
        "groups": len(picture.groups),
        "operations": len(picture.operations_by_id),
        "servers": sum(len(site.servers) for site in sites),
        "volumes": sum(len(site.volumes) for site in sites),
        "array volumes": sum(not volume.destroyed for array in storage for volume in array.volumes),
        "events": len(picture.ledger.events),
    }
    return {kind: count for kind, count in counts.items() if count or not kind.startswith("of them")}
