"""One look at a VM and what taking it under replication would need: the plan, or everything that stands in the way, told at once."""

from collections.abc import Iterable, Mapping, Sequence

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.drbd_replication_policy import ClassMapping
from siterecovery.kubevirt.crds.drbd_replication_policy import Spec as Policy
from siterecovery.kubevirt.domain import disks, protection, quantities
from siterecovery.kubevirt.domain import node as nodes
from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.names import GROUP_LABEL, REQUEST_LABEL
from siterecovery.kubevirt.domain.protection import DRIVER, Disk, Plan
from siterecovery.kubevirt.domain.resources import (
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PROTECTION_GROUPS,
    STORAGE_CLASSES,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Object,
)
from siterecovery.kubevirt.steps.protection.base import ProtectionWorld
from siterecovery.kubevirt.steps.sight import member_names
from siterecovery.kubevirt.storage.requirements import PROVISIONER, class_problem
from siterecovery.workflow.step import Refused

_HOSTNAME = "kubernetes.io/hostname"


class Survey:
    """`problems` are sentences for people."""

    def __init__(self, world: ProtectionWorld, vm: Object) -> None:
        self._world, self._work, self._vm = world, world.work, vm
        self._policy = Policy.parse(world.work.policy)
        self._mappings = {item.source: item for item in self._policy.storage_class_mappings}
        self.problems: list[str] = []

    async def plan(self) -> Plan:
        """Refused with everything that stands in the way."""
        work = self._work
        names = disks.claims(self._vm)
        await self._check_machine(names)
        claims = self._by_name(await self._world.primary.list(PERSISTENT_VOLUME_CLAIMS, work.namespace))
        volumes = self._by_name(await self._world.primary.list(PERSISTENT_VOLUMES))
        self._check_firmware(claims.values())
        instance = await self._world.primary.find(VIRTUAL_MACHINE_INSTANCES, work.machine, work.namespace)
        ready = {name: await self._ready(self._world.clusters.get(name)) for name in (work.primary, work.dr)}
        found = [self._disk(name, claims, volumes, instance, ready) for name in names]
        await self._check_classes([disk for disk in found if disk])
        if self.problems:
            told = "; ".join(self.problems)
            raise Refused(f"{work.machine} cannot be taken under replication: {told}. Nothing was changed")
        run = vms.run_of(self._vm)
        return Plan(
            request=work.uid,
            name=work.name,
            run=run,
            up=instance is not None and not vms.is_halted(self._vm),
            primary=work.primary,
            dr=work.dr,
            disks=tuple(disk for disk in found if disk),
            sources=protection.sources(self._vm),
            templates=list(self._vm["spec"].get("dataVolumeTemplates") or ()),
            policy=work.policy_name,
            quorum=self._policy.quorum.value,
            on_no_quorum=self._policy.on_no_quorum.value,
        )

    @staticmethod
    def _by_name(listing: base.Listing) -> dict[str, Object]:
        return {item["metadata"]["name"]: item for item in listing.items}

    async def _check_machine(self, names: Sequence[str]) -> None:
        work, metadata = self._work, self._vm["metadata"]
        if metadata.get("deletionTimestamp"):
            self.problems.append("it is being deleted")
        if not names:
            self.problems.append("it has no claims, so there is nothing to replicate")
        for group in await memberships(self._world, self._vm):
            self.problems.append(
                f"it is a member of ProtectionGroup {group}, which would start it again: take it out of the group first, and put it back when it is"
                " under replication"
            )
        for other in (await self._world.primary.list(VIRTUAL_MACHINES, work.namespace)).items:
            if other["metadata"]["name"] != work.machine and (shared := set(disks.claims(other)).intersection(names)):
                self.problems.append(f"{other['metadata']['name']} uses {', '.join(sorted(shared))} too")

    def _check_firmware(self, claims: Iterable[Object]) -> None:
        for claim in claims:
            if (claim["metadata"].get("labels") or {}).get(disks.PERSISTENT_STATE) == self._work.machine:
                self.problems.append(
                    f"KubeVirt keeps its TPM or EFI state in claim {claim['metadata']['name']}, which it would go on using: put that VM on a"
                    " LINSTOR class instead"
                )

    @staticmethod
    async def _ready(cluster: base.Cluster) -> list[Object]:
        found = (await cluster.list(NODES)).items
        silent = nodes.unresponsive(found)
        return [node for node in found if node["metadata"]["name"] not in silent and _is_ready(node)]

    def _disk(
        self,
        name: str,
        claims: Mapping[str, Object],
        volumes: Mapping[str, Object],
        instance: Object | None,
        ready: Mapping[str, list[Object]],
    ) -> Disk | None:
        pvc = claims.get(name)
        if pvc is None or (pvc.get("status") or {}).get("phase") != "Bound":
            self.problems.append(f"claim {name} is {'not bound' if pvc else 'not there'}")
            return None
        pv = volumes.get(pvc["spec"].get("volumeName") or "") or {}
        if ((pv.get("spec") or {}).get("csi") or {}).get("driver") == DRIVER:
            self.problems.append(f"claim {name} is the frontend of a replicated volume already")
            return None
        mapping = self._mapping(name, pvc)
        frontend, handle = protection.frontend_of(name), protection.handle_of(self._work.uid, name)
        for kind, taken in (("claim", claims.get(frontend)), ("PersistentVolume", volumes.get(handle))):
            if taken is not None and (taken["metadata"].get("labels") or {}).get(REQUEST_LABEL) != self._work.uid:
                self.problems.append(
                    f"there is a {kind} {taken['metadata']['name']} already, which its frontend would be: rename or delete it"
                )
        placed = {
            self._work.primary: self._nodes(self._work.primary, ready, _preferred(pv, instance)),
            self._work.dr: self._nodes(self._work.dr, ready, []),
        }
        if mapping is None:
            return None
        classes = {self._work.primary: mapping.primary, self._work.dr: mapping.dr}
        return Disk(name, frontend, handle, _size(pvc), placed, classes)

    def _mapping(self, name: str, pvc: Object) -> ClassMapping | None:
        source = pvc["spec"].get("storageClassName") or ""
        if source not in self._mappings:
            self.problems.append(
                f"claim {name} has storage class {source or '(none)'}, which DRBDReplicationPolicy {self._work.policy_name} does not map: add it to"
                " its storageClassMappings"
            )
        return self._mappings.get(source)

    def _nodes(self, cluster: str, ready: Mapping[str, list[Object]], first: Sequence[str]) -> list[str]:
        """The content is where the claim is; further replicas, and those of the other cluster, go where there is room by name."""
        there = [node["metadata"]["name"] for node in ready[cluster]]
        ordered = [*dict.fromkeys([*(name for name in first if name in there), *sorted(there)])]
        wanted = self._policy.replicas
        if len(ordered) < wanted:
            sentence = f"{cluster} has {len(ordered)} ready nodes, and the policy wants {wanted} replicas there"
            if sentence not in self.problems:
                self.problems.append(sentence)
        return ordered[:wanted]

    async def _check_classes(self, found: Sequence[Disk]) -> None:
        """A class of LINSTOR brings replicas of its own, and must ask for enough of them."""
        wanted = dict.fromkeys((cluster, name) for disk in found for cluster, name in disk.classes.items())
        for cluster, name in wanted:
            there = await self._world.clusters.get(cluster).find(STORAGE_CLASSES, name)
            if there is None:
                self.problems.append(
                    f"there is no StorageClass {name} on {cluster}: create it, or correct DRBDReplicationPolicy {self._work.policy_name}"
                )
            elif there.get("provisioner") == PROVISIONER and (bad := class_problem(there, self._work.machine)):
                self.problems.append(f"on {cluster}: {bad.message.rstrip('.')}")


