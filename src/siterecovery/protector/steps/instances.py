"""Steps that touch Nova and Neutron: VMs are stopped, rebuilt, checked and cleaned up. What keeps a moved VM off is in `guards`."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from siterecovery.protector.clouds.base import EPOCH, GROUP, KEY, Disk, NetworkPort, PortSpec, Server, ServerSpec
from siterecovery.protector.domain.errors import CloudConflict, CloudNotFound, CloudRefused
from siterecovery.protector.domain.member import Member, Port, Rebuild, Volume
from siterecovery.protector.steps.base import ProtectorStep, World, key_of, servers
from siterecovery.protector.steps.guards import burn, halt, handed_over, keep_off
from siterecovery.protector.steps.replication import epoch_of
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.step import Answer, Call, OnFailure, Outcome, Refused, Unsettled, Waiting


def power_of(call: Call, member: Member) -> Mapping[str, Any]:
    """How the member was found before the operation touched anything: `{"status", "locked"}`; also asked after the undo, at the end."""
    found: Mapping[str, Any] = call.last("validate_sites")["servers"].get(member.id, {})
    return found


HALTED = frozenset({"SHUTOFF", "PAUSED", "SUSPENDED"})
"""Nothing runs, nothing writes."""


class StopSourceInstance(ProtectorStep):
    """Locked, then stopped cleanly; where the guest does not shut down in time, stopped hard if that is allowed. Undone only when nothing newer is
    known anywhere: unlocked, and running if it was running."""

    def __init__(self, world: World, name: str, member: Member) -> None:
        super().__init__(world, name)
        self.member = member
        self.timeout = world.stop_timeout + 60.0

    def do(self, call: Call) -> Answer:
        keep_off(call, self.world.service(self.world.source).compute, self.member.instance_id)
        limit = self.world.monotonic() + self.world.stop_timeout

        def stopped_or_late(seen: Server | None) -> Outcome | None:
            return self._stopped(seen) or (Outcome() if self.world.monotonic() >= limit else None)

        return self._waiting(stopped_or_late, lambda value: Outcome(value) if value else self._halt(call))

    def _waiting(
        self, until: Callable[[Server | None], Outcome | None], then: Callable[[Any], Answer] | None = None
    ) -> Waiting:
        late = (
            f"VM {self.member.instance_name} did not come to rest. Look at it and at its nova-compute on "
            f"{self.world.site_names.get(self.world.source, self.world.source)}, then retry."
        )
        return Waiting(servers(self.world, self.world.source), self.member.instance_id, until, then, late)

    def _halt(self, call: Call) -> Answer:
        """The clean shutdown's time is up."""
        name, seconds = self.member.instance_name, self.world.stop_timeout
        if not self.world.plan.config.allow_hard_stop:
            raise Refused(
                f"VM {name} did not shut down within {seconds:.0f} s (stop_timeout). Shut it down from inside, or allow a hard stop "
                "(--allow-hard-stop), which may cost its last writes; then retry.",
                resource_id=self.member.instance_id,
            )
        halt(call, self.world.service(self.world.source).compute, self._found())
        return self._waiting(self._stopped)

    def _found(self) -> Server:
        found = self.world.service(self.world.source).compute.server(self.member.instance_id)
        if found is None:
            raise self._gone()
        return found

    def _gone(self) -> Refused:
        said = f"VM {self.member.instance_name} is gone from the source site. Remove it from the group, then retry."
        return Refused(said, resource_id=self.member.instance_id)

    def _stopped(self, seen: Server | None) -> Outcome | None:
        if seen is None:
            raise self._gone()
        if seen.status in HALTED and seen.task_state is None:
            return Outcome({"stopped": seen.id})
        if seen.status == "ERROR":
            raise Refused(
                f"VM {self.member.instance_name} went to ERROR while it was stopped. Repair it on its site, then retry.",
                resource_id=seen.id,
            )
        return None

    def undo(self, call: Call) -> Answer:
        """A shutdown that is still under way is waited for as long as it had before: only what has come to rest stays where it is put."""
        if self._found().task_state != "powering-off":
            return self._put_back(call)
        limit = self.world.monotonic() + self.world.stop_timeout

        def at_rest_or_late(seen: Server | None) -> Outcome | None:
            under_way = seen is not None and seen.task_state == "powering-off"
            return None if under_way and self.world.monotonic() < limit else Outcome()

        return self._waiting(at_rest_or_late, lambda _: self._put_back(call))

    def _put_back(self, call: Call) -> Answer:
        source, found = self.world.source, self._found()
        compute = self.world.service(source).compute
        self.world.may_start(call, _claimed(call))
        before = power_of(call, self.member)
        if found.task_state == "powering-off":
            compute.reset_state(found.id)
            found = dataclasses.replace(found, task_state=None)
        if found.locked and not before.get("locked"):
            compute.unlock(found.id)
        if before.get("status") != "ACTIVE" or found.status == "ACTIVE":
            return Outcome()
        if found.task_state is None and found.status in ("SHUTOFF", "PAUSED"):
            call.check()
            tenant = self.world.tenant(source).compute
            (tenant.start if found.status == "SHUTOFF" else tenant.unpause)(found.id)
        return self._waiting(running(self.member.instance_name))


