"""GET /v1/admin/identity: what the other site's Protector must know of this one."""

from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.identity import Identity, IdentityAnswer


def get_identity(call: Call) -> Answer:
    own = call.services.identity
    shown = Identity(site_name=own.site_name, signing_key=own.signing_key, sealing_key=own.sealing_key)
    return Answer(IdentityAnswer(identity=shown).wire())
