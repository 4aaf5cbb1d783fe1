"""The kinds of objects this half reads and writes, as the API server addresses them."""

import dataclasses
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as it stands on the wire."""


@dataclasses.dataclass(frozen=True)
class Resource:
    """One kind. `group` is empty for the core API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL's path. Without a namespace a namespaced kind is addressed in all namespaces (only to list and to watch)."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        elif self.namespaced and name is not None:
            raise ValueError(f"a {self.kind} is addressed with its namespace")
        return "/".join(part for part in (*parts, self.plural, name, subresource) if part)

    def header(self, name: str, namespace: str | None = None) -> Object:
        """The beginning of an object of this kind, to be completed by the caller."""
        metadata = {"name": name, "namespace": namespace} if self.namespaced and namespace else {"name": name}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}


OURS = "siterecovery.trilio.io"
VERSION = "v1alpha1"
PROTECTION_GROUPS = Resource(OURS, VERSION, "protectiongroups", "ProtectionGroup")
FAILOVERS = Resource(OURS, VERSION, "failovers", "Failover")
PROTECTION_REQUESTS = Resource(OURS, VERSION, "protectionrequests", "ProtectionRequest")
DRBD_REPLICATION_POLICIES = Resource(OURS, VERSION, "drbdreplicationpolicies", "DRBDReplicationPolicy")
DRBD_VOLUMES = Resource(OURS, VERSION, "drbdvolumes", "DRBDVolume")

VIRTUAL_MACHINES = Resource("kubevirt.io", "v1", "virtualmachines", "VirtualMachine")
VIRTUAL_MACHINE_INSTANCES = Resource("kubevirt.io", "v1", "virtualmachineinstances", "VirtualMachineInstance")
VIRTUAL_MACHINE_CALLS = Resource("subresources.kubevirt.io", "v1", "virtualmachines", "VirtualMachine")
"""start, stop, restart: served by virt-api behind the API server."""

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
SECRETS = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
EVENTS = Resource("", "v1", "events", "Event")
PERSISTENT_VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
CUSTOM_RESOURCE_DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
