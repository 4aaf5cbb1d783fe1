from siterecovery.protector.api.policies import base

RESOURCE = "sites"

INDEX = base.rule(RESOURCE, "index")
SHOW = base.rule(RESOURCE, "show")
CREATE = base.rule(RESOURCE, "create")
UPDATE = base.rule(RESOURCE, "update")
DELETE = base.rule(RESOURCE, "delete")
VALIDATE = base.rule(RESOURCE, "validate")
VOLUME_TYPES = base.rule(RESOURCE, "list_volume_types")
TENANT_INDEX = base.rule(RESOURCE, "tenant_index")

RULES: base.Rules = {
    INDEX: (base.ADMIN, "List the sites with everything known of them"),
    SHOW: (base.ADMIN, "Show a site"),
    CREATE: (base.ADMIN, "Register a site"),
    UPDATE: (base.ADMIN, "Change a site"),
    DELETE: (base.ADMIN, "Delete a site"),
    VALIDATE: (base.ADMIN, "Look whether a site's services answer"),
    VOLUME_TYPES: (base.ADMIN, "List a site's volume types"),
    TENANT_INDEX: (base.ADMIN_OR_OWNER, "List what a tenant may know of the sites"),
}
