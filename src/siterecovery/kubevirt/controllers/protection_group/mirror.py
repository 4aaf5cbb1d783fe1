"""Keeps stopped copies on the other cluster: the group, its VMs, and what they need to boot. Done only where the group is active.

A copy is written only where nothing runs: an object of the same name that is not this group's is left alone and told of, and so is a VM that is not
halted. `desiredState` of the other copy of the group is never touched: it is the failover's.

While a group moves nothing is compared. A move sets every VM to stop and to start, which makes each of them new to whoever copies them, and a
thousand comparisons would keep the API servers from what people wait for."""

import asyncio
import contextlib
import dataclasses
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from siterecovery.kubevirt.clusters import authority, base
from siterecovery.kubevirt.clusters.informer import Key
from siterecovery.kubevirt.clusters.named import named
from siterecovery.kubevirt.controllers.protection_group.cache import Cache
from siterecovery.kubevirt.controllers.protection_group.promises import Clusters
from siterecovery.kubevirt.controllers.protection_group.scope import MemberView, Scope
from siterecovery.kubevirt.controllers.protection_group.status import Copies, current_state
from siterecovery.kubevirt.crds.protection_group import DesiredState
from siterecovery.kubevirt.domain import copies, disks
from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.authority import claim_of
from siterecovery.kubevirt.domain.names import GROUP_CONTROLLER, GROUP_LABEL
from siterecovery.kubevirt.domain.resources import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PROTECTION_GROUPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Object,
    Resource,
)
from siterecovery.workflow.clock import Clock

LOG = logging.getLogger(__name__)
_TRY_AGAIN = 15.0
_MOVE = 300.0
"""Seconds after which a group that has not arrived yet is compared all the same."""
_COMES_OR_GOES = 10.0
"""A stopped group is left alone so many times longer: most are stopped on the way to the other cluster, or have just come and are not started yet."""
_RACES = 4
_FEW = 5


@dataclasses.dataclass(frozen=True)
class Last:
    """What was copied last: `of` are the versions of the originals."""

    of: tuple[object, ...]
    at: float
    copies: Copies


@dataclasses.dataclass
class Order:
    """What a group was told last: its desired state and its epoch. `busy`: when it was last seen on its way; not after `until`, whether it has
    arrived or not. Both are monotonic seconds."""

    told: tuple[DesiredState, int]
    until: float
    busy: float


