"""Sites: an administrator registers both at both Protectors, with the same ids."""

import dataclasses

from siterecovery.protector.api import lookup
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.sites import (
    CreateSite,
    NewSite,
    Site,
    SiteAnswer,
    SiteCheck,
    SiteList,
    TenantSite,
    TenantSiteList,
    UpdateSite,
    Validation,
    ValidationAnswer,
    VolumeType,
    VolumeTypeList,
)
from siterecovery.protector.domain import site as domain
from siterecovery.protector.domain.errors import Conflict
from siterecovery.protector.domain.states import SiteStatus
from siterecovery.protector.store.base import Transaction


def _is_local(call: Call, site: domain.Site) -> bool:
    return site.name == call.services.identity.site_name


def _shown(call: Call, site: domain.Site) -> dict[str, object]:
    return SiteAnswer(site=Site.of(site, is_local=_is_local(call, site))).wire()


def list_sites(call: Call) -> Answer:
    sites = call.services.store.run(lambda tx: tx.sites.all())
    return Answer(SiteList(sites=[Site.of(site, is_local=_is_local(call, site)) for site in sites]).wire())


def list_tenant_sites(call: Call) -> Answer:
    sites = call.services.store.run(lambda tx: tx.sites.all())
    return Answer(TenantSiteList(sites=[TenantSite.of(site, is_local=_is_local(call, site)) for site in sites]).wire())


def get_site(call: Call) -> Answer:
    site = call.services.store.run(lambda tx: lookup.site(tx, call.params["site"]))
    return Answer(_shown(call, site))


def create_site(call: Call) -> Answer:
    """201. 409 `site.exists` when the name or id is taken."""
    wanted = call.read(CreateSite).site
    own = call.services.identity
    if wanted.name == own.site_name:
        wanted = _own_keys(call, wanted)

    def write(tx: Transaction) -> domain.Site:
        for taken in filter(None, (wanted.name, wanted.id)):
            if tx.sites.find(taken) is not None:
                raise Conflict(
                    f"A site with the name or id '{taken}' exists.",
                    code="site.exists",
                    remedy="Change it (PATCH), or delete it first.",
                )
        site = domain.Site(
            id=wanted.id or call.services.new_id(),
            name=wanted.name,
            site_type=wanted.site_type,
            auth_url=wanted.auth_url,
            description=wanted.description,
            region_name=wanted.region_name,
            signing_key=wanted.signing_key,
            sealing_key=wanted.sealing_key,
            created_at=tx.now(),
        )
        tx.sites.save(site)
        return site

    return Answer(_shown(call, call.services.store.run(write)), status=201)


def _own_keys(call: Call, wanted: NewSite) -> NewSite:
    """Registering itself, this Protector knows its own keys best; others under its name are a mistake worth refusing."""
    own = call.services.identity
    for name in ("signing_key", "sealing_key"):
        if getattr(wanted, name) not in (None, getattr(own, name)):
            raise Conflict(
                f"The {name} is not the one of this Protector, which is site '{own.site_name}'.",
                code="site.keys_mismatch",
                remedy="Leave the keys out, or read them with GET /v1/admin/identity.",
            )
    return wanted.model_copy(update={"signing_key": own.signing_key, "sealing_key": own.sealing_key})


def update_site(call: Call) -> Answer:
    wanted = call.read(UpdateSite).site
    changes = wanted.model_dump(exclude_unset=True)
    required = {name: value for name, value in changes.items() if value is not None or name == "region_name"}

    def write(tx: Transaction) -> domain.Site:
        site = lookup.site(tx, call.params["site"])
        if site.name != required.get("name", site.name):
            if tx.sites.find(required["name"]) is not None:
                raise Conflict(f"A site with the name '{required['name']}' exists.", code="site.exists")
            if _is_local(call, site):
                raise Conflict(
                    "A Protector knows itself by the name of its site.",
                    code="site.own_name",
                    remedy="Change [DEFAULT] site_name and restart both services first.",
                )
        changed = dataclasses.replace(site, **required)
        tx.sites.save(changed)
        return changed

    return Answer(_shown(call, call.services.store.run(write)))


def delete_site(call: Call) -> Answer:
    """204. 409 `site.in_use` while a group refers to it."""

    def write(tx: Transaction) -> None:
        site = lookup.site(tx, call.params["site"])
        using = [group for group in tx.groups.select() if site.id in (group.primary_site_id, group.secondary_site_id)]
        if using:
            raise Conflict(
                f"{len(using)} protection group(s) refer to site '{site.name}', such as '{using[0].name}'.",
                code="site.in_use",
                remedy="Delete them first.",
            )
        for mapping in tx.tenants.mappings():
            if mapping.remote_site_id == site.id:
                tx.tenants.delete_mapping(mapping.id)
        tx.sites.delete(site.id)

    call.services.store.run(write)
    return Answer(status=204)


def validate_site(call: Call) -> Answer:
    """Looks at the site now, and remembers what was found."""
    store = call.services.store
    site = store.run(lambda tx: lookup.site(tx, call.params["site"]))
    report = call.services.probes.validate(site)
    reachability = "; ".join(f"{check.name}: {check.detail}" for check in report.checks if check.status != "ok")

    def write(tx: Transaction) -> None:
        tx.sites.save(
            dataclasses.replace(
                lookup.site(tx, site.id),
                status=SiteStatus(report.status),
                capabilities=dict(report.capabilities),
                reachability=reachability or "All services answer.",
            )
        )

    store.run(write)
    checks = [SiteCheck.model_validate(dataclasses.asdict(check)) for check in report.checks]
    shown = Validation(site=site.name, status=report.status, checks=checks, capabilities=dict(report.capabilities))
    return Answer(ValidationAnswer(validation=shown).wire())


def list_volume_types(call: Call) -> Answer:
    site = call.services.store.run(lambda tx: lookup.site(tx, call.params["site"]))
    types = call.services.probes.volume_types(site)
    shown = [VolumeType.model_validate(dataclasses.asdict(item)) for item in types]
    return Answer(VolumeTypeList(volume_types=shown).wire())
