"""Which driver serves a group: chosen by the configuration, addressed by the group's policy, allowed by the administrator.

A tenant writes the policy, so its URLs are only ever called when an administrator has listed them: otherwise the service could be made to
knock at any door inside the data centre. Clients are shared by all groups that use the same array with the same token.
"""

import threading
from collections.abc import Callable, Mapping

from siterecovery.protector.arrays.base import ReplicationDriver
from siterecovery.protector.arrays.flasharray.async_groups import AsyncGroups
from siterecovery.protector.arrays.flasharray.client import ArrayClient, normal_url
from siterecovery.protector.arrays.mock.driver import MockStorageDriver
from siterecovery.protector.arrays.settings import FLASHARRAY, MOCK, ArraySettings
from siterecovery.protector.domain.errors import BadRequest, Forbidden, PreconditionFailed, Unmet
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.secret import Secret

__all__ = ["ArrayDrivers", "ArraySettings", "check_allowed"]

PolicyOf = Callable[[str], tuple[Policy, str, str] | None]
"""group id → (policy, primary site id, secondary site id), None without a policy."""


def check_allowed(url: str, settings: ArraySettings) -> str:
    """The URL in its normal form; Forbidden, naming the option, when no administrator has listed it."""
    wanted = normal_url(url)
    if wanted not in {normal_url(allowed) for allowed in settings.allowed_urls}:
        raise Forbidden(
            f"The array address {wanted} is not allowed here.",
            code="array_url_not_allowed",
            remedy="An administrator can add it to [storage] allowed_array_urls in protector.conf and restart the services.",
        )
    return wanted


class ArrayDrivers:
    """`base.Drivers`. `client` makes the connection to one array (url, token); tests put their own in."""

    def __init__(
        self,
        policy_of: PolicyOf,
        settings: ArraySettings,
        *,
        client: Callable[[str, Secret], ArrayClient] | None = None,
    ) -> None:
        if settings.driver not in FLASHARRAY | MOCK:
            raise BadRequest(
                f"'{settings.driver}' is no replication driver.",
                remedy=f"Set [storage] driver to one of {', '.join(sorted(FLASHARRAY | MOCK))}.",
            )
        self._policy_of = policy_of
        self._settings = settings
        self._make = client or (lambda url, token: ArrayClient(url, token, settings))
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, Secret], ArrayClient] = {}
        self._drivers: dict[str, tuple[Policy, ReplicationDriver]] = {}

    def driver(self, group_id: str) -> ReplicationDriver:
        """A changed policy gets a new driver; array addresses are checked each time, so that a narrowed list takes effect."""
        found = self._policy_of(group_id)
        if found is None:
            raise PreconditionFailed(
                [
                    Unmet(
                        "protection_group.no_policy",
                        f"Protection group {group_id} has no replication policy.",
                        "Create one: openstack dr protection group policy create.",
                    )
                ]
            )
        policy, primary, secondary = found
        if self._settings.driver in MOCK:
            return MockStorageDriver(self._settings.state_path)
        return self._flasharray(group_id, policy, {primary: True, secondary: False})

    def _flasharray(self, group_id: str, policy: Policy, sites: Mapping[str, bool]) -> ReplicationDriver:
        urls = {
            site: check_allowed(policy.primary_fa_url if first else policy.secondary_fa_url, self._settings)
            for site, first in sites.items()
        }
        tokens = {
            site: policy.primary_fa_token if first else policy.secondary_fa_token for site, first in sites.items()
        }
        with self._lock:
            known = self._drivers.get(group_id)
            if known is not None and _same_arrays(known[0], policy):
                return known[1]
            driver = AsyncGroups({site: self._client(urls[site], tokens[site]) for site in sites})
            self._drivers[group_id] = (policy, driver)
            return driver

    def _client(self, url: str, token: Secret) -> ArrayClient:
        if (url, token) not in self._clients:
            self._clients[url, token] = self._make(url, token)
        return self._clients[url, token]

    def close(self) -> None:
        """Logs out everywhere."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
            self._drivers.clear()


def _same_arrays(one: Policy, other: Policy) -> bool:
    return (one.primary_fa_url, one.primary_fa_token, one.secondary_fa_url, one.secondary_fa_token) == (
        other.primary_fa_url,
        other.primary_fa_token,
        other.secondary_fa_url,
        other.secondary_fa_token,
    )