def _claimed(call: Call) -> int | None:
    claimed = call.last("create_operation_record")
    return None if claimed is None else int(claimed["epoch"])


def running(name: str) -> Callable[[Server | None], Outcome | None]:
    """Waits for ACTIVE; ERROR is a refusal with Nova's own words."""

    def until(seen: Server | None) -> Outcome | None:
        if seen is None:
            return None
        if seen.status == "ERROR":
            why = (seen.fault or "Nova gives no reason").rstrip(".")
            raise Refused(
                f"VM {name} did not start: {why}. Put that right on its site, then retry.", resource_id=seen.id
            )
        if seen.status == "ACTIVE" and seen.task_state is None:
            return Outcome({"server_id": seen.id, "volume_ids": list(seen.volume_ids)})
        return None

    return until


def gone(name: str) -> Callable[[Server | None], Outcome | None]:
    def until(seen: Server | None) -> Outcome | None:
        if seen is not None and seen.status == "ERROR" and seen.task_state is None:
            raise Unsettled(f"VM {name} went to ERROR while it was deleted.", resource_id=seen.id)
        return Outcome({"deleted": True}) if seen is None else None

    return until


class CreatePorts(ProtectorStep):
    """The member's ports in the tenant's project, with its addresses where they are free, and its keypair: all that the VM needs besides its
    volumes, made while those are on their way. Our ports are deleted by undo; a keypair is its owner's."""

    def __init__(
        self, world: World, name: str, member: Member, rebuild: Rebuild, *, keep_addresses: bool, on_failure: OnFailure
    ) -> None:
        super().__init__(world, name)
        self.member = member
        self.rebuild = rebuild
        self.keep_addresses = keep_addresses
        self.on_failure = on_failure

    def do(self, call: Call) -> Outcome:
        made, notes = [], []
        if self.rebuild.key_name is not None:
            self.world.tenant(self.world.target).compute.ensure_keypair(self.rebuild.key_name, self.rebuild.key_public)
        for index, port in enumerate(self.rebuild.ports):
            existing = self._existing(call, index) if call.attempt > 1 else None
            created, note = (existing, None) if existing is not None else self._create(call, index, port)
            made.append(created.id)
            notes += [note] if note else []
        return Outcome({"ports": made, "notes": notes})

    def _create(self, call: Call, index: int, port: Port) -> tuple[NetworkPort, str | None]:
        networks = self.world.service(self.world.target).networks
        spec = self._spec(call, index, port)
        call.check()
        try:
            return networks.create_port(spec), None
        except CloudRefused as error:
            if not spec.fixed_ips and spec.mac_address is None:
                raise
            wanted = ", ".join(spec.fixed_ips) or str(spec.mac_address)
            call.check()
            free = dataclasses.replace(spec, fixed_ips=(), mac_address=None)
            created = networks.create_port(free)
            return (
                created,
                f"{self.member.instance_name}: {wanted} could not be kept ({error.detail}); it has {', '.join(created.fixed_ips)}",
            )

    def _spec(self, call: Call, index: int, port: Port) -> PortSpec:
        networks, project = self.world.service(self.world.target).networks, self.world.projects[self.world.target]
        groups = tuple(
            self.world.once(("security group", name), functools.partial(networks.ensure_security_group, name, project))
            for name in port.security_groups
        )
        return PortSpec(
            name=f"{self.member.instance_name}-{index}",
            network_id=self.world.plan.network_map[port.network_id],
            project_id=project,
            key=f"{key_of(call)}/{index}",
            fixed_ips=tuple(ip["ip_address"] for ip in port.fixed_ips) if self.keep_addresses else (),
            mac_address=port.mac_address if self.keep_addresses else None,
            security_group_ids=groups if port.port_security_enabled else None,
            port_security_enabled=port.port_security_enabled,
            allowed_address_pairs=port.allowed_address_pairs,
            vnic_type=port.vnic_type,
        )

    def _existing(self, call: Call, index: int) -> NetworkPort | None:
        found = self.world.service(self.world.target).networks.ports(key=f"{key_of(call)}/{index}")
        return found[0] if found else None

    def undo(self, call: Call) -> None:
        networks = self.world.service(self.world.target).networks
        for index in range(len(self.rebuild.ports)):
            for port in networks.ports(key=f"{key_of(call)}/{index}"):
                call.check()
                networks.delete_port(port.id)


