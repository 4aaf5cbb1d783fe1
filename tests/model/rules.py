"""The rules that can be taken away, and the properties that must never break."""

import dataclasses
import enum


@dataclasses.dataclass(frozen=True)
class Rules:
    """Each field is a rule that the design names in capitals; False takes it out of the protocol."""

    ONE_DOOR: bool = True
    CLAIM: bool = True
    SITE_NUMBERS: bool = True
    TARGET_COMMITS: bool = True
    REVOKE: bool = True
    FORCE_OVERRIDES: bool = True
    FORCE_FENCES: bool = True
    SWEEP: bool = True
    RETURN_ASKS: bool = True
    LOCK: bool = True
    HANDOVER: bool = True
    UNDO_BARRIER: bool = True
    KEY_BY_OP: bool = True
    QUARANTINE: bool = True
    KEEP_STALE: bool = True
    KEEP_SOURCE: bool = True
    EPOCH_RP: bool = True
    NEW_OBJECTS: bool = True
    BURN: bool = True
    WATCH_UP: bool = True
    TAG_MONO: bool = True
    DRAIN: bool = True

    def without(self, *names: str) -> "Rules":
        return dataclasses.replace(self, **dict.fromkeys(names, False))


RULES = tuple(field.name for field in dataclasses.fields(Rules))


class Property(enum.StrEnum):
    """What must hold in every reachable state; the value is what it means when it does not."""

    TWO_IN_ONE_EPOCH = "two running copies carry the same failover epoch"
    SECOND_START = "the protocol starts a server while another copy runs and the sites reach one another"
    LATE_SECOND = "a late call or a tenant starts a second copy while the sites reach one another"
    TWO_AT_REST = "nothing is left to do, the sites reach one another, and two copies run"
    START_BEFORE_FENCE = "a site that can see a higher epoch starts a server"
    LAST_CONTENT = "the last place that held a guest's write is deleted or overwritten"
    PLANNED_LOSS = "a planned move commits without a write of its source"
    STALE_POINT = "a forced failover takes an older recovery point than the newest one of the lineage on its site"
    POINT_LOST = "a forced failover cannot reach what its site had when the group was last moved away from it"
    ACTIVE_DAMAGED = "the active copy's volume is deleted or loses writes"
    STUCK = "an operation can neither go on nor end, or goes round for ever"
    NO_RECOVERY = "the peer is gone and a forced failover is refused"
    SERVICE_DOWN = "nothing is left to do, no error is shown, and the active copy does not run"
    LEFT_LOCKED = "nothing is left to do, no error is shown, and the active server is locked"
    TWO_WRITERS = "both sites accepted changes in one epoch"
    ACTIVE_OLDER = "a site's record names the peer active at an (epoch, version) that the peer itself does not have"
    DIVERGED = "nothing is left to do, the sites reach one another, nothing is owed, and their records differ"
    TAG_FELL = "the array's epoch tag went down"
