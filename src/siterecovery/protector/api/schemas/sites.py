from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from siterecovery.protector.api.schemas.base import Answer, Name, Request, Text
from siterecovery.protector.domain import site as domain

Url = Annotated[str, Field(pattern=r"^https?://[^\s@]+$", max_length=1024)]
"""Without credentials: they belong into the configuration of the site."""
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$", description="32 bytes, base64")]
SiteType = Literal["primary", "secondary"]


class NewSite(Request):
    """`id` is given by the client that registers the same site at both Protectors."""

    name: Name
    description: Text = ""
    site_type: SiteType
    auth_url: Url
    region_name: Name | None = None
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")] | None = None
    signing_key: Key | None = None
    sealing_key: Key | None = None


class CreateSite(Request):
    site: NewSite


class SiteChange(Request):
    """A key that is missing stays as it is."""

    name: Name | None = None
    description: Text | None = None
    site_type: SiteType | None = None
    auth_url: Url | None = None
    region_name: Name | None = None
    signing_key: Key | None = None
    sealing_key: Key | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one key to change")
        return self


class UpdateSite(Request):
    site: SiteChange


class Site(Answer):
    id: str
    name: str
    description: str
    site_type: str
    auth_url: str
    region_name: str | None
    status: str
    capabilities: dict[str, Any]
    reachability: str
    signing_key: str | None
    sealing_key: str | None
    is_local: bool
    created_at: str | None

    @classmethod
    def of(cls, site: domain.Site, *, is_local: bool) -> Self:
        return cls(
            id=site.id,
            name=site.name,
            description=site.description,
            site_type=site.site_type,
            auth_url=site.auth_url,
            region_name=site.region_name,
            status=site.status,
            capabilities=site.capabilities,
            reachability=site.reachability,
            signing_key=site.signing_key,
            sealing_key=site.sealing_key,
            is_local=is_local,
            created_at=site.created_at or None,
        )


class SiteAnswer(Answer):
    site: Site


class SiteList(Answer):
    sites: list[Site]


class TenantSite(Answer):
    """What a tenant may know of a site."""

    id: str
    name: str
    site_type: str
    status: str
    region_name: str | None
    is_local: bool

    @classmethod
    def of(cls, site: domain.Site, *, is_local: bool) -> Self:
        return cls(
            id=site.id,
            name=site.name,
            site_type=site.site_type,
            status=site.status,
            region_name=site.region_name,
            is_local=is_local,
        )


class TenantSiteList(Answer):
    sites: list[TenantSite]


class SiteCheck(Answer):
    name: Literal["keystone", "nova", "cinder", "neutron", "protector"]
    status: Literal["ok", "error"]
    detail: str


class Validation(Answer):
    site: str
    status: str
    checks: list[SiteCheck]
    capabilities: dict[str, Any]


class ValidationAnswer(Answer):
    validation: Validation


class VolumeType(Answer):
    id: str
    name: str
    replication_enabled: bool
    replication_type: Literal["async", "sync"] | None


class VolumeTypeList(Answer):
    volume_types: list[VolumeType]
