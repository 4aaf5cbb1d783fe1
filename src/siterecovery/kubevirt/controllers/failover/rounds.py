"""What this controller does at rest: every few seconds it reads all groups on all clusters, pays debts, and says where each group runs.

`location` is for people (`kubectl get protectiongroups -o wide`). No failover decides by it: each looks at the VMs itself."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.informer import Key, key_of
from siterecovery.kubevirt.controllers.failover.debts import Cashier
from siterecovery.kubevirt.controllers.failover.promises import Clusters
from siterecovery.kubevirt.crds.protection_group import CurrentState, Location
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object
from siterecovery.workflow.clock import Clock

LOG = logging.getLogger(__name__)
Copies = Mapping[str, Object | None]
"""A group's copy on each of its two clusters, by the names the group uses; None where it could not be read."""


class Rounds:
    """`interval`: seconds between two of them."""

    def __init__(self, clusters: Clusters, cashier: Cashier, clock: Clock, interval: float) -> None:
        self._clusters = clusters
        self._cashier = cashier
        self._clock = clock
        self._interval = interval

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.round()
            await self._clock.sleep(self._interval)

    async def round(self) -> None:
        names = self._clusters.names
        read = dict(zip(names, await asyncio.gather(*(self._groups(name) for name in names)), strict=True))
        for name, groups in read.items():
            for key, wire in (groups or {}).items():
                try:
                    await self._cashier.settle(name, wire)
                    await self._locate(name, key, wire, read)
                except (
                    Exception
                ):  # the log shows it, and the next round tries again: one bad group must not stop the others
                    LOG.exception("group %s on %s could not be looked after", key[1], name)

    async def _groups(self, name: str) -> dict[Key, Object] | None:
        """None where they cannot be read."""
        try:
            listing = await self._clusters.get(name).list(PROTECTION_GROUPS)
        except base.ClusterError as error:
            LOG.debug("the groups of %s cannot be read: %s", name, error)
            return None
        return {key_of(item): item for item in listing.items}

    async def _locate(self, name: str, key: Key, wire: Object, read: Mapping[str, Mapping[Key, Object] | None]) -> None:
        spec = wire["spec"]["clusters"]
        sides = (spec["primary"], spec["dr"])
        if (
            any(self._clusters.same(side, self._clusters.local.name) for side in sides)
            and name != self._clusters.local.name
        ):
            return  # the other cluster's own controller tells it there
        found = location(self._copies(key, sides, read))
        if (wire.get("status") or {}).get("location") == found:
            return
        try:
            await self._clusters.get(name).patch(
                PROTECTION_GROUPS,
                key[1],
                key[0],
                {"status": {"location": found}},
                subresource="status",
                manager=FAILOVER_CONTROLLER,
            )
        except base.ClusterError as error:
            LOG.debug("the location of %s was not written on %s: %s", key[1], name, error)

    def _copies(self, key: Key, sides: Sequence[str], read: Mapping[str, Mapping[Key, Object] | None]) -> Copies:
        found: dict[str, Object | None] = {}
        for side in sides:
            groups = next((them for name, them in read.items() if self._clusters.same(name, side)), None)
            found[side] = None if groups is None else groups.get(key, {})
        return found


def location(copies: Copies) -> str:
    """By what each side's own controller says. A side without a copy runs nothing of the group."""
    states = {side: _state(copy) for side, copy in copies.items()}
    there = [side for side, state in states.items() if state in (CurrentState.RUNNING, CurrentState.MIXED)]
    if len(there) > 1:
        return Location.BOTH.value
    if CurrentState.UNKNOWN in states.values():
        return Location.UNKNOWN.value
    return there[0] if there else Location.NONE.value


def _state(copy: Object | None) -> str:
    if copy is None:
        return CurrentState.UNKNOWN
    if not copy:
        return CurrentState.STOPPED
    return str((copy.get("status") or {}).get("currentState") or CurrentState.UNKNOWN)
