"""The replication policy of a protection group. Tokens go in and never come out."""

from protectorclient.v1 import base
from protectorclient.v1.base import Manager, Resource
from protectorclient.v1.protection_groups import PATH


class PolicyManager(Manager):
    def get(self, group: str) -> Resource:
        return self._get(self._project_path(PATH, group, "policy"), "policy")

    def create(
        self,
        group: str,
        *,
        primary_fa_url: str,
        primary_fa_api_token: str,
        secondary_fa_url: str,
        secondary_fa_api_token: str,
        pure_pg_name: str,
        replication_interval: int | None = None,
        rpo_minutes: int | None = None,
    ) -> Resource:
        """Create or replace it. `replication_interval` in seconds. The request is kept out of every log."""
        body = base.given(
            primary_fa_url=primary_fa_url,
            primary_fa_api_token=primary_fa_api_token,
            secondary_fa_url=secondary_fa_url,
            secondary_fa_api_token=secondary_fa_api_token,
            pure_pg_name=pure_pg_name,
            replication_interval=replication_interval,
            rpo_minutes=rpo_minutes,
        )
        secrets = (primary_fa_api_token, secondary_fa_api_token)
        return self._send(
            "POST", self._project_path(PATH, group, "policy"), {"policy": body}, "policy", secrets=secrets
        )
