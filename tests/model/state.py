"""What a state of the search is made of: plain tuples, so that it hashes fast.

Sites are 0 (the group's primary) and 1. A *copy* is one volume with the server that boots from it, made by one operation; copy 0 is the original.
Content is a bit mask of guest writes. A *call* is issued first, with everything its sender has looked up, and applied later, when nothing is
looked up any more: check-then-act is never atomic. A call whose sender was replaced stays in `late`, and arrives at any later time, or never.
"""

import enum
from typing import NamedTuple

NAMES = "AB"


class _Number(enum.IntEnum):
    """An enum that hashes as the number it is: states are hashed millions of times."""

    __hash__ = int.__hash__


class Volume(_Number):
    BOOTABLE = 1
    UNBOOTABLE = 2
    DELETED = 3


class Server(_Number):
    NONE = 0
    STOPPED = 1
    RUNNING = 2
    DELETED = 3
    DOWN = 4
    """It was running when its site died."""


PRESENT = (Server.STOPPED, Server.RUNNING, Server.DOWN)
ABSENT = (Server.NONE, Server.DELETED)
WITH_CONTENT = (Volume.BOOTABLE, Volume.UNBOOTABLE)


class Claimed(_Number):
    """`states.ClaimState`, as a number."""

    NONE = 0
    OPEN = 1
    COMMITTED = 2
    REVOKED = 3


class Past(NamedTuple):
    """One committed epoch (`epoch.Generation`); operation 0 made the group."""

    epoch: int
    parent: int
    site: int
    operation: int


class Row(NamedTuple):
    """One site's row of the group (`ProtectionGroup`). `owes`: the ledger has debts; `wrote`: epochs (bits) in which changes were accepted here."""

    epoch: int = 0
    version: int = 0
    active: int = 0
    trouble: bool = False
    claim_epoch: int = 0
    claim_by: int = 0
    claim: Claimed = Claimed.NONE
    fence: int = 0
    pushed_hold: int = 0
    lineage: tuple[Past, ...] = (Past(0, -1, 0, 0),)
    owes: bool = False
    wrote: int = 0


class Array(NamedTuple):
    """One site's array: its epoch tag, and the newest recovery point replicated to it (of which copy, what content)."""

    tag: int = 0
    point_of: int = 0
    point: int = 0


class Copy(NamedTuple):
    """`lease`: under which its server was made; `parent`: the epoch whose content it started from; `accepted`: its site's database knows it as
    committed; `schedule`: its replication to the other site runs."""

    site: int
    operation: int
    epoch: int
    parent: int
    data: int
    volume: Volume = Volume.BOOTABLE
    server: Server = Server.NONE
    lease: int = 0
    locked: bool = False
    schedule: bool = False
    accepted: bool = False


class Verb(_Number):
    """Calls to a database (the first five), an array, Cinder and Nova."""

    CLAIM = 0
    COMMIT = 1
    REVOKE = 2
    FENCE = 3
    PUSH = 4
    HOLD = 5
    RELEASE = 6
    STAMP = 10
    SNAPSHOT = 11
    COPY = 12
    OVERWRITE = 13
    SCHEDULE_OFF = 14
    SCHEDULE_ON = 15
    DESTROY = 20
    DELETE_VOLUME = 21
    BURN = 22
    LOCK = 30
    UNLOCK = 31
    STOP = 32
    START = 33
    CREATE = 34
    DELETE_SERVER = 35

    @property
    def text(self) -> str:
        return self.name.lower().replace("_", " ")


class Call(NamedTuple):
    """`copy` is -1 where none is meant; `sent_by` the site whose engine sent it."""

    verb: Verb
    at: int
    copy: int
    operation: int
    sent_by: int
    epoch: int = 0
    parent: int = 0
    content: int = 0
    flag: bool = False
    row: Row | None = None

    @property
    def text(self) -> str:
        return f"{self.verb.text} on {NAMES[self.at]}" + (f" (copy {self.copy})" if self.copy >= 0 else "")


class Kind(_Number):
    PLANNED = 0
    FORCED = 1
    SETTLE = 2
    """sync-force: fences the peer, pays what is owed there, pushes."""
    CHANGE = 3
    """A change of the metadata."""


