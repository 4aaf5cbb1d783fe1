from siterecovery.protector.api.policies import base

RESOURCE = "operations"

INDEX = base.rule(RESOURCE, "index")
SHOW = base.rule(RESOURCE, "show")
CLEANUP = base.rule(RESOURCE, "cleanup")
CANCEL = base.rule(RESOURCE, "cancel")

RULES: base.Rules = {
    INDEX: (base.ADMIN_OR_OWNER, "List the project's operations"),
    SHOW: (base.ADMIN_OR_OWNER, "Show an operation"),
    CLEANUP: (base.MEMBER, "Clean up what an operation has left behind"),
    CANCEL: (base.MEMBER, "Cancel an operation"),
}
