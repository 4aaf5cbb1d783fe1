from siterecovery.protector.api.policies import base

RESOURCE = "action"

ACT = base.rule(RESOURCE, "create")
FAILOVER = base.rule(RESOURCE, "failover")
FAILBACK = base.rule(RESOURCE, "failback")
TEST_FAILOVER = base.rule(RESOURCE, "test_failover")
TEST_CLEANUP = base.rule(RESOURCE, "test_cleanup")
SYNC_VOLUMES = base.rule(RESOURCE, "sync_volumes")
RESET = base.rule(RESOURCE, "reset")

RULES: base.Rules = {
    ACT: (base.MEMBER, "Send an action; each one has a rule of its own besides"),
    FAILOVER: (base.MEMBER, "Fail a group over"),
    FAILBACK: (base.MEMBER, "Fail a group back"),
    TEST_FAILOVER: (base.MEMBER, "Test a failover"),
    TEST_CLEANUP: (base.MEMBER, "Clean up after a test"),
    SYNC_VOLUMES: (base.MEMBER, "Replicate the group's volumes now"),
    RESET: (base.ADMIN, "Return a group from the status error"),
}
