from siterecovery.protector.api.policies import base

RESOURCE = "health"

SHOW = base.rule(RESOURCE, "show")

RULES: base.Rules = {
    SHOW: (base.ADMIN_OR_OWNER, "Show the health of the service and of the project's groups"),
}
