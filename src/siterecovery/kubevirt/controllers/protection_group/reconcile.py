"""One pass over one group: find out, act, tell. Level-triggered: everything is decided from what is there now."""

import dataclasses
import logging
from collections.abc import Callable

from pydantic import ValidationError

from siterecovery.kubevirt.clusters import base, virtual_machines
from siterecovery.kubevirt.clusters.events import Recorder
from siterecovery.kubevirt.clusters.informer import Key
from siterecovery.kubevirt.controllers.protection_group import phases, status
from siterecovery.kubevirt.controllers.protection_group.cache import Cache, Peers
from siterecovery.kubevirt.controllers.protection_group.phases import Placement
from siterecovery.kubevirt.controllers.protection_group.promises import Clusters
from siterecovery.kubevirt.controllers.protection_group.scope import Scope, members_of
from siterecovery.kubevirt.controllers.protection_group.status import Copies
from siterecovery.kubevirt.controllers.protection_group.volumes import VolumeWatch, Wish
from siterecovery.kubevirt.crds.failover import Failover
from siterecovery.kubevirt.crds.protection_group import CurrentState, DesiredState, ProtectionGroup
from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.authority import Verdict
from siterecovery.kubevirt.domain.names import FINALIZER, GROUP_CONTROLLER
from siterecovery.kubevirt.domain.resources import FAILOVERS, PROTECTION_GROUPS, Object
from siterecovery.workflow.clock import Clock

LOG = logging.getLogger(__name__)
_SOON = 0.3
_WHILE_HELD = 5.0


@dataclasses.dataclass(frozen=True)
class Pace:
    """Seconds. `rows_every`: member rows alone are written at most so often; `alive_every`: and something at least so often."""

    rows_every: float = 3.0
    alive_every: float = 120.0