class Mirror:
    """`every` seconds everything is compared again, also what the cache does not hold (Secrets, ConfigMaps). A group is left alone until it has been
    where it was told to be for `settle` seconds, a stopped one ten times longer: between its stop and its new epoch nothing can be seen."""

    def __init__(
        self,
        clusters: Clusters,
        cache: Cache,
        scopes: Mapping[Key, Scope],
        *,
        woken: Callable[[Key], None],
        clock: Clock,
        every: float = 300.0,
        settle: float = 3.0,
    ) -> None:
        self._clusters = clusters
        self._cache = cache
        self._scopes = scopes
        self._woken = woken
        self._clock = clock
        self._every = every
        self._settle = settle
        self._last: dict[Key, Last] = {}
        self._orders: dict[Key, Order] = {}

    def copies(self, key: Key) -> Copies:
        last = self._last.get(key)
        return last.copies if last else Copies()

    async def mirror(self, key: Key) -> float | None:
        """Seconds until it wants to look again."""
        scope = self._scopes.get(key)
        if scope is None:
            self._last.pop(key, None)
            self._orders.pop(key, None)
            return None
        moves = self._moves(scope)
        if not scope.authority.may_start or scope.problems:
            self._last.pop(key, None)
            return None
        if moves:
            return self._settle
        of, now = self._versions(scope), self._clock.monotonic()
        last = self._last.get(key)
        if last and last.copies.complete and last.of == of and now - last.at < self._every:
            return None
        found = await self._copy(scope)
        self._last[key] = Last(of, now, found)
        if last is None or last.copies != found:
            self._woken(key)
        return None if found.complete else _TRY_AGAIN

    def _moves(self, scope: Scope) -> bool:
        """Whether it is on its way, or has only just arrived; remembers what it was told. A group that this process sees for the first time, or that
        has just got its first epoch, is at rest: it may have no copies yet."""
        told, now = (scope.desired, max(1, scope.authority.claim.epoch)), self._clock.monotonic()
        order = self._orders.setdefault(scope.key, Order(told, now, -math.inf))
        if order.told != told:
            order = self._orders[scope.key] = Order(told, now + _MOVE, now)
        if now < order.until and current_state(scope.members, scope.desired).value != scope.desired.value:
            order.busy = now
        stopped = scope.desired is DesiredState.STOPPED
        return now - order.busy < self._settle * (_COMES_OR_GOES if stopped else 1.0)

    def _versions(self, scope: Scope) -> tuple[object, ...]:
        """Of everything in the cache that is copied: the group's spec, and each VM's definition and claims."""
        members = (
            (
                member.name,
                *_version(member.vm),
                (member.instance or {}).get("metadata", {}).get("uid"),
                bool(((member.instance or {}).get("status") or {}).get("interfaces")),
                tuple(member.volumes.items()),
                tuple(self._size(scope, claim) for claim in member.volumes),
            )
            for member in scope.members
        )
        return (scope.other, scope.group.metadata.generation, scope.authority.claim, *members)

    def _size(self, scope: Scope, claim: str) -> str:
        pvc = self._cache.claims.get((scope.key[0], claim)) or {}
        return str(((pvc.get("spec") or {}).get("resources") or {}).get("requests"))

    async def _copy(self, scope: Scope) -> Copies:
        """The controller there writes into the same objects: a lost race is run again at once."""
        for left in reversed(range(_RACES)):
            try:
                return await self._once(scope)
            except base.Conflict as error:
                if not left:
                    return Copies(None, str(error))
        raise AssertionError("the last race is answered above")

    async def _once(self, scope: Scope) -> Copies:
        try:
            peer = self._clusters.get(scope.other)
            work = Work(scope, self._clusters.local, peer, self._cache)
            problems = await work.run()
        except base.Conflict:
            raise
        except base.Unknown as error:
            return Copies(None, str(error))
        except base.ClusterError as error:
            return Copies(False, str(error))
        if problems:
            more = f" and {len(problems) - _FEW} more" if len(problems) > _FEW else ""
            return Copies(False, "; ".join(problems[:_FEW]) + more)
        return Copies(True, f"everything is on {scope.other}", "; ".join(work.notes[:_FEW]))


def _version(vm: Object | None) -> tuple[object, ...]:
    """KubeVirt writes into status all the time; a copy is made of the rest."""
    metadata = (vm or {}).get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        tuple(sorted(labels.items())),
        tuple(sorted(annotations.items())),
    )


