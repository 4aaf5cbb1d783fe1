"""Failover: planned (nothing is lost, both sites work) and forced (the target alone, what works is kept)."""

from siterecovery.protector.domain.member import Member
from siterecovery.protector.flows.moving import phases, recovered_members, resting_status, source_cleanup
from siterecovery.protector.steps import fencing, instances, records, replication, settling, volumes
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Flow, attempt, for_each, sequence, together
from siterecovery.workflow.step import OnFailure


def planned(world: World) -> Flow:
    """Stop, replicate, bring up, commit, tidy up. Until the commit every step is taken back when one fails."""
    stops = {
        member.id: instances.StopSourceInstance(world, f"stop_source_instances/{world.labels[member.id]}", member)
        for member in world.plan.members
    }
    body = sequence(
        records.ValidateSites(world, "validate_sites"),
        records.CreateOperationRecord(world, "create_operation_record"),
        together(*stops.values(), limit=256),
        replication.ReplicateNow(world, "snapshot_consistency_group", world.base, suffix=world.suffix),
        replication.ChooseRecoveryPoint(world, "get_latest_snapshot", exactly=world.suffix),
        recovered_members(world),
        records.CommitPlanned(world, "update_protection_group", resting_status(world)),
        attempt(replication.DropKeptCopies(world, "drop_kept_copies", world.target)),
        together(
            attempt(volumes.UpdateGroupVolumes(world, "join_target_group", world.target, join=True)),
            source_cleanup(world),
        ),
        attempt(records.Finalize(world, "finalize")),
    )
    return Flow(
        "failover",
        body,
        phases(
            world,
            ["validate_sites", "create_operation_record", "stop_source_instances"],
            [
                "snapshot_consistency_group",
                "get_latest_snapshot",
                "promote_volumes",
                "manage_volumes_cinder",
                "update_volume_records",
            ],
            ["recreate_instances", "attach_volumes"],
            cleanup=True,
        ),
        turn=records.RevokeClaim(world, "revoke_claim"),
        commit="update_protection_group",
        settle=settling.Settle(world, "settle", undone=False),
        settle_undone=settling.Settle(world, "settle", undone=True, restore=instances.restore(stops)),
    )


def fence(world: World, member: Member, when: str = "") -> fencing.FenceSourceInstance:
    """Once for all VMs as soon as possible, and again right before each start, for a site that answers only then."""
    name = f"fence_source/{world.labels[member.id]}{when}"
    return fencing.FenceSourceInstance(world, name, member, looked="look_at_peer")


def forced(world: World) -> Flow:
    """The target alone: fence what answers, recover what can be recovered, commit here, write down what is owed."""
    body = sequence(
        records.ValidateSites(world, "validate_sites", forced=True),
        records.CreateOperationRecord(world, "create_operation_record"),
        replication.ChooseRecoveryPoint(world, "get_latest_snapshot"),  # without one, nobody over there is stopped
        fencing.FencePeer(world, "look_at_peer"),
        for_each(
            world.plan.members if world.source != world.target else (),
            lambda member: fence(world, member),
            name=lambda member: f"fence/{world.labels[member.id]}",
            limit=64,
        ),
        fencing.SweepTarget(world, "sweep_target"),
        recovered_members(world, OnFailure.RECORD, before_start=lambda member: fence(world, member, fencing.AGAIN)),
        records.CommitForced(world, "update_protection_group"),
        attempt(volumes.UpdateGroupVolumes(world, "join_target_group", world.target, join=True)),
        attempt(records.Finalize(world, "finalize")),
    )
    return Flow(
        "failover",
        body,
        phases(
            world,
            ["validate_sites", "create_operation_record"],
            ["get_latest_snapshot", "promote_volumes", "manage_volumes_cinder", "update_volume_records"],
            ["recreate_instances", "attach_volumes"],
            cleanup=False,
        ),
        turn=records.RevokeClaim(world, "revoke_claim"),
        commit="update_protection_group",
        settle=settling.Settle(world, "settle", undone=False),
        settle_undone=settling.Settle(world, "settle", undone=True),
    )