class Reconciler:
    def __init__(
        self,
        clusters: Clusters,
        cache: Cache,
        peers: Peers,
        volumes: VolumeWatch,
        *,
        copies: Callable[[Key], Copies],
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._clusters = clusters
        self._cluster = clusters.local
        self._cache, self._peers, self._volumes = cache, peers, volumes
        self._copies = copies
        self._clock = clock
        self._pace = pace or Pace()
        self._recorder = Recorder(self._cluster, GROUP_CONTROLLER, clock)
        self.scopes: dict[Key, Scope] = {}
        """The last pass over each group: for whoever mirrors it, and for metrics."""
        self._since: dict[Key, dict[str, tuple[DesiredState, float]]] = {}
        """When each member that is on its way was first seen so: a limit must also end what starts again and again."""

        self._unseen: dict[Key, dict[str, float]] = {}
        """Since when each member is set to run without KubeVirt having taken note of it."""

    async def reconcile(self, key: Key) -> float | None:
        """Seconds until it wants to look again; None: when something changes."""
        wire = self._cache.groups.get(key)
        if wire is None:
            self.forget(key)
            return None
        if wire["metadata"].get("deletionTimestamp"):
            return await self._delete(wire)
        try:
            return await self._pass(wire)
        except base.Conflict:
            return _SOON  # the cache is behind: it is told in a moment

    def forget(self, key: Key) -> None:
        self.scopes.pop(key, None)
        self._since.pop(key, None)
        self._unseen.pop(key, None)
        self._volumes.forget(key)

    async def _pass(self, wire: Object) -> float | None:
        try:
            group = ProtectionGroup.parse(wire)
        except (
            ValidationError
        ):  # only a server that does not check schemas lets this through; people see the log and that nothing happens
            LOG.exception("group %s cannot be read", wire["metadata"]["name"])
            return None
        placement = Placement(self._clusters, group)
        if not placement.here:
            return None  # a copy on the quorum cluster, or somebody else's group
        if FINALIZER not in group.metadata.finalizers:
            wire = await self._held(wire)
        scope = self._scope(wire, group, placement)
        self.scopes[group.key] = scope
        try:
            await self._phases(scope, placement)
        except base.ClusterError as error:
            scope.error = str(error)
            scope.look_again(_SOON if isinstance(error, base.Conflict) else _WHILE_HELD)
        for member in scope.members:
            if member.vm is not None and member.read is not None and _version(member.vm) != _version(member.read):
                self._cache.wrote((scope.key[0], member.name), member.listed, member.vm)
        await self._tell(scope)
        return scope.again

    def _scope(self, wire: Object, group: ProtectionGroup, placement: Placement) -> Scope:
        scope = Scope(
            wire=wire,
            group=group,
            here=placement.here,
            other=placement.other,
            authority=placement.remembered(wire, self._peers),
            members=members_of(self._cache, group, wire),
        )
        workload = (group.spec.clusters.primary, group.spec.clusters.dr)
        wish = Wish(
            backend=group.spec.storage.backend.value,
            namespace=group.metadata.namespace,
            here=self._cluster.name,
            clusters=tuple(self._canonical(name) for name in workload),
            handles=tuple(scope.handles),
        )
        self._volumes.want(group.key, wish)
        for member in scope.members:
            member.views = {handle: self._volumes.view(handle) for handle in member.volumes.values() if handle}
        self._measure(scope)
        return scope

    def _measure(self, scope: Scope) -> None:
        now, before = self._clock.monotonic(), self._since.get(scope.key, {})
        since = {}
        for member in scope.members:
            if member.under_way(scope.desired):
                wanted, at = before.get(member.name, (scope.desired, now))
                since[member.name] = (scope.desired, at if wanted is scope.desired else now)
                member.waited = now - since[member.name][1]
        self._since[scope.key] = since
        began = self._unseen.get(scope.key, {})
        self._unseen[scope.key] = {
            member.name: began.get(member.name, now)
            for member in scope.members
            if member.vm is not None and vms.is_unseen(member.vm, member.instance)
        }
        for member in scope.members:
            seen = self._unseen[scope.key].get(member.name)
            member.unseen = now - seen if seen is not None else None

    def _canonical(self, name: str) -> str:
        """The storage backends know a cluster by its own name."""
        try:
            return self._clusters.resolve(name)
        except base.ClusterError:  # not known here: shown as unreachable
            return name

    async def _phases(self, scope: Scope, placement: Placement) -> None:
        phases.check_spec(scope)
        if scope.problems and scope.desired is DesiredState.RUNNING:
            return
        try:
            await phases.settle_authority(scope, self._cluster, placement)
        except base.ClusterError as error:
            if scope.desired is DesiredState.RUNNING:
                raise
            scope.error = str(error)  # a stop is obeyed whatever else fails
        await phases.enrol(scope, self._cluster)
        await phases.dismiss_former(scope, self._cluster, self._cache.labelled(scope.key))
        if scope.authority.verdict is Verdict.HERE:
            await phases.hold(scope, self._cluster)
        await phases.drive(scope, self._cluster, placement)
        state = status.current_state(scope.members, scope.desired)
        if state is CurrentState.STOPPED and scope.group.status.current_state is not CurrentState.STOPPED:
            await phases.confirm_stopped(scope, self._cluster)

    async def _tell(self, scope: Scope) -> None:
        now = self._clock.now()
        before = scope.group.status
        new = status.build(scope, self._copies(scope.key), now)
        if status.worth_writing(new, before, now, rows_every=self._pace.rows_every, alive_every=self._pace.alive_every):
            await status.write(self._cluster, scope, new)
            scope.events += status.transitions(new, before)
        elif new.virtual_machines != before.virtual_machines:
            scope.look_again(self._pace.rows_every)
        if new.current_state is not status.current_state(scope.members, scope.desired):
            scope.look_again(_SOON)  # `mixed` was told first
        for reason, message, kind in scope.events:
            await self._recorder.record(scope.wire, reason, message, kind)

    async def _held(self, wire: Object) -> Object:
        """With our finalizer: a Failover that is under way must be able to finish."""
        metadata = wire["metadata"]
        patch = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "finalizers": [*(metadata.get("finalizers") or ()), FINALIZER],
            }
        }
        return await self._cluster.patch(
            PROTECTION_GROUPS, metadata["name"], metadata["namespace"], patch, manager=GROUP_CONTROLLER
        )

    async def _delete(self, wire: Object) -> float | None:
        """Lets the group go once no Failover of it is under way. Its VMs go on as they are; nothing of ours stays on them."""
        metadata = wire["metadata"]
        finalizers = metadata.get("finalizers") or []
        if FINALIZER not in finalizers:
            return None
        running = await self._failover_under_way(metadata["namespace"], metadata["name"])
        if running:
            text = f"waiting for Failover {running} to finish before the group is deleted"
            await self._recorder.record(wire, "DeletionWaits", text)
            return _WHILE_HELD
        for vm in self._cache.labelled((metadata["namespace"], metadata["name"])):
            await virtual_machines.dismiss(self._cluster, vm)
        patch = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "finalizers": [name for name in finalizers if name != FINALIZER],
            }
        }
        await self._cluster.patch(
            PROTECTION_GROUPS, metadata["name"], metadata["namespace"], patch, manager=GROUP_CONTROLLER
        )
        self.forget((metadata["namespace"], metadata["name"]))
        return None

    async def _failover_under_way(self, namespace: str, group: str) -> str | None:
        """Live, on this cluster: its Failover controller, if it has one here, works on what is listed here."""
        for found in (await self._cluster.list(FAILOVERS, namespace)).items:
            failover = Failover.parse(found)
            phase = failover.status.phase
            if failover.spec.protection_group == group and not (phase and phase.terminal):
                return failover.metadata.name
        return None


def _version(vm: Object) -> str:
    return str(vm["metadata"]["resourceVersion"])
