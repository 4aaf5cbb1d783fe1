"""A group on its way: where it must be whole, and where nothing of it may be left."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from real.dr import seen
from real.dr.pair import Pair
from real.dr.workload import AWAY, HOME, Workload, mapped
from real.testbed.process import wait_until

SITES = ("site-a", "site-b")
KEPT = "drkeep-"
"""Array volumes with the final snapshot of the site that was left (KEEP_SOURCE)."""


@dataclasses.dataclass
class Moving:
    """One group of `workload`. `before` are the array volumes that each site had before there was any group of this test."""

    pair: Pair
    workload: Workload
    id: str
    before: Mapping[str, frozenset[str]]
    siblings: "list[Moving]" = dataclasses.field(default_factory=list)
    """Other groups of the same test: what is theirs is not ours."""
    written: int = 0

    @property
    def name(self) -> str:
        """Of the group."""
        return self.workload.group

    def place(self, site: str) -> seen.Place:
        """What is there of it now."""
        return seen.place(self.pair.sites, site, self.workload)

    def write(self, site: str) -> int:
        """Every guest writes something new."""
        self.written += 1
        here = self.place(site)
        assert len(here.array) == len(self.workload.volumes)
        seen.write(self.pair.sites, site, here.array, self.written)
        return self.written

    def away(self, *more: str, code: int = 0, cloud: str = "site-a") -> Any:
        """`openstack dr failover` to site b."""
        words = ("dr", "failover", self.name, *mapped(AWAY), *more, "-f", "json")
        return self.pair.openstack(*words, code=code, cloud=cloud)

    def home(self, *more: str, code: int = 0) -> Any:
        """`openstack dr failback` to site a with everything written meanwhile."""
        words = ("dr", "failback", self.name, "--reverse-replication", *mapped(HOME), *more, "-f", "json")
        return self.pair.openstack(*words, code=code)

    def completed(self, operation_id: str, *, cloud: str = "site-a") -> Mapping[str, Any]:
        """The record of an operation that must have gone well."""
        record = self.pair.ended(operation_id, cloud=cloud)
        assert (record["status"], record["steps_failed"]) == ("completed", []), f"{record}\n{self.pair.logs()}"
        return record

    def kill_engine(self, site: str, operation_id: str, step: str) -> None:
        """kill -9 in the middle of a step, and a new engine."""
        protector = self.pair.protectors[site]
        wait_until(
            f"step {step}",
            lambda: True if f"{operation_id} step={step}" in protector.log() else None,
            seconds=300,
            pause=0.02,
        )
        protector.kill("engine")
        protector.start("engine")

    def runs_on(self, site: str, *, generation: int | None = None) -> None:
        """All VMs run there with all they had, and with what was written; Cinder and the array hold five volumes, no more."""
        here, volumes = self.place(site), set(self.workload.volumes)
        wanted = {m.name: seen.machine(m, site, here.vms[m.name]) for m in self.workload.machines if m.name in here.vms}
        assert dict(here.vms) == wanted
        assert len(wanted) == len(self.workload.machines)
        assert all(vm.addresses for vm in here.vms.values())
        assert dict(here.states) == dict.fromkeys(volumes, "in-use")
        assert here.bootable == {m.disks[0] for m in self.workload.machines}
        assert here.grouped == volumes
        own = self._on_array(site)
        assert own.keys() == set(here.array.values())
        expected = self.written if generation is None else generation
        assert own == dict.fromkeys(own, expected)

    def left(self, site: str) -> None:
        """Of a site that was left in order nothing remains but the copies of the final snapshot."""
        assert self.place(site) == seen.NOTHING
        kept = self._on_array(site)
        assert [name for name in kept if not name.startswith(KEPT)] == []
        assert sorted(kept.values()) == [self.written] * len(self.workload.volumes)

    def gone_from(self, site: str) -> None:
        """Nothing of it is there, not even a copy."""
        assert self.place(site) == seen.NOTHING
        assert self._on_array(site) == {}

    def _on_array(self, site: str) -> dict[str, int]:
        foreign = set(self.before[site])
        for sibling in self.siblings:
            foreign |= set(sibling.place(site).array.values())
            foreign |= seen.tagged(self.pair.sites, site, sibling.id)
        volumes = seen.array_volumes(self.pair.sites, site)
        return {name: generation for name, generation in volumes.items() if name not in foreign}

    def wait(self, what: str, probe: Callable[[], bool], seconds: float = 300) -> None:
        """Until something is so; the engines' logs are in the failure."""
        try:
            wait_until(what, lambda: True if probe() else None, seconds=seconds, pause=0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.pair.logs()}") from error
