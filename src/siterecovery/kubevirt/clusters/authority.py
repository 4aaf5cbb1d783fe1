"""Reading and writing authority in the copies of a group. Every write is conditional on the copy that was read, and never lowers an epoch:
the CRD's own rules refuse that too, and so does this for servers without CEL."""

from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.authority import Claim, claim_of
from siterecovery.kubevirt.domain.names import AUTHORITY_MANAGER
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object


async def read(cluster: base.Cluster, namespace: str, group: str) -> Claim:
    """Live. NOBODY where there is no copy; everything unknown is raised."""
    return claim_of(await cluster.find(PROTECTION_GROUPS, group, namespace))


async def write(cluster: base.Cluster, group: Mapping[str, Any], claim: Claim) -> Object:
    """`group`: the copy as it was read. Conflict when it has changed since, or when it holds a newer claim already (then nothing was sent)."""
    there = claim_of(group)
    metadata = group["metadata"]
    if claim == there:
        return dict(group)
    if claim.epoch <= there.epoch:
        raise base.Conflict(
            f"{cluster.name}: group {metadata['name']} is held by {there.active} under epoch {there.epoch},"
            f" which epoch {claim.epoch} of {claim.active} cannot replace",
            cluster=cluster.name,
            status=409,
        )
    patch = {
        "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "status": {"epoch": claim.epoch, "activeCluster": claim.active},
    }
    return await cluster.patch(
        PROTECTION_GROUPS,
        metadata["name"],
        metadata["namespace"],
        patch,
        subresource="status",
        manager=AUTHORITY_MANAGER,
    )
