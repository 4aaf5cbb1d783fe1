"""Asynchronous replication between arrays: the handshake, snapshots, and transfers that take time.

Handshake: a target added at the source shows there as a replica after `appear_delay`; allowing happens on the replica
only, and the source learns it after `allow_delay`. Nothing is sent before.

Transfers: each target has a queue. Of the ordinary sessions only the first moves; urgent ones (replicate now) all move
at once. The arrival on the target is listed from the start, its members become usable when it is complete. A transfer
pauses while the link is cut or frozen or the target disallows, and goes on from where it stood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sandbox.array import names, volume_snapshots
from sandbox.array.model import Group, GroupSnapshot, Session, Target, Transfer, new_id

if TYPE_CHECKING:
    from sandbox.array.array import Array
    from sandbox.array.fabric import Fabric
    from sandbox.clock import Timer

_OVERHEAD_BYTES = 4096
_INSTANT = 1e-3  # a world may ask for transfers of no time at all


@dataclass
class _Way:
    """One direction of replication: a group and one of its targets, seen from both ends."""

    source: Array
    group: Group
    target: Target
    other: Array

    @property
    def replica(self) -> Group | None:
        """The group on the other side, if it has appeared there."""
        found = self.other.groups.get(names.replica_name(self.source.name, self.group.name))
        return found if found is not None and not found.is_local else None


class Replication:
    """The engine of a fabric; all its state is in the arrays, apart from the timers of running transfers."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._clock = fabric.clock
        self._timers: dict[str, Timer] = {}

    # What happens to groups and targets

    def targeted(self, array: Array, group: Group, target: Target) -> None:
        """A target was added: it appears there after a while."""
        other = self._fabric.arrays[target.array.lower()]
        way = _Way(array, group, target, other)
        self._clock.call_later(other.settings.appear_delay, partial(self._publish, way))

    def untargeted(self, array: Array, group: Group, target: Target) -> None:
        """A target was removed: what was on its way never completes, an empty replica goes."""
        way = _Way(array, group, target, self._fabric.arrays[target.array.lower()])
        for session in list(target.queue):
            self._drop(way, session)
        replica = way.replica
        if replica is not None and not replica.snapshots:
            way.other.groups.remove(replica)

    def judged(self, array: Array, replica: Group) -> None:
        """The target allowed or disallowed: its own side acts at once, the source learns it after a while."""
        source = self._fabric.arrays.get((replica.source_array or "").lower())
        group = source.groups.by_id(replica.source_group or "") if source else None
        target = group.targets.get(array.name.lower()) if group else None
        if source and group and target:
            way = _Way(source, group, target, array)
            self._clock.call_later(array.settings.allow_delay, partial(self._learn, way))
            self._pump(way)

    def configured(self, array: Array, group: Group, schedules: set[str]) -> None:
        """A group was changed: its replicas take over name and retention, its changed schedules start anew."""
        for way in self._ways_of(array, group):
            if way.target.published:
                self._publish(way)
            self._pump(way)
        for key in schedules:
            self._fabric.schedules.start(array, group, key)

    def refresh(self) -> None:
        """Links changed: finish handshakes that waited, let transfers go on or pause."""
        for way in self._ways():
            if way.target.published or way.target.waiting:
                self._publish(way)
            self._pump(way)

    def resume(self, array: Array) -> None:
        """Take up what an array was doing when it was saved: handshakes, transfers, schedules, retention."""
        for group in array.groups:
            for way in self._ways_of(array, group):
                if way.target.published:
                    self._publish(way)
                else:
                    self.targeted(array, group, way.target)
                self._pump(way)
            for taken in group.snapshots.values():
                if taken.reap:
                    self._fabric.schedules.watch_retention(array, group, taken)
            for key in ("replication_schedule", "snapshot_schedule"):
                if group.is_local and getattr(group, key)["enabled"]:
                    self._fabric.schedules.start(array, group, key)

    def abandoned(self, array: Array, group: Group) -> None:
        """A group was destroyed: nothing of it goes on arriving."""
        for target in group.targets.values():
            way = _Way(array, group, target, self._fabric.arrays[target.array.lower()])
            for session in list(target.queue):
                self._drop(way, session)

    # Snapshots and their sending

    def snapshot(self, array: Array, group: Group, suffix: str | None, reap: bool, created: int) -> GroupSnapshot:
        """All members at one instant; without a suffix the next number is taken."""
        if suffix is None:
            while str(group.next_suffix) in group.snapshots:
                group.next_suffix += 1
            suffix = str(group.next_suffix)
            group.next_suffix += 1
        taken = GroupSnapshot(suffix, created=created, reap=reap)
        for volume in filter(None, map(array.volumes.by_id, group.members)):
            if not volume.destroyed:
                label = names.base(volume.name) if "::" in volume.name else volume.name
                taken.members[label.lower()] = volume_snapshots.take(array, volume, label, created)
        group.snapshots[suffix.lower()] = taken
        held = {member.name: member.generation for member in taken.members.values()}
        array.note("array_snapshot", "taken", taken.id, f"{group.name}.{suffix}", array=array.name, members=held)
        if reap:
            self._fabric.schedules.watch_retention(array, group, taken)
        return taken

    def send(self, array: Array, group: Group, taken: GroupSnapshot, target: Target, urgent: bool) -> bool:
        """Queue a snapshot for a target that allows it; False when it does not, as far as the source knows."""
        if not target.allowed:
            return False
        target.queue.append(Session(taken.id, urgent))
        self._pump(_Way(array, group, target, self._fabric.arrays[target.array.lower()]))
        return True

    # The handshake

    def _publish(self, way: _Way) -> None:
        """Show the group on its target, or bring what is there up to date; waits for the link if that is down."""
        target = way.target
        if way.group.targets.get(target.array.lower()) is not target or way.group.destroyed:
            return
        target.waiting = not self._fabric.connected(way.source, way.other)
        if target.waiting:
            return
        replica = self._renamed(way) or way.replica
        if replica is None:
            name = names.replica_name(way.source.name, way.group.name)
            replica = way.other.groups.add(Group(name, source_array=way.source.name))
        replica.source_group = way.group.id
        target.published = True
        for field in ("replication_schedule", "source_retention", "target_retention"):
            setattr(replica, field, dict(getattr(way.group, field)))
        if replica.allowed != target.allowed:
            self._clock.call_later(way.other.settings.allow_delay, partial(self._learn, way))

    def _renamed(self, way: _Way) -> Group | None:
        """Follow a rename at the source: the replica keeps its snapshots under the new name."""
        name = names.replica_name(way.source.name, way.group.name)
        for replica in way.other.groups:
            if replica.source_group == way.group.id and replica.name != name and way.other.groups.get(name) is None:
                way.other.groups.rename(replica, name)
                return replica
        return None

    def _learn(self, way: _Way) -> None:
        """The source hears what the target decided; a schedule that waited for it starts."""
        replica = way.replica
        if replica is None or not self._fabric.connected(way.source, way.other):
            return
        newly = replica.allowed and not way.target.allowed
        way.target.allowed = replica.allowed
        if newly and way.group.replication_schedule["enabled"]:
            self._fabric.schedules.start(way.source, way.group, "replication_schedule")
        self._pump(way)

    # Transfers

    def _pump(self, way: _Way) -> None:
        """Let the sessions of one way move or pause, as things stand now."""
        replica = way.replica
        link = self._fabric.link(way.source, way.other)
        moves = (
            self._fabric.connected(way.source, way.other)
            and not link.frozen
            and replica is not None
            and replica.allowed
            and not replica.destroyed
        )
        ordinary_first = True
        for session in list(way.target.queue):
            if moves and replica is not None and (session.urgent or ordinary_first):
                self._start(way, replica, session)
            ordinary_first = ordinary_first and session.urgent
        self._set_rates(way, moves)

    def _start(self, way: _Way, replica: Group, session: Session) -> None:
        if session.arrival:
            return
        taken = self._taken(way.group, session)
        if taken is None or taken.name.lower() in replica.snapshots:
            self._drop(way, session)
            return
        now = self._clock.now()
        arrival = GroupSnapshot(taken.name, created=taken.created, reap=taken.reap)
        for key, member in taken.members.items():
            copy = type(member)(**vars(member))
            copy.id = new_id()
            arrival.members[key] = copy
        arrival.transfer = Transfer(now, self._size(way, taken), 0.0, now)
        replica.snapshots[taken.name.lower()] = arrival
        session.arrival = arrival.id

    def _size(self, way: _Way, taken: GroupSnapshot) -> int:
        """Bytes to send: all that is in use the first time, afterwards what was written since the last arrival."""
        total = _OVERHEAD_BYTES
        for member in taken.members.values():
            used = int(member.provisioned * way.source.settings.physical_share)
            last, volume = way.target.sent.get(member.volume_id), way.source.volumes.by_id(member.volume_id)
            if last is not None and volume is not None:
                used = min(used, int(volume.write_rate * max(0, taken.created - last) / 1000))
            total += used
        return total

    def _set_rates(self, changed: _Way, moves: bool) -> None:
        """Set the pace of what moves; with a bandwidth to share, a start or end changes that of all other ways too."""
        link, now = self._fabric.link(changed.source, changed.other), self._clock.now()
        ways = [changed]
        if link.bandwidth is not None:
            ways += [
                way
                for way in self._ways()
                if way.source is changed.source and way.other is changed.other and way.target is not changed.target
            ]
        running = []
        for way in ways:
            for session in list(way.target.queue):
                arrival = self._arrival(way, session)
                if arrival is None or arrival.transfer is None:
                    continue
                moving = moves if way is changed else arrival.transfer.rate > 0
                arrival.transfer.pause(now)
                self._cancel(session)
                if moving:
                    running.append((way, session, arrival.transfer))
        for way, session, transfer in running:
            share = (
                link.bandwidth / len(running)
                if link.bandwidth
                else transfer.total / max(link.transfer_seconds, _INSTANT)
            )
            transfer.rate = share
            left = max(0.0, transfer.total - transfer.done) / share
            self._timers[session.arrival] = self._clock.call_later(left, partial(self._finish, way, session))

    def _finish(self, way: _Way, session: Session) -> None:
        """All bytes are there: the members can be used, the next delta starts from here, the next session moves."""
        arrival, taken = self._arrival(way, session), self._taken(way.group, session)
        self._timers.pop(session.arrival, None)
        if session in way.target.queue:
            way.target.queue.remove(session)
        if arrival is not None and arrival.transfer is not None and way.replica is not None:
            now = self._clock.now()
            arrival.transfer.pause(now)
            arrival.transfer.done, arrival.transfer.completed = float(arrival.transfer.total), now
            if taken is not None:
                way.target.sent.update({m.volume_id: taken.created for m in taken.members.values()})
            self._fabric.schedules.reap(way.other, way.replica)
            if arrival.reap:
                self._fabric.schedules.watch_retention(way.other, way.replica, arrival)
        self._pump(way)

    def _drop(self, way: _Way, session: Session) -> None:
        """Give a session up; what had arrived of it vanishes from the target."""
        self._cancel(session)
        if session in way.target.queue:
            way.target.queue.remove(session)
        arrival, replica = self._arrival(way, session), way.replica
        if arrival is not None and replica is not None and not arrival.arrived:
            replica.snapshots.pop(arrival.name.lower(), None)

    def _cancel(self, session: Session) -> None:
        timer = self._timers.pop(session.arrival, None)
        if timer is not None:
            timer.cancel()

    def _taken(self, group: Group, session: Session) -> GroupSnapshot | None:
        return next((taken for taken in group.snapshots.values() if taken.id == session.snapshot), None)

    def _arrival(self, way: _Way, session: Session) -> GroupSnapshot | None:
        replica = way.replica
        if replica is None or not session.arrival:
            return None
        return next((taken for taken in replica.snapshots.values() if taken.id == session.arrival), None)

    def _ways(self) -> Iterator[_Way]:
        for array in list(self._fabric.arrays.values()):
            for group in list(array.groups):
                yield from self._ways_of(array, group)

    def _ways_of(self, array: Array, group: Group) -> Iterator[_Way]:
        if group.destroyed:
            return
        for target in list(group.targets.values()):
            yield _Way(array, group, target, self._fabric.arrays[target.array.lower()])
