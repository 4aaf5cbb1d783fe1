from siterecovery.protector.api.policies import base

RESOURCE = "tenant_mappings"

INDEX = base.rule(RESOURCE, "index")
CREATE = base.rule(RESOURCE, "create")
DELETE = base.rule(RESOURCE, "delete")

RULES: base.Rules = {
    INDEX: (base.ADMIN, "List the tenant mappings"),
    CREATE: (base.ADMIN, "Map a project to one of the other site"),
    DELETE: (base.ADMIN, "Delete a tenant mapping"),
}