def _is_ready(node: Object) -> bool:
    found = (node.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in found)


def _preferred(pv: Object, instance: Object | None) -> list[str]:
    """Where a local volume is; else where the guest has it now."""
    required = (((pv.get("spec") or {}).get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    local = [
        value
        for term in required
        for expression in term.get("matchExpressions") or ()
        if expression.get("key") == _HOSTNAME and expression.get("operator") == "In"
        for value in expression.get("values") or ()
    ]
    running = ((instance or {}).get("status") or {}).get("nodeName")
    return [*local, *([running] if running else [])]


def _size(pvc: Object) -> int:
    """What was got counts, which may be more than what was asked for."""
    told = ((pvc.get("status") or {}).get("capacity") or {}).get("storage")
    asked = ((pvc["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    return quantities.whole(str(told or asked or "0"))


async def memberships(world: ProtectionWorld, vm: Object) -> list[str]:
    """The groups that have this VM, by their word or by its own."""
    name, namespace = world.work.machine, world.work.namespace
    machines = (await world.primary.list(VIRTUAL_MACHINES, namespace)).items
    groups = (await world.primary.list(PROTECTION_GROUPS, namespace)).items
    label = (vm["metadata"].get("labels") or {}).get(GROUP_LABEL)
    named = [group["metadata"]["name"] for group in groups if name in member_names(group, machines)]
    return list(dict.fromkeys([*([label] if label else []), *named]))