class RecreateInstance(ProtectorStep):
    """The VM is created from its volumes and ports and waited for until it is ACTIVE.

    From the first create on the source may start again only when this server is *seen* gone.
    """

    def __init__(
        self,
        world: World,
        name: str,
        member: Member,
        rebuild: Rebuild,
        disks: Sequence[tuple[Volume, str]],
        *,
        ports_step: str,
        on_failure: OnFailure,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """`disks`: each volume with the name of the step that managed it."""
        super().__init__(world, name)
        self.member = member
        self.rebuild = rebuild
        self.disks = disks
        self.ports_step = ports_step
        self.on_failure = on_failure
        self.timeout = world.boot_timeout
        self.metadata = metadata or {}

    def do(self, call: Call) -> Answer:
        compute = self.world.tenant(self.world.target).compute
        spec = self._spec(call)
        self.world.may_start(call, epoch_of(call))
        return self._arrival(call, compute.create(spec))

    def look(self, call: Call) -> Answer | None:
        """A first attempt is found by its key. One that failed to build is deleted before another is made."""
        for server in self._mine(call):
            if server.status != "ERROR":
                return self._arrival(call, server.id)
            self._delete(call, server)
            return Waiting(
                servers(self.world, self.world.target),
                server.id,
                gone(self.member.instance_name),
                lambda _: self.do(call),
            )
        return None

    def _mine(self, call: Call) -> list[Server]:
        return self.world.service(self.world.target).compute.servers(metadata={KEY: key_of(call)})

    def _arrival(self, call: Call, server_id: str) -> Waiting:
        then = None if self.rebuild.powered_on else lambda value: self._stop_again(call, value)
        return Waiting(servers(self.world, self.world.target), server_id, running(self.member.instance_name), then)

    def _stop_again(self, call: Call, value: Mapping[str, Any]) -> Answer:
        """A VM that was SHUTOFF stays so: Nova can only create running ones."""
        call.check()
        self.world.tenant(self.world.target).compute.stop(value["server_id"])

        def stopped(seen: Server | None) -> Outcome | None:
            return (
                Outcome(dict(value))
                if seen is not None and seen.status == "SHUTOFF" and seen.task_state is None
                else None
            )

        return Waiting(servers(self.world, self.world.target), value["server_id"], stopped)

    def _spec(self, call: Call) -> ServerSpec:
        rebuild = self._with_keypair(self.rebuild)
        disks = tuple(
            Disk(
                volume_id=call.result(step)["volume_id"],
                boot_index=volume.boot_index,
                disk_bus=volume.disk_bus,
                delete_on_termination=volume.delete_on_termination,
            )
            for volume, step in self.disks
        )
        epoch = str(epoch_of(call))
        ours = {KEY: key_of(call), GROUP: self.world.plan.group.id, EPOCH: epoch}
        kept = {key: value for key, value in rebuild.metadata.items() if not key.startswith("protector:")}
        group = rebuild.server_group
        return ServerSpec(
            name=self.member.instance_name,
            flavor_id=self.world.plan.flavor_map[rebuild.flavor_id],
            disks=disks,
            port_ids=tuple(call.result(self.ports_step)["ports"]),
            rebuild=rebuild,
            metadata={**kept, **ours, **self.metadata},
            key=key_of(call),
            server_group_id=self._server_group(group) if group else None,
        )

    def _server_group(self, group: Mapping[str, Any]) -> str:
        compute = self.world.tenant(self.world.target).compute
        return self.world.once(
            ("server group", group["name"]),
            functools.partial(compute.ensure_server_group, group["name"], group["policy"]),
        )

    def _with_keypair(self, rebuild: Rebuild) -> Rebuild:
        """A missing keypair means boot without one; the record says so."""
        if rebuild.key_name is None or self.world.tenant(self.world.target).compute.ensure_keypair(
            rebuild.key_name, rebuild.key_public
        ):
            return rebuild
        return dataclasses.replace(rebuild, key_name=None)

    def _delete(self, call: Call, server: Server) -> None:
        call.check()
        self.world.service(self.world.target).compute.delete(server.id)

    def undo(self, call: Call) -> Answer | None:
        """All that carry the key, also what came late; seen gone before anything earlier is undone. Says whether a guest may have written."""
        self.barrier = handed_over(call, self.name)
        found = self._mine(call)
        known = call.last(self.name) or {}
        ran = bool(known.get("ran") or known.get("server_id")) or any(server.placed for server in found)
        if not found:
            return Outcome({"ran": ran})
        for server in found:
            self._delete(call, server)
        return Waiting(
            servers(self.world, self.world.target),
            found[0].id,
            gone(self.member.instance_name),
            lambda _: self._again(call, ran),
        )

    def _again(self, call: Call, ran: bool) -> Answer:
        left = self._mine(call)
        if left:
            raise Unsettled(f"Server {left[0].id} is still there.", resource_id=left[0].id)
        return Outcome({"ran": ran})


class VerifyAttachments(ProtectorStep):
    """All disks went into the block device mapping at creation; here they are seen attached."""

    def __init__(
        self,
        world: World,
        name: str,
        member: Member,
        *,
        server_step: str,
        manage_steps: Sequence[str],
        on_failure: OnFailure,
    ) -> None:
        super().__init__(world, name)
        self.member = member
        self.server_step = server_step
        self.manage_steps = manage_steps
        self.on_failure = on_failure

    def do(self, call: Call) -> Outcome:
        server = call.result(self.server_step)
        wanted = {call.result(step)["volume_id"] for step in self.manage_steps}
        missing = wanted - set(server["volume_ids"])
        if missing:
            found = self.world.service(self.world.target).compute.server(server["server_id"])
            missing = wanted - set(found.volume_ids if found is not None else ())
        if missing:
            raise Refused(
                f"VM {self.member.instance_name} runs without volume {', '.join(sorted(missing))}.",
                resource_id=server["server_id"],
            )
        return Outcome({"volumes": sorted(wanted)})


class DeleteSourceInstance(ProtectorStep):
    """The old server goes, after its volumes were made unbootable and safe from delete_on_termination. Looks again first."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, member: Member, disks: Sequence[Volume]) -> None:
        super().__init__(world, name)
        self.member = member
        self.disks = disks
        self.timeout = world.plan.config.cleanup_timeout_seconds
        self.retry = dataclasses.replace(self.retry, attempts=world.plan.config.cleanup_retry_attempts)

    def do(self, call: Call) -> Answer:
        cloud = self.world.service(self.world.source)
        server_id = self.member.instance_id
        if self._member_again():
            return Outcome({"skipped": "superseded", "reason": "it belongs to the group again"})
        self._protect_volumes(call)
        call.check()
        try:
            cloud.compute.delete(server_id)
        except CloudNotFound:
            return Outcome({"skipped": "Instance not found (404)"})
        except CloudConflict as error:
            raise Unsettled(error.detail, resource_id=server_id) from error
        return Waiting(servers(self.world, self.world.source), server_id, gone(self.member.instance_name))

    def _member_again(self) -> bool:
        def read(tx: Transaction) -> bool:
            return tx.members.by_instance(self.member.instance_id) is not None

        return bool(self.world.read(read))

    def _protect_volumes(self, call: Call) -> None:
        cloud = self.world.service(self.world.source)
        for volume in self.disks:
            call.check()
            try:
                if volume.delete_on_termination:
                    cloud.compute.keep_volume(self.member.instance_id, volume.volume_id)
                if volume.bootable:
                    burn(call, cloud.volumes, volume.volume_id)
            except CloudNotFound:
                continue  # the server or the volume is gone already: nothing to protect it from


class NoteSourcePorts(ProtectorStep):
    """Which ports of ours the old servers have: once a server is gone, nothing tells any more that they were its."""

    on_failure = OnFailure.RECORD

    def do(self, call: Call) -> Outcome:
        leaving = {member.instance_id for member in self.world.plan.members}
        found = self.world.service(self.world.source).networks.ports()
        ours = [port for port in found if port.device_id in leaving and any(tag.startswith(KEY) for tag in port.tags)]
        return Outcome({"ports": [port.id for port in ours]})


class DeleteSourcePorts(ProtectorStep):
    """Nova leaves ports alone that it was given. Ours go after their server; a user's stay for its return, as do those of a server that stayed."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, note_step: str) -> None:
        super().__init__(world, name)
        self.note_step = note_step

    def do(self, call: Call) -> Outcome:
        noted = set((call.last(self.note_step) or {}).get("ports", ()))
        if not noted:
            return Outcome({"deleted": []})
        networks = self.world.service(self.world.source).networks
        free = [port.id for port in networks.ports() if port.id in noted and not port.device_id]
        for port_id in free:
            call.check()
            networks.delete_port(port_id)
        return Outcome({"deleted": free})


def restore(stops: Mapping[str, StopSourceInstance]) -> Callable[[Call, Member], None]:
    """Puts a member back as it was found: for what a late call of an earlier engine may have stopped again after the undo."""

    def put_back(call: Call, member: Member) -> None:
        answer = stops[member.id].undo(call)
        while isinstance(answer, Waiting):
            seen = answer.topic.read(frozenset({answer.subject})).get(answer.subject)
            outcome = answer.until(seen)
            if outcome is None:
                raise Unsettled(f"VM {member.instance_name} is not back yet.", resource_id=member.instance_id)
            answer = outcome if answer.then is None else answer.then(outcome.value)

    return put_back