class Work:
    """One round for one group. `problems` are sentences for people; what one member lacks does not keep the others from being copied."""

    def __init__(self, scope: Scope, local: base.Cluster, peer: base.Cluster, cache: Cache) -> None:
        self._scope = scope
        self._local, self._peer = local, peer
        self._cache = cache
        self._namespace = scope.group.metadata.namespace
        self._group = scope.group.metadata.name
        self._marks = {"group": self._group, "source": scope.here}
        spec = scope.group.spec
        forth = scope.here == spec.clusters.primary
        self._classes = _direction([(item.primary, item.dr) for item in spec.storage_class_mapping], forth)
        self._networks = _direction([(item.primary, item.dr) for item in spec.network_mapping], forth)
        self._state_claims = self._firmware()
        self._there: dict[str, dict[str, Object]] = {}
        """What the other cluster has of the members' VMs and disks, by kind and name; read once. What has changed there since is a Conflict."""
        self.problems: list[str] = []
        self.notes: list[str] = []
        """What people should know, and what keeps no VM from running there."""

    async def run(self) -> Sequence[str]:
        await self._copy_group()
        await self._read()
        for member in self._scope.members:
            if member.vm is None:
                continue
            with self._told(member.name):
                await self._copy_needs(member, member.vm)
                await self._copy_vm(member, member.vm)
        return self.problems

    async def _read(self) -> None:
        claims = [name for member in self._scope.members for name in self._claims(member)]
        volumes = [volume for name in claims if (volume := self._volume_of(name))]
        machines = [member.name for member in self._scope.members]
        wanted = [
            (VIRTUAL_MACHINES, self._namespace, machines),
            (PERSISTENT_VOLUME_CLAIMS, self._namespace, claims),
            (PERSISTENT_VOLUMES, None, volumes),
        ]
        found = await asyncio.gather(*(named(self._peer, resource, where, names) for resource, where, names in wanted))
        self._there = {resource.kind: items for (resource, _, _), items in zip(wanted, found, strict=True)}

    def _claims(self, member: MemberView) -> list[str]:
        return [*member.volumes, *self._state_claims.get(member.name, ())]

    def _volume_of(self, claim: str) -> str:
        pvc = self._cache.claims.get((self._namespace, claim)) or {}
        return str((pvc.get("spec") or {}).get("volumeName") or "")

    def _firmware(self) -> dict[str, list[str]]:
        """VM → the claims in which KubeVirt keeps its TPM and EFI variables."""
        found: dict[str, list[str]] = {}
        for claim in self._cache.claims:
            name = (claim["metadata"].get("labels") or {}).get(disks.PERSISTENT_STATE)
            if name and claim["metadata"]["namespace"] == self._namespace:
                found.setdefault(name, []).append(claim["metadata"]["name"])
        return found

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """What a cluster refuses for one member is told; what it does not answer ends the round."""
        try:
            yield
        except base.Conflict:
            raise
        except base.Refused as error:
            self.problems.append(f"{name}: {error}")

    async def _copy_group(self) -> None:
        there = await self._peer.find(PROTECTION_GROUPS, self._group, self._namespace)
        spec = copies.group_spec(self._scope.wire)
        if there is None:
            made = PROTECTION_GROUPS.header(self._group, self._namespace) | {"spec": spec | {"desiredState": "stopped"}}
            there = await self._peer.create(PROTECTION_GROUPS, made)
        elif copies.group_spec(there) != spec:
            gone: Object = {key: None for key in there["spec"] if key not in spec and key != "desiredState"}
            patch = {"metadata": {"resourceVersion": there["metadata"]["resourceVersion"]}, "spec": spec | gone}
            there = await self._peer.patch(
                PROTECTION_GROUPS, self._group, self._namespace, patch, manager=GROUP_CONTROLLER
            )
        if claim_of(there).epoch < self._scope.authority.claim.epoch:
            await authority.write(self._peer, there, self._scope.authority.claim)

    async def _copy_needs(self, member: MemberView, vm: Object) -> None:
        for name in copies.revisions(vm):
            original = await self._local.get(CONTROLLER_REVISIONS, name, self._namespace)
            await self._ensure(CONTROLLER_REVISIONS, copies.revision(original, **self._marks))
        for name in disks.service_accounts(vm):
            account = await self._local.get(SERVICE_ACCOUNTS, name, self._namespace)
            await self._ensure(SERVICE_ACCOUNTS, copies.service_account(account, **self._marks))
        needed = [(SECRETS, disks.secrets(vm)), (CONFIG_MAPS, disks.config_maps(vm))]
        for resource, names in needed:
            for name in names:
                original = await self._local.get(resource, name, self._namespace)
                await self._ensure(resource, copies.plain(resource, original, **self._marks))
        for name in self._claims(member):
            await self._copy_claim(member, name)

    async def _copy_claim(self, member: MemberView, name: str) -> None:
        pvc = self._cache.claims.get((self._namespace, name))
        pv = self._cache.volumes.get(("", self._volume_of(name)))
        handle = disks.handle(pv)
        if pvc is None or pv is None or handle is None:
            self.problems.append(f"{member.name}: claim {name} is not bound to a replicated volume")
            return
        volume = copies.volume(pv, pvc, classes=self._classes, **self._marks)
        there = await self._ensure(PERSISTENT_VOLUMES, volume)
        if disks.handle(there) != handle:
            self.problems.append(
                f"{member.name}: PersistentVolume {pv['metadata']['name']} of {self._peer.name} is another volume"
            )
            return
        await self._grow(PERSISTENT_VOLUMES, there, volume, "spec", "capacity", "storage")
        wanted = copies.claim(pvc, classes=self._classes, **self._marks)
        claim = await self._ensure(PERSISTENT_VOLUME_CLAIMS, wanted)
        await self._grow(PERSISTENT_VOLUME_CLAIMS, claim, wanted, "spec", "resources", "requests", "storage")

    async def _grow(self, resource: Resource, there: Object, wanted: Object, *path: str) -> None:
        """The disk itself has grown on both sides with the original: this is its description. A VM runs there also with the old one."""
        new = copies.grown(there, wanted, *path) if copies.is_copy(there) else None
        if new is None:
            return
        try:
            await self._peer.update(resource, new)
        except base.Conflict:
            raise
        except base.Refused as error:
            name = wanted["metadata"]["name"]
            self.notes.append(
                f"{resource.kind} {name} has grown, and its copy could not follow (allowVolumeExpansion of its class?): {error}"
            )

    async def _ensure(self, resource: Resource, wanted: Object) -> Object:
        """Creates it, or writes a copy of ours again when its original has changed. What is not a copy stays as it is: on the cluster the group was
        born on it is the original."""
        metadata, known = wanted["metadata"], self._there.get(resource.kind)
        if known is None:
            there = await self._peer.find(resource, metadata["name"], metadata.get("namespace"))
        else:
            there = known.get(metadata["name"])
        written = await self._written(resource, wanted, there)
        if known is not None:  # another member may need the same claim
            known[metadata["name"]] = written
        return written

    async def _written(self, resource: Resource, wanted: Object, there: Object | None) -> Object:
        metadata = wanted["metadata"]
        if there is None:
            return await self._peer.create(resource, wanted)
        new = copies.fingerprint(wanted)
        if new is None or not copies.is_copy(there) or copies.fingerprint(there) == new:
            return there
        kept = {"resourceVersion": there["metadata"]["resourceVersion"]}
        return await self._peer.update(resource, wanted | {"metadata": metadata | kept})

    async def _copy_vm(self, member: MemberView, vm: Object) -> None:
        wanted = copies.virtual_machine(vm, member.instance, networks=self._networks, **self._marks)
        there = self._there[VIRTUAL_MACHINES.kind].get(member.name)
        if there is None:
            await self._peer.create(VIRTUAL_MACHINES, wanted)
            return
        if (there["metadata"].get("labels") or {}).get(GROUP_LABEL) != self._group:
            self.problems.append(
                f"{member.name}: {self._peer.name} has a virtual machine of that name which is not this group's:"
                f" delete it, or label it {GROUP_LABEL}={self._group}"
            )
            return
        if copies.fingerprint(there) == copies.fingerprint(wanted):
            return
        running = await self._peer.find(VIRTUAL_MACHINE_INSTANCES, member.name, self._namespace)
        if running is not None or not vms.is_halted(there):
            self.problems.append(f"{member.name}: it is not stopped on {self._peer.name}")
            return
        metadata = there["metadata"] | {
            "labels": wanted["metadata"]["labels"],
            "annotations": wanted["metadata"]["annotations"],
        }
        metadata.pop("managedFields", None)
        await self._peer.update(VIRTUAL_MACHINES, {**there, "metadata": metadata, "spec": wanted["spec"]})


def _direction(pairs: Sequence[tuple[str, str]], forth: bool) -> dict[str, str]:
    return {(primary if forth else dr): (dr if forth else primary) for primary, dr in pairs}
