"""What a storage class must be for its claims to be protected with LINSTOR. A CRD's rule cannot look there, so the controller does."""

from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.storage.base import Reason

PROVISIONER = "linstor.csi.linbit.com"
LEAST_REPLICAS = 2
_COUNT_KEYS = (
    f"{PROVISIONER}/placementCount",
    "placementCount",
    f"{PROVISIONER}/autoPlace",
    "autoPlace",
)


def placement_count(parameters: Mapping[str, str]) -> int | None:
    """How many replicas the class asks for: `placementCount`, or `autoPlace` as it was called before, with or without the driver's prefix,
    in any case; 1 when it says nothing (linstor-csi's default). None when it is no number."""
    folded = {key.lower(): value for key, value in parameters.items()}
    given = next((folded[key.lower()] for key in _COUNT_KEYS if key.lower() in folded), "1")
    return int(given) if given.strip().isdigit() else None


def class_problem(storage_class: Mapping[str, Any], volume: str) -> Reason | None:
    """`storage_class` is the StorageClass object of the claim behind `volume`."""
    name = storage_class.get("metadata", {}).get("name", "")
    provisioner = storage_class.get("provisioner", "")
    if provisioner != PROVISIONER:
        return Reason(
            volume,
            "WrongProvisioner",
            f"Storage class {name} of volume {volume} is provisioned by {provisioner or 'nobody'}, not by {PROVISIONER}: "
            "move the disk to a replicated class, or take the VM out of the group.",
        )
    count = placement_count(storage_class.get("parameters") or {})
    if count is None or count < LEAST_REPLICAS:
        told = "no number" if count is None else str(count)
        return Reason(
            volume,
            "TooFewReplicas",
            f"Storage class {name} of volume {volume} has placementCount {told}: protection needs {LEAST_REPLICAS} or more.",
        )
    return None
