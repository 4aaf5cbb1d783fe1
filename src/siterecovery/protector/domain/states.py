"""Every state a noun can be in, with a sentence an operator can read, and the moves between them.

A state *rests* (nothing happens until somebody asks) or *passes* (an operation is under way). The pictures in the manual
are drawn from these tables. Sources: the product's operation monitoring and operations API pages; `design` decisions are
marked where the pages are silent.
"""

import enum


class Described(enum.StrEnum):
    """A state with its sentence: `NAME = "value", "sentence", rests`."""

    sentence: str
    rests: bool

    def __new__(cls, value: str, sentence: str = "", rests: bool = True) -> "Described":
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        member.rests = rests
        return member


class GroupStatus(Described):
    CREATING = "creating", "Its consistency groups are being made on both sites.", False
    ACTIVE = "active", "Its VMs run where they belong and are protected by the other site.", True
    FAILING_OVER = "failing_over", "Its VMs are being moved to the other site.", False
    FAILED_OVER = "failed_over", "Its VMs run on the other site; fail back when the first one is fit again.", True
    FAILED_OVER_PARTIAL = (
        "failed_over_partial",
        "Some of its VMs could not be recreated on the other site; fail over again to retry only those.",
        True,
    )
    FAILING_BACK = "failing_back", "Its VMs are being moved back to their first site.", False
    ERROR = "error", "Something could not be undone; the operation's record says what a person must do.", True
    DELETING = "deleting", "Its consistency groups are being removed from both sites.", False


class OperationStatus(Described):
    PENDING = "pending", "It is accepted and waits for an engine.", False
    RUNNING = "running", "An engine works on it.", False
    ROLLING_BACK = "rolling_back", "A step failed; what was done is being undone.", False
    COMPLETED = "completed", "It did what was asked; steps_failed names what is left to clean up.", True
    FAILED = "failed", "It did not happen; error_message says why, and what was done is undone.", True


class MemberStatus(Described):
    ADDING = "adding", "Its volumes are joining the group.", False
    PROTECTED = "protected", "It can be rebuilt on the other site.", True
    RECOVERING = "recovering", "It is being rebuilt on the other site.", False
    RECOVERED = "recovered", "It runs on the site it was moved to.", True
    ERROR = "error", "It is not protected; error_message says why.", True
    REMOVING = "removing", "Its volumes are leaving the group.", False


class SiteStatus(Described):
    ACTIVE = "active", "Its Keystone, Nova, Cinder and Neutron answer."
    UNREACHABLE = "unreachable", "It does not answer."
    ERROR = "error", "It answers, but something it must offer is missing."


class SyncStatus(Described):
    SYNCED = "SYNCED", "The other site has the same (epoch, version)."
    PENDING = "PENDING", "A change is on its way to the other site.", False
    FAILED = "FAILED", "The other site refused the last change."
    UNREACHABLE = "UNREACHABLE", "The other site does not answer, or debts are owed there."


class PolicyStatus(Described):
    APPLYING = "applying", "Replication is being configured on the arrays.", False
    ACTIVE = "active", "The arrays replicate the group's volumes."
    ERROR = "error", "The arrays could not be configured; error_message says why."


class ClaimState(enum.StrEnum):
    """The newest claim on a group's next epoch, in the target's database."""

    NONE = "none"
    OPEN = "open"
    COMMITTED = "committed"
    REVOKED = "revoked"


class OperationType(enum.StrEnum):
    """The five that tenants see, then the internal ones, which only their own commands wait for."""

    FAILOVER = "failover"
    FAILBACK = "failback"
    TEST_FAILOVER = "test_failover"
    TEST_CLEANUP = "test_cleanup"
    SYNC_VOLUMES = "sync_volumes"
    CREATE_GROUP = "create_group"
    DELETE_GROUP = "delete_group"
    ADD_MEMBER = "add_member"
    REMOVE_MEMBER = "remove_member"
    APPLY_POLICY = "apply_policy"
    SYNC_FORCE = "sync_force"
    CLEANUP = "cleanup"
    STEP_DOWN = "step_down"
    RESET = "reset"

    @property
    def internal(self) -> bool:
        return self not in DOCUMENTED_TYPES


DOCUMENTED_TYPES = (
    OperationType.FAILOVER,
    OperationType.FAILBACK,
    OperationType.TEST_FAILOVER,
    OperationType.TEST_CLEANUP,
    OperationType.SYNC_VOLUMES,
)

TERMINAL = frozenset({OperationStatus.COMPLETED, OperationStatus.FAILED})

RESTING_GROUP = frozenset(status for status in GroupStatus if status.rests)

ALLOWED: dict[OperationType, frozenset[GroupStatus]] = {
    # Documented: failover from active, failback from failed_over; ours: a forced failover retries the missing members of a
    # partial one, failback also from there (C12), and reset is the only way out of error.
    OperationType.FAILOVER: frozenset({GroupStatus.ACTIVE}),
    OperationType.FAILBACK: frozenset({GroupStatus.FAILED_OVER, GroupStatus.FAILED_OVER_PARTIAL}),
    OperationType.TEST_FAILOVER: frozenset({GroupStatus.ACTIVE}),
    OperationType.TEST_CLEANUP: frozenset({GroupStatus.ACTIVE}),
    OperationType.SYNC_VOLUMES: frozenset({GroupStatus.ACTIVE, GroupStatus.FAILED_OVER}),
    OperationType.DELETE_GROUP: frozenset({GroupStatus.ACTIVE, GroupStatus.FAILED_OVER, GroupStatus.ERROR}),
    OperationType.ADD_MEMBER: frozenset({GroupStatus.ACTIVE}),
    OperationType.REMOVE_MEMBER: frozenset({GroupStatus.ACTIVE, GroupStatus.FAILED_OVER}),
    OperationType.APPLY_POLICY: frozenset({GroupStatus.ACTIVE}),
    OperationType.SYNC_FORCE: RESTING_GROUP,
    OperationType.CLEANUP: RESTING_GROUP,
    OperationType.STEP_DOWN: frozenset(GroupStatus),
    OperationType.RESET: frozenset({GroupStatus.ERROR}),
}

FORCED_FAILOVER_FROM = frozenset(
    # A hold that a dead peer pushed, or a status it left passing, never refuses a forced failover.
    {
        GroupStatus.ACTIVE,
        GroupStatus.FAILED_OVER,
        GroupStatus.FAILED_OVER_PARTIAL,
        GroupStatus.FAILING_OVER,
        GroupStatus.FAILING_BACK,
    }
)
