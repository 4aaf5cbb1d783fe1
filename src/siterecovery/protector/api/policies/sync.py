from siterecovery.protector.api.policies import base

RESOURCE = "sync"

SHOW = base.rule(RESOURCE, "show")
CREATE = base.rule(RESOURCE, "create")

RULES: base.Rules = {
    SHOW: (base.ADMIN_OR_OWNER, "Compare the metadata of both sites"),
    CREATE: (base.MEMBER, "Synchronise the metadata of both sites"),
}
