from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from siterecovery.protector.api.schemas.base import Mapping, Name, Request
from siterecovery.protector.api.schemas.protection_groups import IpPolicy


class HealthCheck(Request):
    """One probe of a test's instances. `console` looks for `pattern`, `tcp` and `http` reach `port` (and `path`). `timeout` in seconds."""

    type: Literal["active", "console", "tcp", "http"]
    pattern: Annotated[str, Field(max_length=255)] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    path: Annotated[str, Field(max_length=255, pattern="^/")] | None = None
    timeout: Annotated[int, Field(ge=1, le=3600)] = 300


class Failover(Request):
    """`retain_primary` makes it a test: the documented example says so."""

    network_mapping: Mapping = Field(default_factory=dict)
    flavor_mapping: Mapping = Field(default_factory=dict)
    force: bool = False
    retain_primary: bool = False
    allow_hard_stop: bool | None = None
    ip_policy: IpPolicy | None = None


class Failback(Request):
    network_mapping: Mapping = Field(default_factory=dict)
    flavor_mapping: Mapping = Field(default_factory=dict)
    reverse_replication: bool = False
    force: bool = False
    allow_hard_stop: bool | None = None
    ip_policy: IpPolicy | None = None


class TestFailover(Request):
    network_mapping: Mapping = Field(default_factory=dict)
    flavor_mapping: Mapping = Field(default_factory=dict)
    retain_primary: bool = False
    ip_policy: IpPolicy | None = None
    health_checks: Annotated[list[HealthCheck], Field(max_length=20)] = Field(default_factory=list)


class TestCleanup(Request):
    test_operation_id: Name | None = None


class SyncVolumes(Request):
    pass


class Reset(Request):
    """`status` defaults to the one that fits where the group is active."""

    status: Literal["active", "failed_over", "failed_over_partial"] | None = None


class Action(Request):
    """Exactly one key."""

    failover: Failover | None = None
    failback: Failback | None = None
    test_failover: TestFailover | None = None
    test_cleanup: TestCleanup | None = None
    sync_volumes: SyncVolumes | None = None
    reset: Reset | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_empty(cls, data: Any) -> Any:
        return {key: {} if value is None else value for key, value in data.items()} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("exactly one action is expected: " + ", ".join(type(self).model_fields))
        return self

    @property
    def key(self) -> str:
        return next(iter(self.model_fields_set))

    @property
    def arguments(self) -> Request:
        chosen: Request = getattr(self, self.key)
        return chosen
