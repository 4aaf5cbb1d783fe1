"""Who may do what: oslo.policy defaults, one file a noun. An operator overrides them in policy.yaml."""

from oslo_policy import policy as oslo_policy

from siterecovery.protector.api.policies import (
    action,
    consistency_group,
    delegation,
    health,
    identity,
    members,
    operations,
    policy,
    protection_groups,
    replica,
    sites,
    sync,
    tenant_mappings,
)
from siterecovery.protector.api.policies.base import Rules

RULES: Rules = {
    name: rule
    for noun in (
        identity,
        sites,
        tenant_mappings,
        delegation,
        protection_groups,
        members,
        policy,
        consistency_group,
        sync,
        replica,
        action,
        operations,
        health,
    )
    for name, rule in noun.RULES.items()
}


def list_rules() -> list[oslo_policy.RuleDefault]:
    """What `oslopolicy-sample-generator --namespace protector` prints."""
    return [oslo_policy.RuleDefault(name, check, description) for name, (check, description) in RULES.items()]
