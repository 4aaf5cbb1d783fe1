"""The route table: every path and method, whose it is, which rule guards it, and the shapes that go in and out.

A rule of None needs no token. `for_peer` routes let the other site's service user speak for any project. Nothing else decides where a
request goes; the OpenAPI document is made from this table.
"""

import dataclasses
from collections.abc import Callable

from pydantic import BaseModel

from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.handlers import (
    action,
    consistency_group,
    delegation,
    health,
    identity,
    members,
    openapi,
    operations,
    policy,
    protection_groups,
    replica,
    sites,
    sync,
    tenant_mappings,
    versions,
)
from siterecovery.protector.api.policies import action as action_rules
from siterecovery.protector.api.policies import consistency_group as consistency_group_rules
from siterecovery.protector.api.policies import delegation as delegation_rules
from siterecovery.protector.api.policies import health as health_rules
from siterecovery.protector.api.policies import identity as identity_rules
from siterecovery.protector.api.policies import members as member_rules
from siterecovery.protector.api.policies import operations as operation_rules
from siterecovery.protector.api.policies import policy as policy_rules
from siterecovery.protector.api.policies import protection_groups as group_rules
from siterecovery.protector.api.policies import replica as replica_rules
from siterecovery.protector.api.policies import sites as site_rules
from siterecovery.protector.api.policies import sync as sync_rules
from siterecovery.protector.api.policies import tenant_mappings as mapping_rules
from siterecovery.protector.api.schemas.action import Action
from siterecovery.protector.api.schemas.consistency_group import ConsistencyGroupAnswer
from siterecovery.protector.api.schemas.delegation import DelegationAnswer
from siterecovery.protector.api.schemas.health import HealthAnswer
from siterecovery.protector.api.schemas.identity import IdentityAnswer
from siterecovery.protector.api.schemas.members import CreateMember, MemberAnswer, MemberList
from siterecovery.protector.api.schemas.operations import OperationAnswer, OperationFilters, OperationList
from siterecovery.protector.api.schemas.policy import CreatePolicy, PolicyAnswer
from siterecovery.protector.api.schemas.protection_groups import (
    CreateProtectionGroup,
    ProtectionGroupAnswer,
    ProtectionGroupFilters,
    ProtectionGroupList,
    UpdateProtectionGroup,
)
from siterecovery.protector.api.schemas.replica import PutReplica, ReplicaAnswer, TakenAnswer, ViewAnswer
from siterecovery.protector.api.schemas.sites import (
    CreateSite,
    SiteAnswer,
    SiteList,
    TenantSiteList,
    UpdateSite,
    ValidationAnswer,
    VolumeTypeList,
)
from siterecovery.protector.api.schemas.sync import Sync, SyncStatusAnswer
from siterecovery.protector.api.schemas.tenant_mappings import (
    CreateTenantMapping,
    TenantMappingAnswer,
    TenantMappingList,
)
from siterecovery.protector.api.schemas.versions import Versions
from siterecovery.protector.peer.envelope import Kind


@dataclasses.dataclass(frozen=True)
class Route:
    """`status` is the answer's when all goes well, `answer` its shape (None: empty, or not JSON)."""

    method: str
    path: str
    handler: Callable[[Call], Answer]
    rule: str | None
    answer: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    for_peer: bool = False


SITES = "/v1/admin/sites"
MAPPINGS = "/v1/admin/tenant-mappings"
GROUPS = "/v1/{project_id}/protection-groups"
GROUP = GROUPS + "/{group}"
MEMBERS = GROUP + "/members"
OPERATIONS = "/v1/{project_id}/operations"
OPERATION = OPERATIONS + "/{operation}"

