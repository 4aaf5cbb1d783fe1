"""All kinds in one table, and the checks of an object against its kind."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from siterecovery.kubevirt.crds.base import Kind
from siterecovery.kubevirt.crds.drbd_replication_policy import DRBDReplicationPolicy
from siterecovery.kubevirt.crds.drbd_volume import DRBDVolume
from siterecovery.kubevirt.crds.failover import Failover
from siterecovery.kubevirt.crds.protection_group import ProtectionGroup
from siterecovery.kubevirt.crds.protection_request import ProtectionRequest

KINDS: dict[str, type[Kind]] = {
    "protection-group": ProtectionGroup,
    "failover": Failover,
    "protection-request": ProtectionRequest,
    "drbd-replication-policy": DRBDReplicationPolicy,
    "drbd-volume": DRBDVolume,
}
"""By the name of the file: `<name>-crd.yaml`, as the product's pages call them."""
_BY_KIND = {kind.resource.kind: kind for kind in KINDS.values()}


def problems(wire: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> list[str]:
    """What is wrong with an object, one sentence each; nothing when an API server of today would take it. With `old`, also what must not change.

    A Failover's spec cannot change, so its generation is 1 for ever, 2 once it is deleted (the server counts that too): a greater one shows that a
    server without CEL let a change through."""
    kind = _BY_KIND.get(str(wire.get("kind")))
    if kind is None:
        return [f"kind: {wire.get('kind')!r} is none of {', '.join(sorted(_BY_KIND))}"]
    try:
        new = kind.parse(wire)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        return [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in found]
    before = kind.parse(old) if old is not None else None
    sentences = list(new.broken(before))
    if kind is Failover and new.metadata.generation > (2 if wire["metadata"].get("deletionTimestamp") else 1):
        sentences.append("spec: it was changed after the Failover was created: create another one")
    return sentences
