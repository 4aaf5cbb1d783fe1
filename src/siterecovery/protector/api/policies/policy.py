from siterecovery.protector.api.policies import base

RESOURCE = "policy"

SHOW = base.rule(RESOURCE, "show")
CREATE = base.rule(RESOURCE, "create")

RULES: base.Rules = {
    SHOW: (base.ADMIN_OR_OWNER, "Show a group's replication policy, its tokens masked"),
    CREATE: (base.MEMBER, "Create or replace a group's replication policy"),
}
