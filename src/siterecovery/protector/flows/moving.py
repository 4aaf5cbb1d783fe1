"""The parts that every move has in common: volumes come out of a recovery point, VMs come up, the old side is tidied up.

A VM waits for its own volumes only: the first ones run while the last ones are still being managed.
"""

from collections.abc import Callable

from siterecovery.protector.domain.member import CopyState, Member, Rebuild, Volume
from siterecovery.protector.domain.states import GroupStatus
from siterecovery.protector.steps import enrolment, instances, replication, volumes
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Node, Phase, attempt, for_each, sequence, steps_of, together
from siterecovery.workflow.step import OnFailure, Step

BUILDS = 128
"""VMs brought up at the same time: twice the 64 builds that a busy Nova carries out at once, so that the next ones wait in its own
queue while their predecessors are still being noticed and their volumes managed."""

AT_ONCE = 256
"""VMs stopped or tidied up at the same time. Mostly they wait; how many calls are under way is bounded by the engine's threads."""

BeforeStart = Callable[[Member], Step]
"""What happens right before a VM is created."""

PREPARATION, STORAGE, INSTANCES, FINALIZATION = 20.0, 40.0, 30.0, 10.0
"""The documented phases' shares of the progress: 0–20, 20–60, 60–90, 90–100."""


def recovered_volume(world: World, volume: Volume, member: Member) -> Node:
    """One volume of the recovery point, under Cinder's management on the target."""
    label = world.labels[volume.id]
    return sequence(
        replication.CopyOut(
            world,
            f"promote_volumes/{label}",
            volume,
            server_step=server_step(world, member),
            manage_step=manage_step(world, volume),
        ),
        volumes.ManageVolume(
            world,
            manage_step(world, volume),
            volume,
            copy_step=f"promote_volumes/{label}",
            server_step=server_step(world, member),
            volume_type=world.plan.group.volume_type_on(world.target),
        ),
    )


def manage_step(world: World, volume: Volume) -> str:
    return f"manage_volumes_cinder/{world.labels[volume.id]}"


def server_step(world: World, member: Member) -> str:
    return f"recreate_instances/{world.labels[member.id]}"


def recovered_member(
    world: World, member: Member, on_failure: OnFailure, before_start: BeforeStart | None = None
) -> Node:
    """One VM on the target: its volumes, its ports, the VM, its attachments seen."""
    label, disks = world.labels[member.id], world.volumes_of(member)
    managed = [(volume, manage_step(world, volume)) for volume in disks]
    rebuild = member.rebuild or Rebuild("", "")
    ports = f"recreate_instances/{label}/ports"
    node = sequence(
        together(
            *(recovered_volume(world, volume, member) for volume in disks),
            instances.CreatePorts(
                world, ports, member, rebuild, keep_addresses=world.plan.ip_policy == "keep", on_failure=on_failure
            ),
        ),
        volumes.UpdateVolumeRecords(world, f"update_volume_records/{label}", managed),
        *((attempt(before_start(member)),) if before_start is not None else ()),
        instances.RecreateInstance(
            world, server_step(world, member), member, rebuild, managed, ports_step=ports, on_failure=on_failure
        ),
        instances.VerifyAttachments(
            world,
            f"attach_volumes/{label}",
            member,
            server_step=server_step(world, member),
            manage_steps=[step for _, step in managed],
            on_failure=on_failure,
        ),
    )
    if on_failure is OnFailure.RECORD:
        for step in steps_of(node):
            step.on_failure = on_failure
    return node


def recovered_members(
    world: World, on_failure: OnFailure = OnFailure.ABORT, before_start: BeforeStart | None = None
) -> Node:
    """All VMs, independently of one another. Planned: one failure takes the whole move back. Forced: it takes back its own VM only."""
    if on_failure is OnFailure.RECORD:
        return for_each(
            world.plan.members,
            lambda member: recovered_member(world, member, on_failure, before_start),
            name=lambda member: f"member/{world.labels[member.id]}",
            limit=BUILDS,
        )
    return together(*(recovered_member(world, member, on_failure) for member in world.plan.members), limit=BUILDS)


