"""One pass over one group: what was found, and what the phases have done. Filled from the local cache; nothing here calls a cluster."""

import dataclasses

from siterecovery.kubevirt.clusters.informer import Key
from siterecovery.kubevirt.controllers.protection_group.cache import Cache
from siterecovery.kubevirt.crds.protection_group import DesiredState, Member, ProtectionGroup, ReadinessKind
from siterecovery.kubevirt.domain import disks, selectors
from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.authority import Authority
from siterecovery.kubevirt.domain.ordering import Standing
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.domain.virtual_machine import Observed, Power
from siterecovery.kubevirt.domain.volume import VolumeView

UNSEEN = 3.0
"""Seconds that KubeVirt gets to take note of a start before the VM is halted again. One that is down does not keep a stop from being obeyed."""
STOP_MARGIN = 60.0
"""Seconds beyond its grace period after which a stopping member is not waited for by others."""


@dataclasses.dataclass
class MemberView:
    """A member as it was found. `told` is set by the phase that has just started or stopped it."""

    spec: Member
    vm: Object | None
    instance: Object | None
    observed: Observed
    listed: str
    """The resourceVersion of the VM in the cache's list when it was read."""
    volumes: dict[str, str | None]
    """Claim → handle; None where no replicated volume is behind it, or not yet."""
    views: dict[str, VolumeView] = dataclasses.field(default_factory=dict)
    """By handle."""
    read: Object | None = None
    """The VM as this pass found it: another one in `vm` is what it has written."""
    told: Power | None = None
    waits: str = ""
    foreign: bool = False
    """A VM of that name which nobody has made this group's: it is not touched. Known after the phase that enrols."""
    meant: str = ""
    """What this pass wants to record of it: it is this group's also while that write loses a race."""
    unseen: float | None = None
    """Seconds for which it has been set to run and KubeVirt has not taken note of it; None when it has, or has nothing to take note of."""
    waited: float = 0.0
    """Seconds for which it has been on its way to where it shall be, as this process has seen it."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def power(self) -> Power:
        """What it does now: the word of this pass is newer than the cache."""
        return self.told or self.observed.power

    @property
    def counts(self) -> bool:
        """Whether `currentState` looks at it: not a stranger, nor what stays halted, nor a guest that has gone to rest by itself."""
        return not self.foreign and not self.excluded and self.power is not Power.COMPLETED

    @property
    def excluded(self) -> bool:
        """It was halted when it became a member: it stays so."""
        return self.vm is not None and (vms.is_excluded(self.vm) or vms.strategy_of(self.meant) == vms.HALTED)

    @property
    def halted_now(self) -> bool:
        return self.vm is None or vms.is_halted(self.vm)

    @property
    def about_to_start(self) -> bool:
        """KubeVirt may be just starting it, by what it has read before: halted now, it would look stopped until its instance appears."""
        return self.unseen is not None and self.unseen < UNSEEN

    @property
    def held(self) -> bool:
        return self.vm is not None and vms.is_held(self.vm)

    def fenced(self) -> bool:
        """DRBD itself keeps a second copy from running. Where nothing can be asked it stays as it was last decided."""
        known = [view.fenced for view in self.views.values() if view.exists]
        if False in known:
            return False
        return not self.held if None in known else True

    def wrongly_set(self) -> bool:
        """Held without need, or not held where it runs and should be. To hold it one volume without quorum is enough; to let it go each must be seen
        to have its own. One that is halted keeps the mark: it is remembered where nothing can be asked at its next start."""
        if self.vm is None or self.foreign:
            return False
        if not self.held:
            return not self.halted_now and not self.fenced()
        known = [view.fenced for view in self.views.values() if view.exists]
        return bool(known) and all(known)

    def connected(self) -> bool:
        """Every volume of it is seen connected to the other cluster."""
        return bool(self.views) and all(view.connected is True for view in self.views.values())

    def is_up(self) -> bool:
        wanted = self.spec.readiness.condition
        if self.power is not Power.RUNNING:
            return False
        return wanted is ReadinessKind.RUNNING or wanted.value in self.observed.conditions

    def under_way(self, desired: DesiredState) -> bool:
        """It has been told, and is not there yet."""
        if desired is DesiredState.STOPPED:
            return self.halted_now and not self.observed.halted
        return self.vm is not None and self.counts and not self.halted_now and not self.is_up()

    def starting(self) -> Standing:
        """As the order of starts sees it."""
        absent = self.vm is None or not self.counts
        late = self.waited > self.spec.readiness.timeout_seconds
        manual = self.vm is not None and (self.held or vms.strategy_of(vms.run_of(self.vm)) == vms.MANUAL)
        idle = self.halted_now or (manual and self.power is Power.STOPPED)
        busy = self.power is Power.UNKNOWN or (self._will_be_manual() and self.power is Power.STOPPING)
        return Standing(
            self.name,
            self.spec.priority,
            tuple(self.spec.depends_on),
            passed=absent or self.is_up() or late,
            moving=absent or busy or not idle,
        )

    def stopping(self) -> Standing:
        """As the order of stops sees it. One that is excluded is halted already."""
        late = self.waited > (disks.grace(self.vm) if self.vm else 0.0) + STOP_MARGIN
        return Standing(
            self.name,
            self.spec.priority,
            tuple(self.spec.depends_on),
            passed=self.foreign or self.observed.halted or late,
            moving=self.foreign or self.halted_now,
        )

    def _will_be_manual(self) -> bool:
        run = vms.recorded(self.vm) if self.vm is not None else None
        return not self.fenced() or vms.strategy_of(run or "") == vms.MANUAL


@dataclasses.dataclass
class Scope:
    """`here` and `other` are the names the group itself uses for this cluster and the other workload cluster."""

    wire: Object
    group: ProtectionGroup
    here: str
    other: str
    authority: Authority
    members: list[MemberView]
    problems: list[str] = dataclasses.field(default_factory=list)
    """What is wrong with the spec, or with a member: shown in Ready."""
    events: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    """(reason, message, type), recorded when the pass is over."""
    again: float | None = None
    error: str = ""
    """A call that failed in this pass: it is tried again."""

    @property
    def key(self) -> Key:
        return self.group.key

    @property
    def desired(self) -> DesiredState:
        return self.group.spec.desired_state

    @property
    def handles(self) -> list[str]:
        found = [handle for member in self.members for handle in member.volumes.values() if handle]
        return list(dict.fromkeys(found))

    def look_again(self, seconds: float) -> None:
        """The soonest wish wins."""
        self.again = seconds if self.again is None else min(self.again, seconds)


def members_of(cache: Cache, group: ProtectionGroup, wire: Object) -> list[MemberView]:
    """The members in the order of the spec; by selector, in the order of their names."""
    namespace = group.metadata.namespace
    specs = group.spec.virtual_machines
    if specs is None:
        selector = wire["spec"].get("vmSelector") or {}
        names = sorted(
            key[1]
            for key, vm in cache.vms.objects.items()
            if key[0] == namespace and selectors.matches(selector, vm["metadata"].get("labels") or {})
        )
        specs = [Member(name=name) for name in names]
    return [_member(cache, namespace, spec) for spec in specs]


def _member(cache: Cache, namespace: str, spec: Member) -> MemberView:
    key = (namespace, spec.name)
    vm, instance = cache.vm(key), cache.instances.get(key)
    observed = vms.observe(vm, instance, cache.launchers(key), cache.silent_nodes)
    volumes = {claim: volume_behind(cache, namespace, claim) for claim in disks.claims(vm)} if vm else {}
    return MemberView(spec, vm, instance, observed, cache.listed(key), volumes, read=vm)


def volume_behind(cache: Cache, namespace: str, claim: str) -> str | None:
    """The handle of the volume a claim is bound to."""
    found = cache.claims.get((namespace, claim))
    name = ((found or {}).get("spec") or {}).get("volumeName")
    return disks.handle(cache.volumes.get(("", name))) if name else None
