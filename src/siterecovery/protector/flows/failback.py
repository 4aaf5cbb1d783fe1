"""Failback: turn replication round, bring the first site up to date while the VMs run on, then move as in a planned failover."""

from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.flows.moving import phases, recovered_members, resting_status, source_cleanup
from siterecovery.protector.steps import instances, records, replication, settling, volumes
from siterecovery.protector.steps.base import World
from siterecovery.protector.steps.records import Move
from siterecovery.workflow.flow import Flow, Node, attempt, sequence, together
from siterecovery.workflow.step import Call, OnFailure


def planned(world: World) -> Flow:
    """With `reverse_replication` nothing is lost; without it the group returns to what the first site still holds, which needs `force`."""
    reverse = bool(world.plan.request.get("reverse_replication"))
    stops = {
        member.id: instances.StopSourceInstance(world, f"stop_source_instances/{world.labels[member.id]}", member)
        for member in world.plan.members
    }
    body = sequence(
        records.ValidateSites(world, "validate_sites"),
        records.CreateOperationRecord(world, "create_operation_record"),
        *(_turned_round(world) if reverse else ()),
        together(*stops.values(), limit=256),
        *(_final_snapshot(world) if reverse else ()),
        replication.ChooseRecoveryPoint(world, "get_latest_snapshot", exactly=world.suffix if reverse else None),
        recovered_members(world),
        records.CommitPlanned(world, "update_protection_group", resting_status(world)),
        together(
            attempt(volumes.UpdateGroupVolumes(world, "join_target_group", world.target, join=True)),
            source_cleanup(world, lossy=not reverse),
        ),
        attempt(restored(world)),
        attempt(records.Finalize(world, "finalize")),
    )
    storage = ["get_latest_snapshot", "promote_volumes", "manage_volumes_cinder", "update_volume_records"]
    turned = ["configure_reverse_replication", "sync_reverse_replication"] if reverse else []
    return Flow(
        "failback",
        body,
        phases(
            world,
            ["validate_sites", "create_operation_record", *turned, "stop_source_instances"],
            ["snapshot_consistency_group", *storage] if reverse else storage,
            ["recreate_instances", "attach_volumes"],
            cleanup=True,
            lossy=not reverse,
            restore=True,
        ),
        turn=records.RevokeClaim(world, "revoke_claim"),
        commit="update_protection_group",
        settle=settling.Settle(world, "settle", undone=False),
        settle_undone=settling.Settle(world, "settle", undone=True, restore=instances.restore(stops)),
    )


def _turned_round(world: World) -> tuple[Node, ...]:
    """The present direction replicates to the first site; one full cycle while the VMs run, so that the cut-over is short."""
    return (
        replication.ConfigureReplication(world, "configure_reverse_replication", lambda _: world.base),
        replication.ReplicateNow(world, "sync_reverse_replication", world.base, suffix=f"{world.suffix}-r"),
        attempt(replication.DropKeptCopies(world, "drop_kept_copies", world.target)),
    )


def _final_snapshot(world: World) -> tuple[Node, ...]:
    return (replication.ReplicateNow(world, "snapshot_consistency_group", world.base, suffix=world.suffix),)


def restored(world: World) -> replication.ConfigureReplication:
    """From the first site to the other one again, under the new epoch's own name."""

    def generation(call: Call) -> Generation:
        move = Move.of(world, call, resting_status(world))
        return move.generation("")

    return replication.ConfigureReplication(world, "restore_replication", generation, on_failure=OnFailure.RECORD)
