from siterecovery.protector.api.policies import base

RESOURCE = "identity"

SHOW = base.rule(RESOURCE, "show")

RULES: base.Rules = {
    SHOW: (base.ADMIN, "Read this Protector's name and public keys"),
}
