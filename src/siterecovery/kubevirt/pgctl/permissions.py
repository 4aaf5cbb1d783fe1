"""What the credentials may do, asked of the API server itself: SelfSubjectAccessReview. Asking also shows that they are accepted at all."""

import dataclasses

from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.domain.resources import FAILOVERS, LEASES, PROTECTION_GROUPS, Resource

REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False)


@dataclasses.dataclass(frozen=True)
class Permission:
    verb: str
    resource: Resource

    def __str__(self) -> str:
        return f"{self.verb} {self.resource.plural}"


CREATE_FAILOVERS = Permission("create", FAILOVERS)
FORCE = Permission("force", FAILOVERS)
"""A verb of our own: force lets a user of a namespace change nodes."""
OPERATE = (
    Permission("list", PROTECTION_GROUPS),
    Permission("patch", PROTECTION_GROUPS),
    Permission("list", FAILOVERS),
    CREATE_FAILOVERS,
    Permission("get", LEASES),
)
"""What an operator needs on every cluster."""


async def allowed(cluster: Cluster, permission: Permission, namespace: str) -> bool:
    asked = {
        "namespace": namespace,
        "verb": permission.verb,
        "group": permission.resource.group,
        "resource": permission.resource.plural,
    }
    review = {"apiVersion": REVIEWS.api_version, "kind": REVIEWS.kind, "metadata": {}}
    answer = await cluster.create(REVIEWS, review | {"spec": {"resourceAttributes": asked}})
    return bool((answer.get("status") or {}).get("allowed"))
