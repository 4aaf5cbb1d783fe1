from siterecovery.protector.api.policies import base

RESOURCE = "replica"

SHOW = base.rule(RESOURCE, "show")
UPDATE = base.rule(RESOURCE, "update")
ACT = base.rule(RESOURCE, "act")

RULES: base.Rules = {
    SHOW: (f"{base.PEER} or project_id:%(project_id)s", "Read a group's signed metadata document"),
    UPDATE: (
        f"{base.PEER} or (role:member and project_id:%(project_id)s)",
        "Bring the other site's signed metadata document",
    ),
    ACT: (base.PEER, "Claim, revoke, commit, hold, release, fence or forget a group, as the other site's Protector"),
}
