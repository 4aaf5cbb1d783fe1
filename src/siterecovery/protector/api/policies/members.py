from siterecovery.protector.api.policies import base

RESOURCE = "members"

INDEX = base.rule(RESOURCE, "index")
SHOW = base.rule(RESOURCE, "show")
CREATE = base.rule(RESOURCE, "create")
DELETE = base.rule(RESOURCE, "delete")

RULES: base.Rules = {
    INDEX: (base.ADMIN_OR_OWNER, "List a group's members"),
    SHOW: (base.ADMIN_OR_OWNER, "Show a member"),
    CREATE: (base.MEMBER, "Add a VM to a group"),
    DELETE: (base.MEMBER, "Remove a VM from a group"),
}
