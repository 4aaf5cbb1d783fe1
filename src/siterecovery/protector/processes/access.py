"""From settings to what clouds, arrays and the peer want to know. Sites are known by name in the configuration, by id everywhere else."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from siterecovery.protector.arrays.settings import ArraySettings
from siterecovery.protector.clouds.access import SiteAccess
from siterecovery.protector.clouds.registry import user_agent
from siterecovery.protector.domain.site import Site
from siterecovery.protector.peer.transport import PeerAccess
from siterecovery.protector.processes.settings import AccessSettings, Settings
from siterecovery.protector.store.base import Store


class RegisteredSites(Mapping[str, SiteAccess]):
    """Site id → how to reach its cloud. A live look into the database: a site can be registered while the service runs."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def __getitem__(self, site_id: str) -> SiteAccess:
        site = self._store.run(lambda tx: tx.sites.get(site_id))
        access = self._configured(site) if site is not None else None
        if site is None or access is None:
            raise KeyError(site_id)
        return self._access(site, access)

    def __iter__(self) -> Iterator[str]:
        return (site.id for site in self._store.run(lambda tx: tx.sites.all()) if self._configured(site) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _configured(self, site: Site) -> AccessSettings | None:
        return (
            self._settings.service_auth
            if site.name == self._settings.site_name
            else self._settings.sites.get(site.name)
        )

    def _access(self, site: Site, access: AccessSettings) -> SiteAccess:
        """The address comes from the configuration: what was registered is for people to read."""
        return SiteAccess(
            site_id=site.id,
            name=site.name,
            auth_url=access.auth_url,
            username=access.username,
            password=access.password,
            project_name=access.project_name,
            user_domain=access.user_domain_name,
            project_domain=access.project_domain_name,
            region_name=access.region_name,
            interface=access.interface,
            cafile=access.cafile,
            connect_timeout=self._settings.engine.connect_timeout,
            read_timeout=self._settings.engine.call_timeout,
            group_type=access.group_type,
        )


def peers(settings: Settings) -> dict[str, PeerAccess]:
    """By site name."""
    return {
        name: PeerAccess(
            name=name,
            auth_url=access.auth_url,
            username=access.username,
            password=access.password,
            project_name=access.project_name,
            user_domain=access.user_domain_name,
            project_domain=access.project_domain_name,
            region_name=access.region_name,
            interface=access.interface,
            endpoint=access.protector_endpoint,
            cafile=access.cafile,
            connect_timeout=settings.sync.connect_timeout,
            read_timeout=settings.sync.read_timeout,
        )
        for name, access in settings.sites.items()
    }


def arrays(settings: Settings) -> ArraySettings:
    storage = settings.storage
    return ArraySettings(
        driver=storage.driver,
        allowed_urls=storage.allowed_array_urls,
        user_agent=user_agent(settings.site_name),
        ca_file=Path(storage.ca_file) if storage.ca_file else None,
        verify=storage.verify,
        fingerprints=_by_url(storage.fingerprints),
        array_ids=_by_url(storage.array_ids),
        connect_timeout=settings.engine.connect_timeout,
        read_timeout=settings.engine.call_timeout,
        rest_ceiling=storage.rest_ceiling,
        state_path=settings.state_path,
    )


def _by_url(by_host: Mapping[str, str]) -> dict[str, str]:
    """oslo.config's dictionaries cannot have a colon in a key, so the file names hosts."""
    return {f"https://{host}": value for host, value in by_host.items()}