def source_cleanup(world: World, *, lossy: bool = False) -> Node:
    """The old side, once the VMs are seen ACTIVE with all volumes on the target. Each failure concerns its own resource only. What stays there
    is told to the target, whose next operation has to find or drop it.

    Volumes leave their group while nothing is being detached from them, which Cinder would refuse. The array makes its copies while Nova
    deletes: neither waits for the other, and a volume goes only when both are done.
    """
    return sequence(
        together(
            attempt(replication.StopOldDirection(world, "stop_old_direction")),
            attempt(instances.NoteSourcePorts(world, "note_source_ports")),
            attempt(volumes.UpdateGroupVolumes(world, "leave_source_group", world.source, join=False)),
        ),
        together(_deleted_servers(world), *(() if _retained(world, lossy=lossy) else (_kept_copies(world),))),
        together(
            attempt(instances.DeleteSourcePorts(world, "delete_source_ports", "note_source_ports")),
            for_each(
                world.plan.volumes,
                lambda volume: source_volume(world, volume, lossy=lossy),
                name=lambda volume: f"cleanup/volume/{world.labels[volume.id]}",
                limit=AT_ONCE,
            ),
        ),
        attempt(enrolment.NewVersion(world, "note_left_behind")),
        attempt(enrolment.PushDocument(world, "push_left_behind")),
    )


def _deleted_servers(world: World) -> Node:
    return for_each(
        world.plan.members,
        lambda member: instances.DeleteSourceInstance(
            world, f"delete_source_vm:{world.labels[member.id]}", member, world.volumes_of(member)
        ),
        name=lambda member: f"cleanup/{world.labels[member.id]}",
        limit=AT_ONCE,
    )


def _retained(world: World, *, lossy: bool) -> bool:
    return lossy or world.plan.config.retain_source_volumes


def _kept_copies(world: World) -> Node:
    """KEEP_SOURCE, for volumes that will be deleted: the copy stays until the new direction has a recovery point there."""
    return for_each(
        world.plan.volumes,
        lambda volume: replication.KeepSourceCopy(world, _keep_step(world, volume), volume),
        name=lambda volume: f"cleanup/copy/{world.labels[volume.id]}",
        limit=AT_ONCE,
    )


def _keep_step(world: World, volume: Volume) -> str:
    return f"keep_source_copy/{world.labels[volume.id]}"


def source_volume(world: World, volume: Volume, *, lossy: bool) -> Node:
    """KEEP_STALE: a move that accepted a loss (`lossy`) deletes no volume of the old side: what it holds and nobody else has goes only by a person's
    clean-up. Otherwise it is deleted, which it refuses without its kept copy, or retained as configured."""
    label = world.labels[volume.id]
    if lossy:
        return volumes.RetainSourceVolume(world, f"retain_source_volume/{label}", volume, CopyState.STALE)
    if world.plan.config.retain_source_volumes:
        return volumes.RetainSourceVolume(world, f"retain_source_volume/{label}", volume)
    return volumes.DeleteSourceVolume(
        world, f"delete_source_volume:{label}", volume, keep_step=_keep_step(world, volume)
    )


def phases(
    world: World,
    preparation: list[str],
    storage: list[str],
    instances_: list[str],
    *,
    cleanup: bool,
    lossy: bool = False,
    restore: bool = False,
) -> tuple[Phase, ...]:
    """Documented names with their weights, in order; clean-up steps are phases of their own, one per resource."""
    middle = [*(_cleanup_names(world, lossy=lossy) if cleanup else []), *(["restore_replication"] if restore else [])]
    end = ["update_protection_group", *middle, "finalize"]
    groups = ((preparation, PREPARATION), (storage, STORAGE), (instances_, INSTANCES), (end, FINALIZATION))
    return tuple(Phase(name, weight / len(names)) for names, weight in groups for name in names)


def _cleanup_names(world: World, *, lossy: bool) -> list[str]:
    servers = [f"delete_source_vm:{world.labels[member.id]}" for member in world.plan.members]
    if lossy or world.plan.config.retain_source_volumes:
        return servers
    return servers + [f"delete_source_volume:{world.labels[volume.id]}" for volume in world.plan.volumes]


def resting_status(world: World) -> GroupStatus:
    """Where a whole move leaves the group: at home or away."""
    home = world.target == world.plan.group.primary_site_id
    return GroupStatus.ACTIVE if home else GroupStatus.FAILED_OVER
