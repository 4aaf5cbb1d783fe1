"""Each rule: the one function that keeps it, the story that needs it, and that function as it would be without it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from model.rules import Property
from siterecovery.protector import duties
from siterecovery.protector.arrays.mock import driver as mock_driver
from siterecovery.protector.domain import admission, claims, epoch
from siterecovery.protector.domain.epoch import Claim, next_epoch
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import ClaimState
from siterecovery.protector.flows import moving
from siterecovery.protector.steps import base, fencing, instances, records, replication, volumes
from siterecovery.protector.steps.replication import epoch_of
from siterecovery.workflow.flow import sequence
from siterecovery.workflow.run import Run
from siterecovery.workflow.step import Outcome

from . import stories
from .play import Play

Patch = pytest.MonkeyPatch


@dataclasses.dataclass(frozen=True)
class Rule:
    """`home`: module below `siterecovery` and name of the function. `without` puts one in its place that does not keep the rule."""

    home: str
    story: Callable[[Play], None]
    breaks: Property
    without: Callable[[Patch], None]
    how: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def everywhere(name: str, value: object, *places: Any) -> Callable[[Patch], None]:
    """The function is replaced under the name by which each of these modules (or classes) knows it."""

    def patch(patch: Patch) -> None:
        for place in places:
            patch.setattr(place, name, value)

    return patch


def _claim(group: ProtectionGroup, *, target_site_id: str, operation_id: str, **_: object) -> ProtectionGroup:
    """Counted from the present epoch only: claims are not remembered."""
    number = next_epoch(group.failover_epoch, for_primary=target_site_id == group.primary_site_id)
    return dataclasses.replace(group, claim=Claim(number, operation_id, ClaimState.OPEN))


def _hold(ask: admission.Ask, picture: admission.Picture) -> None:
    if picture.group.hold_operation_id is not None or picture.group.remote_hold is not None:
        raise admission.busy(str(picture.group.hold_operation_id or picture.group.remote_hold))


def _commit_here(self: records.CommitPlanned, call: Any) -> Outcome:
    """The source commits in its own database and lets the target learn later."""
    move = records.Move.of(self.world, call, self.status)
    generation = move.generation(now=self.world.read(lambda tx: tx.now()))
    version = self.world.group().metadata_version + 1
    return Outcome({"epoch": move.epoch, "version": version}, (self._learn(move, generation, version),))


def _keep_off_unlocked(call: Any, compute: Any, server_id: str) -> None:
    compute.stop(server_id)


def _leased_key(call: Any) -> str:
    return f"{call.key}@{call.run.lease.epoch}"


def _undo_destroys(self: replication.CopyOut, call: Any) -> Outcome:
    found = self._find(call)
    if found is not None and not found.destroyed:
        self.world.driver.destroy(self.world.target, found.name)
    return Outcome()


def _overwrites(self: replication.CopyOut, call: Any) -> Outcome:
    """What was kept on the target is used again."""
    point = call.result("get_latest_snapshot")["members"][self.volume.id]
    kept = [c for c in self.world.plan.copies if c.site_id == self.world.target and c.array_volume_id is not None]
    if not kept:
        tags = self.world.tags(call, epoch_of(call))
        made = self.world.driver.copy_out(self.world.target, point, self.array_name, tags)
        return Outcome({"array_volume_id": made.id, "array_volume_name": made.name})
    driver: Any = self.world.driver
    driver.overwrite(self.world.target, point, kept[0].array_volume_id)
    found = driver.volume_by_id(self.world.target, kept[0].array_volume_id)
    return Outcome({"array_volume_id": found.id, "array_volume_name": found.name})


def _newest_arrival(self: replication.ChooseRecoveryPoint) -> dict[str, Any] | None:
    """Whatever came last, of whichever epoch."""
    found = [
        (point.taken_at, generation, point)
        for generation in self.world.plan.group.lineage
        if generation.site_id != self.world.target
        for point in self.world.driver.recovery_points(self.world.replication(generation))
    ]
    if not found:
        return None
    _, generation, point = max(found, key=lambda it: it[0])
    return self._replicated(generation, [point])


def _without_keep_source(patch: Patch) -> None:
    """No copy is made, and the deletion does not ask for one."""
    patch.setattr(moving, "_kept_copies", lambda world: sequence())
    patch.setattr(volumes.DeleteSourceVolume, "_must_be_kept", _NOTHING)


def _deleted(world: Any, volume: Any) -> Any:
    return volumes.DeleteSourceVolume(world, f"delete_source_volume:{world.labels[volume.id]}", volume, keep_step=None)


def _stale_goes(world: Any, volume: Any, *, lossy: bool) -> Any:
    return _deleted(world, volume) if lossy else _SOURCE_VOLUME(world, volume, lossy=False)


_SOURCE_VOLUME = moving.source_volume


async def _no_wait(self: Run, step: Any) -> None:
    return None


def _one_tag(number: int) -> dict[str, str]:
    return {"epoch": str(number)}


def _its_value(tags: Mapping[str, str]) -> int:
    return int(tags.get("epoch", "0"))


def _without_tag_mono(patch: Patch) -> None:
    for place in (epoch, mock_driver):
        patch.setattr(place, "epoch_tag", _one_tag)
        patch.setattr(place, "highest_epoch", _its_value)


def _forward_never(self: records.RevokeClaim, call: Any) -> Outcome:
    return Outcome("undo")


def _give_up(self: records.RevokeClaim, call: Any, error: Exception) -> Outcome:
    return Outcome("undo")


_NOTHING: Callable[..., Any] = lambda *_, **__: None  # noqa: E731 - a rule that does nothing
_NO_OUTCOME: Callable[..., Any] = lambda *_, **__: Outcome()  # noqa: E731
_NO: Callable[..., Any] = lambda *_, **__: False  # noqa: E731
_SAME_NUMBERS: Callable[..., int] = lambda newest, *, for_primary: newest + 1  # noqa: E731

P = Property
RULES: dict[str, Rule] = {
    "ONE_DOOR": Rule(
        "protector.domain.admission:_check_site",
        stories.one_door,
        P.TWO_WRITERS,
        everywhere("_check_site", _NOTHING, admission),
    ),
    "FORCE_OVERRIDES": Rule(
        "protector.domain.admission:_check_hold",
        stories.force_overrides,
        P.NO_RECOVERY,
        everywhere("_check_hold", _hold, admission),
    ),
    "CLAIM": Rule(
        "protector.domain.claims:claim",
        stories.a_late_create_after_force,
        P.TWO_IN_ONE_EPOCH,
        everywhere("claim", _claim, claims),
    ),
    "SITE_NUMBERS": Rule(
        "protector.domain.epoch:next_epoch",
        stories.site_numbers,
        P.TWO_IN_ONE_EPOCH,
        everywhere("next_epoch", _SAME_NUMBERS, claims),
    ),
    "TARGET_COMMITS": Rule(
        "protector.steps.records:CommitPlanned.do",
        stories.target_commits,
        P.STALE_POINT,
        everywhere("do", _commit_here, records.CommitPlanned),
    ),
    "REVOKE": Rule(
        "protector.steps.records:RevokeClaim.do",
        stories.revoke,
        P.PLANNED_LOSS,
        everywhere("do", _forward_never, records.RevokeClaim),
    ),
    "HANDOVER": Rule(
        "protector.steps.records:RevokeClaim._unanswered",
        stories.handover,
        P.PLANNED_LOSS,
        everywhere("_unanswered", _give_up, records.RevokeClaim),
    ),
    "UNDO_BARRIER": Rule(
        "protector.steps.guards:handed_over",
        stories.undo_barrier,
        P.TWO_AT_REST,
        everywhere("handed_over", _NO, instances, volumes, replication),
    ),
    "TAG_MONO": Rule("protector.domain.epoch:epoch_tag", stories.tag_mono, P.TAG_FELL, _without_tag_mono),
    "LOCK": Rule(
        "protector.steps.guards:keep_off",
        stories.lock,
        P.LATE_SECOND,
        everywhere("keep_off", _keep_off_unlocked, instances, fencing),
    ),
    "KEY_BY_OP": Rule(
        "protector.steps.base:key_of",
        stories.key_by_op,
        P.STUCK,
        everywhere("key_of", _leased_key, base, instances, volumes, replication),
    ),
    "DRAIN": Rule("workflow.run:Run._settle", stories.drain, P.SERVICE_DOWN, everywhere("_settle", _no_wait, Run)),
    "QUARANTINE": Rule(
        "protector.steps.replication:CopyOut.undo",
        stories.quarantine,
        P.LAST_CONTENT,
        everywhere("undo", _undo_destroys, replication.CopyOut),
    ),
    "BURN": Rule(
        "protector.steps.guards:burn",
        stories.a_late_create_after_force,
        P.LATE_SECOND,
        everywhere("burn", _NOTHING, instances, volumes, fencing),
    ),
    "KEEP_SOURCE": Rule(
        "protector.flows.moving:_kept_copies",
        stories.keep_source,
        P.POINT_LOST,
        _without_keep_source,
    ),
    "NEW_OBJECTS": Rule(
        "protector.steps.replication:CopyOut.do",
        stories.new_objects,
        P.LAST_CONTENT,
        everywhere("do", _overwrites, replication.CopyOut),
        {"retain": True},
    ),
    "EPOCH_RP": Rule(
        "protector.steps.replication:ChooseRecoveryPoint._youngest",
        stories.epoch_rp,
        P.STALE_POINT,
        everywhere("_youngest", _newest_arrival, replication.ChooseRecoveryPoint),
    ),
    "FORCE_FENCES": Rule(
        "protector.steps.fencing:fence_peer",
        stories.force_fences,
        P.SECOND_START,
        everywhere("fence_peer", _NO, fencing),
    ),
    "SWEEP": Rule(
        "protector.steps.fencing:SweepTarget.do",
        stories.a_made_server_before_force,
        P.SECOND_START,
        everywhere("do", _NO_OUTCOME, fencing.SweepTarget),
    ),
    "KEEP_STALE": Rule(
        "protector.flows.moving:source_volume",
        stories.keep_stale,
        P.LAST_CONTENT,
        everywhere("source_volume", _stale_goes, moving),
    ),
    "RETURN_ASKS": Rule(
        "protector.duties:Duties.look_after",
        stories.return_asks,
        P.TWO_AT_REST,
        everywhere("look_after", _NOTHING, duties.Duties),
    ),
    "WATCH_UP": Rule(
        "protector.duties:Duties._watch_up",
        stories.watch_up,
        P.LEFT_LOCKED,
        everywhere("_watch_up", _NOTHING, duties.Duties),
    ),
}
