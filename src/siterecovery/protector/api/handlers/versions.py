"""GET /: which versions there are."""

from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.microversion import HIGHEST, LOWEST
from siterecovery.protector.api.schemas.versions import Link, Version, Versions


def list_versions(call: Call) -> Answer:
    link = Link(rel="self", href=f"{call.url.rstrip('/')}/v1/")
    return Answer(Versions(versions=[Version(min_version=str(LOWEST), version=str(HIGHEST), links=[link])]).wire())
