"""The primary cluster is lost, and comes back."""

from __future__ import annotations

from sandbox.demo.comparing import claim
from sandbox.kubernetes.demo import verdicts
from sandbox.kubernetes.demo.teller import NS, OF_QUORUM, Teller
from sandbox.kubernetes.desk import NAMESPACE
from sandbox.kubernetes.workload import GROUPS, GROUPS_PATH, is_ready, volume_of

_THERE = "--kubeconfig=cluster2.kubeconfig"
_CONFIRMED = "--type unplanned --confirm-source-down"
_PATIENCE_SECONDS = 180.0


class Disaster(Teller):
    """Begins with every group on cluster1."""

    def play(self) -> None:
        """CommandFailed as soon as a command does not do what it should."""
        self.lost()
        self.comes_back()

    def lost(self) -> None:
        self.screen.act(
            "cluster1 is gone",
            """No power: its API server, its nodes, its guests and its disks are gone in the same second. A program that gets no
            answer cannot tell a dead cluster from a cut cable, so a person must confirm that it is down. DRBD wrote every
            block to both clusters before it told the guest: the recovery point is the last write.""",
        )
        for group in GROUPS:
            self._until_ready(group)
        self.begin()
        self.stage.run("sandbox kubernetes fault power-off cluster1")
        self.screen.line()
        self.screen.prose(
            "A planned failover asks the source to stop. Nobody answers, so it is refused before anything is changed:"
        )
        self.stage.run(f"pgctl failover pg-a --to cluster2 --wait --namespace {NAMESPACE}", 1)
        early = self.stage.witness.look().present["cluster2"]
        self.screen.line()
        claim(self.screen, "nothing was started on cluster2 without that word", early)
        for group in GROUPS:
            self.stage.run(f"./intelligent-pg-failover.sh {group} --to-cluster2 {_CONFIRMED}")
        self.stage.run(f"kubectl {_THERE} get vmi {NS}")
        for group in GROUPS:
            self.moved(f"{group}, cluster1 lost", group, "cluster1", "cluster2")

    def comes_back(self) -> None:
        self.screen.act(
            "cluster1 comes back",
            """It wakes up believing that it still runs both groups. Its disks are older than cluster2's, so DRBD lets nobody use
            them; its controller reads the higher epoch on cluster2 and stops what would start. Then the debts of the failover
            are paid: the VMs there are halted, the disks filled up, quorum is guarded again.""",
        )
        self.begin()
        self.stage.run("sandbox kubernetes fault power-on cluster1")
        self.stage.until("the debts of both groups paid", _PATIENCE_SECONDS, self._without_debts)
        self.stage.until("every disk whole again", _PATIENCE_SECONDS, lambda: not self._unready_disks())
        self.stage.run(f"kubectl {_THERE} get protectiongroups {NS} -o wide")
        self.stage.run(f"kubectl get vmi {NS}")
        self.screen.line()
        self._judge_return()
        for group in GROUPS:
            self._until_ready(group, "cluster2")
        self.screen.line()
        self.screen.prose("Nothing is left to do but to go home:")
        for group in GROUPS:
            self.begin()
            self.stage.run(f"pgctl failback {group} --wait --namespace {NAMESPACE}")
            self.moved(f"{group} home", group, "cluster2", "cluster1")
        self.stage.run(f"kubectl {OF_QUORUM} get failovers {NS}")

    def _judge_return(self) -> None:
        samples = self.seen("pg-a", "cluster1", "cluster2").samples
        verdicts.never_twice(self.screen, samples)
        woken = {vm for sample in samples for vm in sample.present["cluster1"]}
        claim(self.screen, "on the returned cluster no VM got its disk: none ran there", woken)
        for group in GROUPS:
            verdicts.stayed(self.screen, group, "cluster2", samples)
        claim(self.screen, "both copies of every disk are whole and guarded by quorum", self._unready_disks())

    def _without_debts(self) -> bool:
        """The product's word: what it owes is known to nobody else. What paying it must bring about is judged by the disks."""
        home, other = self.stage.world.clusters
        home.api.get("/readyz")
        return not any((group.get("status") or {}).get("debts") for group in other.api.items(GROUPS_PATH))

    def _unready_disks(self) -> set[str]:
        disks = self.stage.witness.look().disks
        named = {volume_of(vm) for members in GROUPS.values() for vm in members}
        return {
            name
            for name in named
            if len(disks.get(name, {})) < 2 or not all(r.up_to_date and r.guarded for r in disks[name].values())
        }

    def _until_ready(self, group: str, active: str = "cluster1") -> None:
        """A disaster strikes a system at rest: what it does to one that is busy is for the tests."""
        cluster = next(each for each in self.stage.world.clusters if each.name == active)
        self.stage.until(f"{group} ready for a failover", _PATIENCE_SECONDS, lambda: is_ready(cluster.api, group))
