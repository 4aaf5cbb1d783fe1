from siterecovery.protector.api.policies import base

RESOURCE = "protection_groups"

INDEX = base.rule(RESOURCE, "index")
SHOW = base.rule(RESOURCE, "show")
CREATE = base.rule(RESOURCE, "create")
UPDATE = base.rule(RESOURCE, "update")
DELETE = base.rule(RESOURCE, "delete")

RULES: base.Rules = {
    INDEX: (base.ADMIN_OR_OWNER, "List the project's protection groups"),
    SHOW: (base.ADMIN_OR_OWNER, "Show a protection group"),
    CREATE: (base.MEMBER, "Create a protection group"),
    UPDATE: (base.MEMBER, "Change a protection group"),
    DELETE: (base.MEMBER, "Delete a protection group"),
}
