from siterecovery.protector.api.schemas.base import Answer


class Identity(Answer):
    site_name: str
    signing_key: str
    sealing_key: str


class IdentityAnswer(Answer):
    identity: Identity
