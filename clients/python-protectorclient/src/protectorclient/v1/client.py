"""`Client`: one Protector, one manager for each noun."""

from keystoneauth1 import adapter, session

from protectorclient.v1.delegations import DelegationManager
from protectorclient.v1.health import HealthManager
from protectorclient.v1.members import MemberManager
from protectorclient.v1.operations import OperationManager
from protectorclient.v1.policies import PolicyManager
from protectorclient.v1.projects import ProjectManager
from protectorclient.v1.protection_groups import ProtectionGroupManager
from protectorclient.v1.sites import SiteManager
from protectorclient.v1.tenant_mappings import TenantMappingManager
from protectorclient.v1.transport import READ_TIMEOUT, Transport

DEFAULT_API_VERSION = "1.2"


class Client:
    """The Protector of one cloud.

    `session` is an authenticated keystoneauth1 Session or Adapter; nothing is sent before the first call. `label` is
    what error messages call this cloud. `timeout` is how long to wait for an answer, in seconds.
    """

    def __init__(
        self,
        session: session.Session | adapter.Adapter,
        *,
        api_version: str = DEFAULT_API_VERSION,
        interface: str | None = None,
        region_name: str | None = None,
        endpoint_override: str | None = None,
        label: str = "",
        timeout: float = READ_TIMEOUT,
    ) -> None:
        self.transport = Transport(
            session,
            api_version=api_version,
            interface=interface,
            region_name=region_name,
            endpoint_override=endpoint_override,
            label=label,
            timeout=timeout,
        )
        self.sites = SiteManager(self.transport)
        self.protection_groups = ProtectionGroupManager(self.transport)
        self.members = MemberManager(self.transport)
        self.policies = PolicyManager(self.transport)
        self.operations = OperationManager(self.transport)
        self.tenant_mappings = TenantMappingManager(self.transport)
        self.delegations = DelegationManager(self.transport)
        self.projects = ProjectManager(self.transport)
        self.health = HealthManager(self.transport)

    @property
    def label(self) -> str:
        return self.transport.label

    @property
    def project_id(self) -> str:
        return self.transport.project_id
