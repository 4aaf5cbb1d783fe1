"""Labels, annotations, finalizers and field managers: what this product writes on objects, once."""

from siterecovery.kubevirt.domain.resources import OURS

CLUSTER_LABEL = f"{OURS}/cluster"
"""On a Secret that holds the kubeconfig of the cluster of that name."""
ALIASES = f"{OURS}/aliases"
"""On the same Secret: further names of the cluster, separated by commas."""
ORIGINAL_RUN = f"{OURS}/original-run-strategy"
"""On a VirtualMachine: what it is set to when it runs (`Always`, …; `running=true` where the old field is in use; `Halted` when it was
halted as it became a member)."""
HELD = f"{OURS}/held"
"""On a VirtualMachine whose disks have no quorum: it stands at runStrategy Manual, and only the group controller starts it."""
STARTED_UNDER = f"{OURS}/started-under-epoch"
"""On a held VirtualMachine: the epoch of the group under which it was seen running last."""
MIRRORED_FROM = f"{OURS}/mirrored-from"
"""On every copy made on the other cluster: the name of the cluster it was copied from."""
SOURCE_UID = f"{OURS}/source-uid"
"""On a copy: the UID of the object it was copied from."""
FINGERPRINT = f"{OURS}/fingerprint"
"""On a copy: of what it was last made from, so that it is written again only when that has changed."""
GROUP_LABEL = f"{OURS}/protection-group"
"""On copies, Failovers and Leases: the group they belong to."""
OWNER = f"{OURS}/owner"
"""On a Lease: the UID of the object its holder works for."""
DRILL = f"{OURS}/drill"
"""On everything a test failover has made: the group it is a test of."""
DISCARD = f"{OURS}/discard"
"""On a group, by a person: the cluster whose own writes may be given up after a split brain. Taken off when that was done."""
PROTECTION = f"{OURS}/protection"
"""On a VirtualMachine: which ProtectionRequest has taken it under replication, and what it was before (`domain.protection`)."""
REQUEST_LABEL = f"{OURS}/protection-request"
"""On the frontend claims and volumes of a VM under replication: the UID of the request that made them."""
OWED_STOP = "stop"
"""Kind of a debt in a group's status: a cluster that was down when authority moved away from it has to be stopped before it follows again."""
FINALIZER = f"{OURS}/finalizer"
"""On groups, Failovers and ProtectionRequests: holds the object until nothing depends on it."""

GROUP_CONTROLLER = "protection-group-controller"
FAILOVER_CONTROLLER = "failover-controller"
PROTECTION_CONTROLLER = "protection-controller"
"""Part of the failover-controller's process; Events and field managers tell the two apart."""
AUTHORITY_MANAGER = "site-recovery-authority"
"""Field manager of `activeCluster` and `epoch`: written by conditional merge patches, never applied."""

LOST_QUORUM_TAINT = "drbd.linbit.com/lost-quorum"
FORCE_IO_ERROR_TAINT = "drbd.linbit.com/force-io-error"
"""A volume on the node still fails its I/O: wait for it, never remove it."""


def failover_lock(group: str) -> str:
    """The Lease that lets one Failover of a group run."""
    return f"failover-lock-{group}"


def target_lock(cluster: str) -> str:
    """The Lease that serialises safety check and removal of taints on a target."""
    return f"failover-target-{cluster}"
