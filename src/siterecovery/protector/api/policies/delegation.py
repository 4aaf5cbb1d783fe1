from siterecovery.protector.api.policies import base

RESOURCE = "delegation"

SHOW = base.rule(RESOURCE, "show")
CREATE = base.rule(RESOURCE, "create")
DELETE = base.rule(RESOURCE, "delete")

RULES: base.Rules = {
    SHOW: (base.ADMIN_OR_OWNER, "Show the project's delegation"),
    CREATE: (base.MEMBER, "Delegate to the service user by a trust"),
    DELETE: (base.MEMBER, "End the delegation"),
}
