"""The life of a server: what nova-compute does after the API has answered.

Builds queue for `boot_concurrency` places and take `boot` seconds each. Every step looks at the server again when its
time comes, because somebody may have deleted it meanwhile.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sandbox.cloud.compute.model import BlockDevice, Fault, Nic, Server
from sandbox.cloud.compute.store import Compute
from sandbox.cloud.errors import ApiError
from sandbox.cloud.ids import new_id
from sandbox.cloud.volume.driver import BackendError
from sandbox.cloud.work import Work
from sandbox.latency import Profile

if TYPE_CHECKING:
    from sandbox.cloud.guests import Guests
    from sandbox.cloud.network.store import Network
    from sandbox.cloud.volume.store import Volumes

_RUNNING, _PAUSED, _SHUTDOWN = 1, 3, 4
_NO_HOST = "No valid host was found. There are not enough hosts available."
COMPUTE_SERVICE = "nova-compute"


class Life:
    """Runs the servers of one cloud."""

    def __init__(
        self, nova: Compute, cinder: Volumes, neutron: Network, guests: Guests, work: Work, profile: Profile
    ) -> None:
        self._nova = nova
        self._cinder = cinder
        self._neutron = neutron
        self._guests = guests
        self._work = work
        self._profile = profile
        self._queue: deque[Server] = deque()
        self._building: set[str] = set()

    def build(self, server: Server) -> None:
        """Queue a new server; a failure ordered by a knob takes the place of the scheduler's."""
        knobs = self._nova.knobs
        if knobs.fail_builds > 0:
            knobs.fail_builds -= 1
            self._work.later(0.0, lambda: self._failed(server, knobs.fail_message))
            return
        self._queue.append(server)
        self._work.later(0.0, self._fill, COMPUTE_SERVICE)

    def _fill(self) -> None:
        """Start as many builds as there are places."""
        while self._queue and len(self._building) < self._profile.current.boot_concurrency:
            server = self._queue.popleft()
            if server.id in self._nova.servers and server.task_state == "scheduling":
                self._building.add(server.id)
                self._prepare(server)

    def _prepare(self, server: Server) -> None:
        """Ports, then disks, then the machine itself."""
        server.host = self._nova.host
        try:
            self._connect(server)
            for disk in server.disks:
                self._attach_disk(server, disk)
        except (ApiError, BackendError) as error:
            self._abort(server, str(error))
            return
        server.task_state = "spawning"
        self._touch(server)
        self._work.later(self._profile.current.boot, lambda: self._spawned(server), COMPUTE_SERVICE)

    def _connect(self, server: Server) -> None:
        """Make a port for every network that was asked for by network."""
        for wanted in server.requested_networks:
            port = self._neutron.port_for_server(server, wanted)
            server.nics = (*server.nics, Nic(port.id, owned=True))
        for nic in server.nics:
            self._neutron.activate(nic.port_id, server.host)

    def _attach_disk(self, server: Server, disk: BlockDevice) -> None:
        if disk.volume_id is None and disk.source:
            disk = self._new_volume(server, disk)
        if disk.volume_id is None:
            return
        volume = self._cinder.volumes.get(disk.volume_id)
        if volume is None:
            raise BackendError(f"Volume {disk.volume_id} could not be found.")
        self._cinder.attach(volume, server.id, disk.device, server.host)

    def _new_volume(self, server: Server, disk: BlockDevice) -> BlockDevice:
        """A disk that Nova makes a volume for: blank, or from an image; it is there at once, as seen from the outside."""
        volume = self._cinder.volume_for_server(server.project_id, server.user_id, disk.size, disk.source)
        ready = BlockDevice(
            disk.id, volume.id, disk.device, disk.boot_index, disk.delete_on_termination, disk.tag, disk.size
        )
        server.disks = tuple(ready if entry.id == disk.id else entry for entry in server.disks)
        return ready

    def _spawned(self, server: Server) -> None:
        if server.id not in self._nova.servers or server.task_state != "spawning":
            self._done(server)
            return
        if self._nova.knobs.meant(self._nova.knobs.endless_builds, server):
            self._work.later(1.0, lambda: self._spawned(server), COMPUTE_SERVICE)
            return
        server.vm_state, server.task_state, server.power_state = "active", None, _RUNNING
        server.launched_at = self._nova.clock.now()
        self._touch(server)
        self._guests.boot(server)
        self._done(server)

    def _done(self, server: Server) -> None:
        self._building.discard(server.id)
        self._fill()

    def _abort(self, server: Server, reason: str) -> None:
        """A build that failed on the host gives back what it took and keeps its record in ERROR."""
        self._release(server)
        server.disks = tuple(disk for disk in server.disks if disk.volume_id is None or not disk.delete_on_termination)
        self._failed(server, f"Build of instance {server.id} aborted: {reason}")
        self._done(server)

    def _failed(self, server: Server, message: str) -> None:
        """As after `No valid host`: the volumes stay reserved until the server is deleted."""
        server.vm_state, server.task_state = "error", None
        server.fault = Fault(500, message or _NO_HOST, self._nova.clock.now(), "Traceback kept in nova-conductor.log")
        self._nova.note("server", "failed", server.id, server.name)
        self._touch(server)

    def stop(self, server: Server) -> None:
        """Ask the guest to shut down; one that hangs is asked for ever."""
        server.task_state = "powering-off"
        self._touch(server)
        self._work.later(self._profile.current.stop, lambda: self._stopped(server), COMPUTE_SERVICE)

    def _stopped(self, server: Server) -> None:
        if server.task_state != "powering-off":
            return
        if self._nova.knobs.meant(self._nova.knobs.hung_guests, server):
            self._work.later(0.5, lambda: self._stopped(server), COMPUTE_SERVICE)
            return
        self._guests.halt(server, clean=True)
        self._settle(server, "stopped", _SHUTDOWN)

    def start(self, server: Server) -> None:
        """Power on."""
        self._passing(server, "powering-on", self._profile.current.start, "active", _RUNNING)

    def pause(self, server: Server) -> None:
        """Freeze the guest where it is."""
        self._passing(server, "pausing", self._profile.current.pause, "paused", _PAUSED)

    def unpause(self, server: Server) -> None:
        """Let it go on."""
        self._passing(server, "unpausing", self._profile.current.pause, "active", _RUNNING)

    def reboot(self, server: Server, *, hard: bool) -> None:
        """Soft flushes the guest's last write, hard does not."""
        if not hard and self._nova.knobs.meant(self._nova.knobs.hung_guests, server):
            hard = True
        self._guests.halt(server, clean=not hard)
        task = "rebooting_hard" if hard else "rebooting"
        self._passing(server, task, self._profile.current.reboot, "active", _RUNNING)

    def _passing(self, server: Server, task: str, seconds: float, vm_state: str, power: int) -> None:
        server.task_state = task
        self._touch(server)

        def finish() -> None:
            if server.task_state != task:
                return
            self._settle(server, vm_state, power)
            if vm_state == "active":
                self._guests.boot(server, resumed=task == "unpausing")
            else:
                self._guests.halt(server, clean=False)

        self._work.later(seconds, finish, COMPUTE_SERVICE)

    def _settle(self, server: Server, vm_state: str, power: int) -> None:
        server.vm_state, server.task_state, server.power_state = vm_state, None, power
        self._touch(server)

    def delete(self, server: Server) -> None:
        """Power off hard, detach, and forget; one that is deleted already is deleted no further."""
        if server.task_state == "deleting":
            return
        server.task_state = "deleting"
        self._touch(server)
        if not self._nova.knobs.meant(self._nova.knobs.stuck_deletes, server):
            self._work.later(self._profile.current.delete, lambda: self._deleted(server))

    def _deleted(self, server: Server) -> None:
        self._guests.halt(server, clean=False)
        self._release(server)
        self._nova.servers.pop(server.id, None)
        for group in self._nova.groups.values():
            group.members = tuple(member for member in group.members if member != server.id)
        server.vm_state, server.task_state, server.power_state = "deleted", None, 0
        server.terminated_at = self._nova.clock.now()
        self._touch(server)
        self._nova.deleted.append(server)
        self._nova.note("server", "deleted", server.id, server.name)
        self._done(server)

    def _release(self, server: Server) -> None:
        """Detach every volume (deleting those that go with the server) and give up every port."""
        for disk in server.disks:
            volume = self._cinder.volumes.get(disk.volume_id or "")
            if volume is None:
                continue
            if any(entry.server_id == server.id for entry in volume.attachments):
                self._cinder.detach(volume, server.id)
            else:
                self._cinder.unreserve(volume)
            if disk.delete_on_termination and volume.status == "available" and volume.group_id is None:
                self._cinder.delete(volume)
        for nic in server.nics:
            self._neutron.release(nic.port_id, owned=nic.owned)
        server.nics = ()

    def attach(self, server: Server, volume_id: str, *, device: str | None, tag: str | None, ends: bool) -> BlockDevice:
        """Attach a reserved volume to a server that exists; returns the disk at once, the work comes later."""
        disk = BlockDevice(new_id(), volume_id, device or self._next_device(server), None, ends, tag)
        server.disks = (*server.disks, disk)
        self._touch(server)

        def work() -> None:
            volume = self._cinder.volumes.get(volume_id)
            if volume is None or server.id not in self._nova.servers:
                return
            try:
                self._cinder.attach(volume, server.id, disk.device, server.host)
            except BackendError as error:
                self._cinder.unreserve(volume)
                self._cinder.last_errors[volume.id] = str(error)
                server.disks = tuple(entry for entry in server.disks if entry.id != disk.id)

        self._work.later(self._profile.current.attach, work, COMPUTE_SERVICE)
        return disk

    def detach(self, server: Server, disk: BlockDevice) -> None:
        """Detach a volume; it shows `detaching` meanwhile."""
        volume = self._cinder.volumes[str(disk.volume_id)]
        volume.status = "detaching"

        def work() -> None:
            self._guests.flush(server)
            server.disks = tuple(entry for entry in server.disks if entry.id != disk.id)
            self._touch(server)
            self._cinder.detach(volume, server.id)
            if disk.delete_on_termination and volume.status == "available" and volume.group_id is None:
                self._cinder.delete(volume)

        self._work.later(self._profile.current.detach, work, COMPUTE_SERVICE)

    @staticmethod
    def _next_device(server: Server) -> str:
        taken = {disk.device for disk in server.disks}
        return next(f"/dev/vd{letter}" for letter in "bcdefghijklmnopqrstuvwxyz" if f"/dev/vd{letter}" not in taken)

    def _touch(self, server: Server) -> None:
        server.updated_at = self._nova.clock.now()
