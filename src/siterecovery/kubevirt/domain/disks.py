"""Which claims, Secrets, ConfigMaps and accounts a VM uses, and which replicated volumes stand behind its claims. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

PERSISTENT_STATE = "persistent-state-for"
"""Label of the claim in which KubeVirt keeps a VM's TPM and EFI variables; its value is the VM's name."""


def claims(vm: Mapping[str, Any]) -> list[str]:
    """Names of its claims. A DataVolume has the name of its claim."""
    volumes = _template(vm).get("volumes") or ()
    named = [
        (volume.get("persistentVolumeClaim") or {}).get("claimName") or (volume.get("dataVolume") or {}).get("name")
        for volume in volumes
    ]
    return list(dict.fromkeys(name for name in named if name))


def secrets(vm: Mapping[str, Any]) -> list[str]:
    """Names of the Secrets it needs to boot, to be logged in to, or to have its images pulled."""
    found = [name for volume in _template(vm).get("volumes") or () for name in _secrets_of(volume)]
    for credential in _template(vm).get("accessCredentials") or ():
        for part in credential.values():
            if name := ((part.get("source") or {}).get("secret") or {}).get("secretName"):
                found.append(name)
    return list(dict.fromkeys(found))


def _secrets_of(volume: Mapping[str, Any]) -> Iterator[str]:
    if name := (volume.get("secret") or {}).get("secretName"):
        yield name
    for kind in ("cloudInitNoCloud", "cloudInitConfigDrive"):
        for reference in ("secretRef", "networkDataSecretRef"):
            if name := ((volume.get(kind) or {}).get(reference) or {}).get("name"):
                yield name
    if name := ((volume.get("sysprep") or {}).get("secret") or {}).get("name"):
        yield name
    if name := (volume.get("containerDisk") or {}).get("imagePullSecret"):
        yield name


def config_maps(vm: Mapping[str, Any]) -> list[str]:
    found = []
    for volume in _template(vm).get("volumes") or ():
        if name := (volume.get("configMap") or {}).get("name"):
            found.append(name)
        if name := ((volume.get("sysprep") or {}).get("configMap") or {}).get("name"):
            found.append(name)
    return list(dict.fromkeys(found))


def service_accounts(vm: Mapping[str, Any]) -> list[str]:
    """Names of the accounts whose token its guest gets as a disk."""
    volumes = _template(vm).get("volumes") or ()
    named = [(volume.get("serviceAccount") or {}).get("serviceAccountName") for volume in volumes]
    return list(dict.fromkeys(name for name in named if name))


def handle(volume: Mapping[str, Any] | None) -> str | None:
    """The storage system's name of a PersistentVolume; None when no CSI driver made it."""
    found = (((volume or {}).get("spec") or {}).get("csi") or {}).get("volumeHandle")
    return str(found) if found else None


def grace(vm: Mapping[str, Any]) -> float:
    """Seconds its guest may take to shut down."""
    return float(_template(vm).get("terminationGracePeriodSeconds") or 30)


def _template(vm: Mapping[str, Any]) -> Mapping[str, Any]:
    return ((vm.get("spec") or {}).get("template") or {}).get("spec") or {}
