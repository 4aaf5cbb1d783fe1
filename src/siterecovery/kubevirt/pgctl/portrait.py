"""One group in full: who may run it, and what each cluster says of it."""

import datetime
from collections.abc import Iterator, Sequence

from siterecovery.kubevirt.pgctl import group
from siterecovery.kubevirt.pgctl.group import Copy
from siterecovery.kubevirt.pgctl.printing import age, table

_WIDTH = 18


def portrait(found: Sequence[Copy], now: datetime.datetime) -> str:
    return "\n".join((*_head(group.newest(found)), *(line for copy in found for line in _copy(copy, now))))


def _head(copy: Copy) -> Iterator[str]:
    status, clusters = copy.status, copy.spec.get("clusters") or {}
    last = status.get("lastFailover") or {}
    pairs = (
        ("Name", copy.name),
        ("Namespace", copy.namespace),
        ("Clusters", f"{clusters.get('primary')} (primary), {clusters.get('dr')} (dr)"),
        ("Storage", copy.backend),
        ("Active on", copy.claim.active or "nobody yet"),
        ("Epoch", copy.claim.epoch),
        ("Location", status.get("location")),
        ("Last failover", f"{last['name']}: {last.get('phase')} to {last.get('targetCluster')}" if last else None),
    )
    for name, value in pairs:
        if value:
            yield f"{name + ':':<{_WIDTH}}{value}"
    for debt in status.get("debts") or ():
        yield f"{'Debt:':<{_WIDTH}}{debt.get('cluster')}: {debt.get('message') or debt.get('kind')}"


def _copy(copy: Copy, now: datetime.datetime) -> Iterator[str]:
    observed = age(copy.status.get("lastObservedAt"), now)
    yield f"On {copy.site.name}: desired {copy.desired}, current {copy.current}, observed {observed} ago"
    conditions = [
        (item.get("type"), item.get("status"), item.get("reason"), item.get("message"))
        for item in copy.status.get("conditions") or ()
    ]
    if conditions:
        yield from _shifted(table(("CONDITION", "STATUS", "REASON", "MESSAGE"), conditions))
    members = [
        (member.get("name"), member.get("phase"), member.get("node"), member.get("message"))
        for member in copy.status.get("virtualMachines") or ()
    ]
    if members:
        yield from _shifted(table(("VIRTUAL-MACHINE", "PHASE", "NODE", "MESSAGE"), members))


def _shifted(text: str) -> Iterator[str]:
    yield from (f"  {line}" for line in text.splitlines())