REPLICA = GROUP + "/replica"
VERBS = (Kind.CLAIM, Kind.REVOKE, Kind.COMMIT, Kind.HOLD, Kind.RELEASE, Kind.FENCE, Kind.FORGET)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/", versions.list_versions, None, Versions),
    Route("GET", "/healthcheck", health.get_healthcheck, None),
    Route("GET", "/metrics", health.get_metrics, None),
    Route("GET", "/v1/openapi.json", openapi.get_document, None),
    Route("GET", "/v1/health", health.get_health, health_rules.SHOW, HealthAnswer),
    Route("GET", "/v1/admin/identity", identity.get_identity, identity_rules.SHOW, IdentityAnswer),
    Route("GET", SITES, sites.list_sites, site_rules.INDEX, SiteList),
    Route("POST", SITES, sites.create_site, site_rules.CREATE, SiteAnswer, CreateSite, status=201),
    Route("GET", SITES + "/{site}", sites.get_site, site_rules.SHOW, SiteAnswer),
    Route("PATCH", SITES + "/{site}", sites.update_site, site_rules.UPDATE, SiteAnswer, UpdateSite),
    Route("DELETE", SITES + "/{site}", sites.delete_site, site_rules.DELETE, status=204),
    Route("POST", SITES + "/{site}/validate", sites.validate_site, site_rules.VALIDATE, ValidationAnswer),
    Route("GET", SITES + "/{site}/volume-types", sites.list_volume_types, site_rules.VOLUME_TYPES, VolumeTypeList),
    Route("GET", MAPPINGS, tenant_mappings.list_tenant_mappings, mapping_rules.INDEX, TenantMappingList),
    Route(
        "POST",
        MAPPINGS,
        tenant_mappings.create_tenant_mapping,
        mapping_rules.CREATE,
        TenantMappingAnswer,
        CreateTenantMapping,
        status=201,
    ),
    Route("DELETE", MAPPINGS + "/{mapping}", tenant_mappings.delete_tenant_mapping, mapping_rules.DELETE, status=204),
    Route("GET", "/v1/{project_id}/sites", sites.list_tenant_sites, site_rules.TENANT_INDEX, TenantSiteList),
    Route("GET", "/v1/{project_id}/delegation", delegation.get_delegation, delegation_rules.SHOW, DelegationAnswer),
    Route("PUT", "/v1/{project_id}/delegation", delegation.put_delegation, delegation_rules.CREATE, DelegationAnswer),
    Route("DELETE", "/v1/{project_id}/delegation", delegation.delete_delegation, delegation_rules.DELETE, status=204),
    Route(
        "GET",
        GROUPS,
        protection_groups.list_protection_groups,
        group_rules.INDEX,
        ProtectionGroupList,
        query=ProtectionGroupFilters,
    ),
    Route(
        "POST",
        GROUPS,
        protection_groups.create_protection_group,
        group_rules.CREATE,
        ProtectionGroupAnswer,
        CreateProtectionGroup,
        status=202,
    ),
    Route("GET", GROUP, protection_groups.get_protection_group, group_rules.SHOW, ProtectionGroupAnswer),
    Route(
        "PATCH",
        GROUP,
        protection_groups.update_protection_group,
        group_rules.UPDATE,
        ProtectionGroupAnswer,
        UpdateProtectionGroup,
    ),
    Route("DELETE", GROUP, protection_groups.delete_protection_group, group_rules.DELETE, OperationAnswer, status=202),
    Route("GET", MEMBERS, members.list_members, member_rules.INDEX, MemberList),
    Route("POST", MEMBERS, members.create_member, member_rules.CREATE, MemberAnswer, CreateMember, status=202),
    Route("GET", MEMBERS + "/{member}", members.get_member, member_rules.SHOW, MemberAnswer),
    Route("DELETE", MEMBERS + "/{member}", members.delete_member, member_rules.DELETE, MemberAnswer, status=202),
    Route("GET", GROUP + "/policy", policy.get_policy, policy_rules.SHOW, PolicyAnswer),
    Route("POST", GROUP + "/policy", policy.create_policy, policy_rules.CREATE, PolicyAnswer, CreatePolicy, status=202),
    Route(
        "GET",
        GROUP + "/consistency-group",
        consistency_group.get_consistency_group,
        consistency_group_rules.SHOW,
        ConsistencyGroupAnswer,
    ),
    Route(
        "POST",
        GROUP + "/consistency-group/sync",
        consistency_group.sync_consistency_group,
        consistency_group_rules.SYNC,
        OperationAnswer,
        status=202,
    ),
    Route("GET", GROUP + "/sync-status", sync.get_sync_status, sync_rules.SHOW, SyncStatusAnswer),
    Route("POST", GROUP + "/sync", sync.sync, sync_rules.CREATE, SyncStatusAnswer, Sync),
    Route("GET", REPLICA, replica.get_replica, replica_rules.SHOW, ReplicaAnswer, for_peer=True),
    Route("PUT", REPLICA, replica.put_replica, replica_rules.UPDATE, TakenAnswer, PutReplica, for_peer=True),
    Route("GET", REPLICA + "/view", replica.get_view, replica_rules.SHOW, ViewAnswer, for_peer=True),
    *(
        Route("POST", f"{REPLICA}/{verb}", replica.act(verb), replica_rules.ACT, body=PutReplica, for_peer=True)
        for verb in VERBS
    ),
    Route("POST", GROUP + "/action", action.act, action_rules.ACT, OperationAnswer, Action, status=202),
    Route(
        "GET",
        OPERATIONS,
        operations.list_operations,
        operation_rules.INDEX,
        OperationList,
        query=OperationFilters,
    ),
    Route("GET", OPERATION, operations.get_operation, operation_rules.SHOW, OperationAnswer),
    Route(
        "POST",
        OPERATION + "/cleanup",
        operations.clean_up_operation,
        operation_rules.CLEANUP,
        OperationAnswer,
        status=202,
    ),
    Route(
        "POST", OPERATION + "/cancel", operations.cancel_operation, operation_rules.CANCEL, OperationAnswer, status=202
    ),
)

PUBLIC = frozenset(route.path for route in ROUTES if route.rule is None)
