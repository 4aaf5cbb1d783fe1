from siterecovery.protector.api.schemas.base import Answer


class Link(Answer):
    rel: str
    href: str


class Version(Answer):
    id: str = "v1"
    status: str = "CURRENT"
    min_version: str
    version: str
    links: list[Link]


class Versions(Answer):
    versions: list[Version]
