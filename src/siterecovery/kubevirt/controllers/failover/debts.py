"""Paying what unplanned failovers owe: a cluster that comes back is told who has the authority and seen stopped, and only then are its disks brought
in sync and their quorum switched on again.

What a returned side has written and nobody else has is given up only when a person says so: `kubectl annotate protectiongroup <group>
siterecovery.trilio.io/discard=<cluster>` on the cluster where the group is active. That is recorded as an Event and taken off again."""

import logging

from siterecovery.kubevirt.clusters import authority, base
from siterecovery.kubevirt.clusters.events import NORMAL, WARNING, Recorder
from siterecovery.kubevirt.controllers.failover.promises import Clusters, Storages
from siterecovery.kubevirt.crds.protection_group import DesiredState, ProtectionGroup
from siterecovery.kubevirt.domain.authority import claim_of
from siterecovery.kubevirt.domain.names import DISCARD, FAILOVER_CONTROLLER
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object
from siterecovery.kubevirt.steps import reading
from siterecovery.kubevirt.steps.base import Move, Scene
from siterecovery.kubevirt.steps.debts import RESTORE_QUORUM, STOP, Debt, owed, without
from siterecovery.kubevirt.steps.groups import at_rest, set_desired
from siterecovery.kubevirt.storage.base import StorageError
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.step import StepError

LOG = logging.getLogger(__name__)


class Cashier:
    """Each payment looks first and can be repeated."""

    def __init__(self, clusters: Clusters, storages: Storages, clock: Clock) -> None:
        self._clusters = clusters
        self._storages = storages
        self._clock = clock

    async def settle(self, name: str, wire: Object) -> None:
        """Pays what the copy of a group on cluster `name` owes, as far as it can be paid now."""
        if owed(wire):
            await self._group(name, wire)

    async def _group(self, name: str, wire: Object) -> None:
        scene = self._scene(name, wire)
        if scene is None:
            return
        for debt in owed(wire):
            try:
                if not await self._pay(scene, wire, debt):
                    return  # in their order: disks are brought in sync only when nothing runs on them
                wire = await self._strike(scene, debt)
            except (base.ClusterError, StorageError, StepError) as error:
                LOG.info("%s: what is owed to %s waits: %s", wire["metadata"]["name"], debt.cluster, error)
                return

    def _scene(self, name: str, wire: Object) -> Scene | None:
        """None where the group is not active on that cluster, or where another cluster's controller pays."""
        group = ProtectionGroup.parse(wire)
        sides = (group.spec.clusters.primary, group.spec.clusters.dr)
        here = next((side for side in sides if self._clusters.same(side, name)), None)
        home = self._clusters.local.name
        mine = any(self._clusters.same(side, home) for side in sides)
        if here is None or (mine and not self._clusters.same(here, home)):
            return None
        if not self._clusters.same(claim_of(wire).active or here, here):
            return None
        source = next(side for side in sides if side != here)
        namespace = group.metadata.namespace
        move = Move(namespace, "", "", group.metadata.name, source, here, home, quorum=group.spec.clusters.quorum)
        names = [self._clusters.resolve(side) for side in (source, here)]
        return Scene(move, self._clusters, self._storages.of(group.spec.storage.backend.value, namespace, names))

    async def _pay(self, scene: Scene, wire: Object, debt: Debt) -> bool:
        """True when it is paid."""
        if debt.kind == STOP:
            return await self._stop(scene, wire, debt)
        if debt.kind == RESTORE_QUORUM:
            return await self._restore(scene, wire)
        LOG.warning("%s: nobody knows how to pay a debt of kind %s", wire["metadata"]["name"], debt.kind)
        return False

    async def _stop(self, scene: Scene, wire: Object, debt: Debt) -> bool:
        """The returned cluster learns of the newer epoch, wants nothing any more, and is seen at rest."""
        source = debt.cluster
        if self._clusters.same(source, claim_of(wire).active):
            return True  # it has got the group back since
        there = await reading.copy(scene, source)
        if claim_of(there).epoch < claim_of(wire).epoch:
            await authority.write(self._clusters.get(source), there, claim_of(wire))
        await set_desired(scene, source, DesiredState.STOPPED)
        await at_rest(scene, source)
        return True

    async def _restore(self, scene: Scene, wire: Object) -> bool:
        active = scene.move.target
        handles = (await reading.volumes(scene, active, wire)).handles
        if not handles:
            return True
        parted = sorted({brain.volume for brain in await scene.storage.split_brains(handles)})
        if parted:
            await self._parted(scene, wire, parted)
            return False
        restored = await scene.storage.restore_quorum(handles)
        return not restored.waiting

    async def _parted(self, scene: Scene, wire: Object, volumes: list[str]) -> None:
        """Both sides have written. Nothing is given up that a person has not named."""
        move, source = scene.move, scene.move.source
        confirmed = (wire["metadata"].get("annotations") or {}).get(DISCARD)
        if not confirmed or not self._clusters.same(confirmed, source):
            text = (
                f"split-brain: {', '.join(volumes[:5])} were written on both clusters. When what {source} has written since may be lost for good, say"
                f" so: kubectl annotate protectiongroup {move.group} -n {move.namespace} {DISCARD}={source}"
            )
            await self._record(scene, wire, "DataParted", text, WARNING)
            return
        for volume in volumes:
            await scene.storage.discard(volume, scene.site(source), confirmed=True)
        metadata = wire["metadata"]
        await scene.target.patch(
            PROTECTION_GROUPS,
            metadata["name"],
            metadata["namespace"],
            {"metadata": {"annotations": {DISCARD: None}}},
            manager=FAILOVER_CONTROLLER,
        )
        text = f"gave up what {source} had written to {', '.join(volumes[:5])}, as the annotation {DISCARD} said"
        await self._record(scene, wire, "DataDiscarded", text, WARNING)

    async def _strike(self, scene: Scene, debt: Debt) -> Object:
        """Off the list; the copy as it is then."""
        wire = await reading.copy(scene, scene.move.target)
        metadata = wire["metadata"]
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "status": {"debts": without(wire, debt) or None},
        }
        written = await scene.target.patch(
            PROTECTION_GROUPS,
            metadata["name"],
            metadata["namespace"],
            patch,
            subresource="status",
            manager=FAILOVER_CONTROLLER,
        )
        await self._record(scene, written, "DebtPaid", f"{debt.kind} on {debt.cluster}: done", NORMAL)
        return written

    async def _record(self, scene: Scene, wire: Object, reason: str, text: str, kind: str) -> None:
        await Recorder(scene.target, FAILOVER_CONTROLLER, self._clock).record(wire, reason, text, kind)
