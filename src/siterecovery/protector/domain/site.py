"""A site: one OpenStack cloud and the Protector beside it."""

import dataclasses
from typing import Any

from siterecovery.protector.domain.states import SiteStatus


@dataclasses.dataclass(frozen=True)
class Site:
    """`signing_key` and `sealing_key` are the public keys (base64) of the site's Protector, exchanged when the site was
    registered; `site_type` is a start label only: primary and secondary are a group's own and swap at a failover."""

    id: str
    name: str
    site_type: str
    auth_url: str
    description: str = ""
    region_name: str | None = None
    status: SiteStatus = SiteStatus.ACTIVE
    capabilities: dict[str, Any] = dataclasses.field(default_factory=dict)
    reachability: str = ""
    signing_key: str | None = None
    sealing_key: str | None = None
    created_at: str = ""


@dataclasses.dataclass(frozen=True)
class TenantMapping:
    """Which project on the other site is this site's project."""

    id: str
    local_project_id: str
    remote_site_id: str
    remote_project_id: str


@dataclasses.dataclass(frozen=True)
class Delegation:
    """This project's Keystone trust to the service user on this site."""

    project_id: str
    trust_id: str
    trustor_user_id: str
    status: str = "active"
    checked_at: str | None = None
    reason: str = ""
