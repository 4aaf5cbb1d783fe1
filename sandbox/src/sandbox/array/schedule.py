"""Scheduled snapshots and retention, on the world's clock.

A schedule that is switched on runs at once and then every `frequency`. A replication run skips targets that do not allow
it or are still busy with the run before, and takes no snapshot when none is left. Retention destroys only snapshots
that a schedule took or that asked for it; those with a suffix of ours stay.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from sandbox.array.lifecycle import destroy_group_snapshot
from sandbox.array.model import Group, GroupSnapshot, Target

if TYPE_CHECKING:
    from sandbox.array.array import Array
    from sandbox.array.fabric import Fabric
    from sandbox.clock import Timer

_DAY = 86_400


class Schedules:
    """The timers of all schedules of a fabric; a restart starts enabled ones anew."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._clock = fabric.clock
        self._timers: dict[tuple[str, str], Timer] = {}

    def start(self, array: Array, group: Group, key: str) -> None:
        """(Re)start one of a group's schedules, or stop it where it is disabled."""
        timer = self._timers.pop((group.id, key), None)
        if timer is not None:
            timer.cancel()
        if getattr(group, key)["enabled"]:
            self._run(array, group, key)

    def watch_retention(self, array: Array, group: Group, taken: GroupSnapshot) -> None:
        """Look again when the snapshot leaves the time in which all are kept, and when its days are over."""
        policy = group.source_retention if group.is_local else group.target_retention
        age = self._clock.now() - taken.created / 1000
        for end in {policy["all_for_sec"], policy["all_for_sec"] + policy["days"] * _DAY}:
            self._clock.call_later(end - age + 1, partial(self.reap, array, group))

    def reap(self, array: Array, group: Group) -> None:
        """Keep all of the newest, then `per_day` a day for `days` days; destroy the rest."""
        policy = group.source_retention if group.is_local else group.target_retention
        now = self._clock.now()
        kept: Counter[int] = Counter()
        for taken in sorted(group.snapshots.values(), key=lambda each: -each.created):
            age = now - taken.created / 1000
            if not taken.reap or taken.destroyed or not taken.arrived or age <= policy["all_for_sec"]:
                continue
            day = int(taken.created / 1000 // _DAY)
            if age <= policy["all_for_sec"] + policy["days"] * _DAY and kept[day] < policy["per_day"]:
                kept[day] += 1
            else:
                destroy_group_snapshot(array, group, taken)

    def _run(self, array: Array, group: Group, key: str) -> None:
        """One turn, and the timer for the next."""
        schedule = getattr(group, key)
        if array.groups.by_id(group.id) is not group or not schedule["enabled"]:
            return
        if not group.destroyed and not array.down and not self._blacked_out(schedule["blackout"]):
            self._take(array, group, key)
        wait = schedule["frequency"] / 1000
        if schedule["at"] is not None:
            wait += (schedule["at"] - (self._clock.now() + wait)) % _DAY
        self._timers[group.id, key] = self._clock.call_later(wait, partial(self._run, array, group, key))

    def _take(self, array: Array, group: Group, key: str) -> None:
        engine = self._fabric.replication
        created = array.now_ms()
        if key == "snapshot_schedule":
            engine.snapshot(array, group, None, True, created)
            return
        ready = [target for target in group.targets.values() if target.allowed and not self._busy(target)]
        if ready:
            taken = engine.snapshot(array, group, None, True, created)
            for target in ready:
                engine.send(array, group, taken, target, urgent=False)

    def _busy(self, target: Target) -> bool:
        return any(not session.urgent for session in target.queue)

    def _blacked_out(self, window: dict[str, int] | None) -> bool:
        """Whether now lies in the window, milliseconds since midnight (UTC); one that ends before it starts spans it."""
        if not window:
            return False
        now, start, end = self._clock.now() % _DAY * 1000, window["start"], window["end"]
        return start <= now < end if start <= end else now >= start or now < end
