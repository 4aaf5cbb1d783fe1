"""What keeps a server from running, a volume from booting, and anything newer from being deleted: each rule once, for all steps.

Nova, Cinder and the arrays have no conditional writes: what is looked up before a call may be untrue when it arrives. So these guards change
something first that makes every later or late call harmless, or, where only looking is possible, look as late as possible and refuse.
"""

from siterecovery.protector.arrays.base import ArrayVolume
from siterecovery.protector.clouds.base import Compute, Server, Volumes
from siterecovery.protector.domain.epoch import highest_epoch
from siterecovery.workflow.step import Call

LOCK_REASON = "protector: moved to the other site by operation "


def keep_off(call: Call, compute: Compute, server_id: str) -> None:
    """LOCK: a server is locked by an admin before it is stopped, and a start is only ever sent with a tenant's token, which the lock refuses. So
    neither a late call of ours nor a tenant starts a server that was stopped for a move. `compute` is the service's."""
    call.check()
    compute.lock(server_id, LOCK_REASON + call.operation)
    call.check()
    compute.stop(server_id)


def halt(call: Call, compute: Compute, server: Server) -> None:
    """The hard stop of a locked server whose guest does not shut down. It is paused: nothing runs or writes any more, at once, and the lock keeps it
    so. Not rebooted, though Nova knows a hard way for that only: a reboot that arrives late would start it. A stop that is still under way has to
    be called off first."""
    if server.task_state is not None:
        call.check()
        compute.reset_state(server.id)
    call.check()
    compute.pause(server.id)


def burn(call: Call, volumes: Volumes, volume_id: str) -> None:
    """BURN: a volume that must not run any more is made unbootable before its server goes: then a late create-server, which finds it free, is
    refused by Nova. Its content stays."""
    call.check()
    volumes.set_bootable(volume_id, False)


def handed_over(call: Call, server_step: str) -> bool:
    """UNDO_BARRIER: from the first create-server on, undoing that server and each volume it runs from is a barrier: until all of them are seen
    gone, nothing earlier is undone, so that the source does not start again beside a copy."""
    return call.begun(server_step)


def newer_on_array(found: ArrayVolume, epoch: int) -> str | None:
    """Why an array volume that is taken for one of `epoch` (or older) must not be destroyed, or None. Its tags were read with it just now: an
    old operation's clean-up never destroys what a later epoch uses."""
    tagged = highest_epoch(found.tags)
    return f"array volume {found.name} belongs to epoch {tagged}" if tagged > epoch else None
