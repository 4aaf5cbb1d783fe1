from siterecovery.protector.api.policies import base

RESOURCE = "consistency_group"

SHOW = base.rule(RESOURCE, "show")
SYNC = base.rule(RESOURCE, "sync")

RULES: base.Rules = {
    SHOW: (base.ADMIN_OR_OWNER, "Show a group's consistency group"),
    SYNC: (base.MEMBER, "Replicate the group's volumes now"),
}
