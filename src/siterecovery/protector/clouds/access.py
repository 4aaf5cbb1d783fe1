"""How to reach one OpenStack site: what an operator writes under `[service_auth]` and `[site:<name>]`."""

import dataclasses

from siterecovery.protector.domain.secret import Secret


@dataclasses.dataclass(frozen=True)
class SiteAccess:
    """The service user's account on one site, and how patient to be with it. Times are seconds.

    `connect_timeout` is short because a lost site is noticed by it; `read_timeout` is per answer, not per operation. `group_type` names
    the Cinder group type to use; None takes the first with consistent_group_snapshot_enabled.
    """

    site_id: str
    name: str
    auth_url: str
    username: str
    password: Secret
    project_name: str = "service"
    user_domain: str = "Default"
    project_domain: str = "Default"
    region_name: str | None = None
    interface: str = "public"
    cafile: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    group_type: str | None = None