class Step(_Number):
    """Planned forward, its undo, forced, settle, change. Names as in the runbooks where they have one."""

    HOLD = 0
    CLAIM = 1
    STAMP = 2
    STOP = 3
    SNAPSHOT = 4
    COPY = 5
    CREATE = 6
    COMMIT = 7
    LEARN = 8
    STAMP_AGAIN = 9
    OLD_SCHEDULE = 10
    NEW_SCHEDULE = 11
    BURN = 12
    DELETE_SERVER = 13
    DELETE_VOLUME = 14
    RELEASE = 15
    END = 16
    U_REVOKE = 20
    U_DELETE_SERVER = 21
    U_DESTROY = 22
    U_UNLOCK = 23
    U_START = 24
    U_RELEASE = 25
    U_END = 26
    F_STAMP = 30
    F_FENCE = 31
    F_SWEEP = 32
    F_PICK = 33
    F_COPY = 34
    F_CREATE = 35
    F_COMMIT = 36
    F_END = 37
    S_PAY = 40
    S_PUSH = 41
    S_END = 42
    M_COMMIT = 50
    M_PUSH = 51
    M_END = 52


class Op(NamedTuple):
    """An operation in the database of site `at`, which is also its hold there. `epoch` 0: not claimed yet. `point` -1: none chosen.
    `handed`: a create-server was sent; `lossy`: it accepts a loss; `done`: it has committed."""

    kind: Kind
    id: int
    at: int
    source: int
    target: int
    original: int
    base: int
    epoch: int
    step: Step
    lease: int = 0
    call: Call | None = None
    point: int = -1
    parent: int = 0
    handed: bool = False
    lossy: bool = False
    done: bool = False


class Budget(NamedTuple):
    """How much may still go wrong, and be asked for. Fields with two letters count per site."""

    cuts: int = 0
    deaths_A: int = 0
    deaths_B: int = 0
    takeovers: int = 0
    failures: int = 0
    """Failing steps, and users who cancel."""
    writes: int = 0
    tenant: int = 0
    """Starts that a tenant tries."""
    planned_A: int = 0
    planned_B: int = 0
    lossy_A: int = 0
    lossy_B: int = 0
    """Failbacks by force, without reverse replication."""
    forced_A: int = 0
    forced_B: int = 0
    changes: int = 0
    settles: int = 0


class Truth(NamedTuple):
    """What really is, and no site may know: the newest committed epoch and its copy, and what each site had when the group left it last."""

    epoch: int = 0
    copy: int = 0
    left: tuple[int, int] = (0, 0)
    next_id: int = 1
    written: int = 0


class World(NamedTuple):
    budget: Budget
    link: bool = True
    up: tuple[bool, bool] = (True, True)
    rows: tuple[Row, Row] = (Row(), Row())
    arrays: tuple[Array, Array] = (Array(), Array())
    copies: tuple[Copy, ...] = (Copy(0, 0, 0, 0, 0, server=Server.RUNNING, schedule=True, accepted=True),)
    ops: tuple[Op | None, Op | None] = (None, None)
    late: tuple[Call, ...] = ()
    truth: Truth = Truth()

    @property
    def connected(self) -> bool:
        return self.link and self.up[0] and self.up[1]

    def reaches(self, here: int, there: int) -> bool:
        return self.up[here] and self.up[there] and (here == there or self.link)

    def running(self) -> list[int]:
        return [i for i, c in enumerate(self.copies) if c.server is Server.RUNNING and self.up[c.site]]

    def made_by(self, operation: int) -> int:
        """The operation's own copy, or -1."""
        return next((i for i, c in enumerate(self.copies) if c.operation == operation), -1)

    def with_row(self, site: int, row: Row) -> "World":
        return self._replace(rows=(row, self.rows[1]) if site == 0 else (self.rows[0], row))

    def with_array(self, site: int, array: Array) -> "World":
        return self._replace(arrays=(array, self.arrays[1]) if site == 0 else (self.arrays[0], array))

    def with_op(self, site: int, op: Op | None) -> "World":
        return self._replace(ops=(op, self.ops[1]) if site == 0 else (self.ops[0], op))

    def with_copy(self, index: int, copy: Copy) -> "World":
        return self._replace(copies=(*self.copies[:index], copy, *self.copies[index + 1 :]))

    def troubled(self, site: int) -> "World":
        return self.with_row(site, self.rows[site]._replace(trouble=True))

    def spend(self, field: str) -> "World":
        return self._replace(budget=self.budget._replace(**{field: getattr(self.budget, field) - 1}))


class Move(NamedTuple):
    """One transition. `fence`: it stops or locks something older."""

    label: str
    then: World
    broken: "str | None" = None
    fence: bool = False
