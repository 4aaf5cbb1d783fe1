"""The checker: look everywhere once, then ask each invariant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sandbox.check import databases
from sandbox.check.invariants import it_ends, metadata
from sandbox.check.picture import Picture
from sandbox.check.places import CheckError, Places
from sandbox.check.report import INVARIANTS, Finding, Report

_ASKED: Mapping[str, Callable[[Picture], Iterable[str]]] = {
    "it_ends": it_ends.findings,
    "metadata": metadata.findings,
}


def check(places: Places, *, settled: bool = True) -> Report:
    """Looks once, at a quiet moment; `settled=False` lets operations be under way. CheckError when the world itself cannot be asked."""
    picture, unseen = look(places, settled=settled)
    return judge(picture, unseen)


def look(places: Places, *, settled: bool = True) -> tuple[Picture, tuple[str, ...]]:
    """Everything there is to see, and what could not be seen."""
    world, unseen, found = places.world(), [], {}
    for site in world["sites"]:
        if site not in places.databases:
            unseen.append(f"the Protector database of {site}: its URL is not known")
            continue
        try:
            found[site] = databases.read(site, places.databases[site])
        except CheckError as error:
            unseen.append(str(error))
    return Picture(found, settled), tuple(unseen)


def judge(picture: Picture, unseen: tuple[str, ...] = ()) -> Report:
    """The invariants in their order."""
    findings = [
        Finding(name, what) for name in INVARIANTS if name in _ASKED for what in dict.fromkeys(_ASKED[name](picture))
    ]
    looked = {
        "databases": len(picture.databases),
        "groups": len({row["id"] for db in picture.databases.values() for row in db.rows("protection_groups")}),
        "operations": sum(1 for _ in picture.operations()),
    }
    return Report(tuple(findings), looked, unseen)
