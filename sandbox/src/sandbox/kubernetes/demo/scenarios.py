"""The six documented scenarios in their documented order, by the documented commands."""

from __future__ import annotations

import re

from sandbox.demo.comparing import claim
from sandbox.demo.follow import CommandFailed
from sandbox.kubernetes.demo import verdicts
from sandbox.kubernetes.demo.stage import Terminal
from sandbox.kubernetes.demo.teller import NS, OF_QUORUM, STATE, Teller
from sandbox.kubernetes.desk import NAMESPACE
from sandbox.kubernetes.workload import GROUPS

_CRD, _DIRECT = "./intelligent-pg-failover-crd.sh", "./intelligent-pg-failover.sh"
_CONFLICT, _PRECONDITION = 4, 5
_COLUMNS = "-o custom-columns='NAME:.metadata.name,DESIRED:.spec.desiredState,CURRENT:.status.currentState'"
_PATIENCE_SECONDS = 90.0


class Scenarios(Teller):
    """Later ones build on earlier ones."""

    def play(self) -> None:
        """CommandFailed as soon as a command does not do what it should: nothing after it would be true."""
        self.one_group()
        self.the_same_twice()
        self.another_group()
        self.force()
        self.desired_state()
        self.audit_trail()

    def one_group(self) -> None:
        self.screen.act(
            "Scenario 1: a group moves",
            """cluster1 needs maintenance. The VMs of pg-a are stopped there, their disks are let go, authority passes to cluster2
            with a higher epoch, and they start there on the copies that DRBD has kept. pg-b must not notice.""",
        )
        self.begin()
        self.stage.run(f"kubectl get protectiongroup pg-a {NS} {STATE}")
        self.stage.run(f"{_CRD} pg-a --to-cluster2")
        self.stage.run(f"kubectl --kubeconfig=dr-cluster.kubeconfig get protectiongroup pg-a {NS} {STATE}")
        self.stage.run(f"pgctl operations list --namespace {NAMESPACE} --protection-group pg-a")
        self.moved("pg-a away", "pg-a", "cluster1", "cluster2")
        verdicts.stayed(self.screen, "pg-b", "cluster1", self.seen("pg-b", "cluster1", "cluster2").samples)
        self.go_home("pg-a")

    def the_same_twice(self) -> None:
        self.screen.act(
            "Scenario 2: the same group twice at once",
            """Two people fail the same group over in the same minute. Each failover must first take a lock, a Kubernetes Lease;
            the second one is told who has it and changes nothing.""",
        )
        self.begin()
        with self.stage.terminal("terminal 1", f"{_CRD} pg-a --to-cluster2") as first:
            self._until_stopping("pg-a", first)
            refused = self.stage.run(f"{_CRD} pg-a --to-cluster2", _CONFLICT, "terminal 2")
            lease = self.stage.run(f"kubectl {OF_QUORUM} get lease failover-lock-pg-a {NS} -o yaml")
            first.done()
        self.moved("pg-a away", "pg-a", "cluster1", "cluster2")
        holder = re.search(r"holderIdentity: (\S+)", lease)
        named = holder is not None and f"Failover lock is held by: {holder[1]}" in refused
        self.screen.verdict(named, "terminal 2 was told the holder that the Lease itself names")
        self.go_home("pg-a")

    def another_group(self) -> None:
        self.screen.act(
            "Scenario 3: another group to the same cluster",
            """cluster2's nodes have lost DRBD's quorum for a moment and carry taints, so that nothing is scheduled on them. A failover
            may remove them, but not beneath another group that is on its way or running there: pg-b has to wait.""",
        )
        self.stage.run("sandbox kubernetes fault lose-quorum cluster2")
        self.begin()
        for group in GROUPS:
            self.stage.run(f"kubectl get protectiongroup {group} {NS} {STATE}")
        with self.stage.terminal("terminal 1", f"{_DIRECT} pg-a --to-cluster2") as first:
            self._until_stopping("pg-a", first)
            self.stage.run(f"{_DIRECT} pg-b --to-cluster2", _PRECONDITION, "terminal 2")
            first.done()
        self.moved("pg-a away, tainted nodes", "pg-a", "cluster1", "cluster2")
        verdicts.stayed(self.screen, "pg-b", "cluster1", self.seen("pg-b", "cluster1", "cluster2").samples)

    def force(self) -> None:
        self.screen.act(
            "Scenario 4: force, in an emergency",
            """pg-b cannot wait. --force overrides the safety check of scenario 3, and nothing else: neither the lock nor the
            protection against two copies.""",
        )
        self.begin()
        self.stage.run(f"{_DIRECT} pg-b --to-cluster2 --force")
        self.stage.run(f"kubectl --kubeconfig=cluster2.kubeconfig get protectiongroups {NS} {_COLUMNS}")
        self.moved("pg-b away, forced", "pg-b", "cluster1", "cluster2")
        self.stage.run("sandbox kubernetes fault regain-quorum cluster2")
        self.go_home("pg-a", "pg-b")

    def desired_state(self) -> None:
        self.screen.act(
            "Scenario 5: stopped and started as a whole",
            """spec.desiredState is all that anybody has to say; the group controller makes every VM of the group follow, here the
            database before the web server. `mixed` is the moment when some have followed and others not.""",
        )
        patch = f"kubectl patch protectiongroup pg-a {NS} --type=merge -p "
        with self.stage.terminal("terminal 1", f"kubectl get protectiongroup pg-a {NS} -w") as watch:
            self._until_row(watch, "running", "running")
            self.stage.run(patch + """'{"spec":{"desiredState":"stopped"}}'""")
            self._until_row(watch, "stopped", "stopped")
            self.stage.run(f"kubectl get vmi {NS}")
            left = set(GROUPS["pg-a"]) & self.stage.witness.look().present["cluster1"]
            self.screen.line()
            claim(self.screen, "no VM of pg-a has a guest any more", left)
            self.stage.run(patch + """'{"spec":{"desiredState":"running"}}'""")
            self._until_row(watch, "running", "running", times=2)
        self.stage.run(f"kubectl get protectiongroup pg-a {NS} {STATE}")
        missing = set(GROUPS["pg-a"]) - self.stage.witness.look().running["cluster1"]
        self.screen.line()
        claim(self.screen, "all VMs of pg-a run again", missing)

    def audit_trail(self) -> None:
        self.screen.act(
            "Scenario 6: who did what, and how it ended",
            """Every failover is an object that stays: the ones that succeeded and the ones that were refused, each with its steps
            and its history.""",
        )
        listed = self.stage.run(f"kubectl {OF_QUORUM} get failovers {NS}")
        failed = [line.split()[0] for line in listed.splitlines() if " Failed " in line]
        if not failed:
            raise CommandFailed("no failover is listed as Failed, though two were refused")
        self.stage.run(f"kubectl {OF_QUORUM} describe failover {failed[0]} {NS}")
        self.stage.run(f"pgctl operations get {failed[0]} --namespace {NAMESPACE}")
        ended = [line for line in listed.splitlines()[1:] if " Succeeded " in line or " Failed " in line]
        self.screen.line()
        self.screen.verdict(len(failed) == 2, "both refusals are on record")
        moves = len(self.outcomes)
        self.screen.verdict(len(ended) - len(failed) == moves, f"so are all {moves} moves that the machines have seen")

    def _until_stopping(self, group: str, first: Terminal) -> None:
        """Terminal 1 is under way as soon as a guest of the group has begun to go."""
        members = set(GROUPS[group])

        def gone() -> bool:
            return first.ended or not members <= self.stage.witness.look().running["cluster1"]

        self.stage.until(f"{group} on its way", _PATIENCE_SECONDS, gone)

    def _until_row(self, watch: Terminal, desired: str, current: str, times: int = 1) -> None:
        """A watch shows a state so often, each time as news."""

        def shown() -> bool:
            rows = [line.split()[1:3] for line in watch.lines]
            news = [row for before, row in zip([[], *rows], rows, strict=False) if row != before]
            return watch.ended or news.count([desired, current]) >= times

        self.stage.until(f"{desired}, {current} in `kubectl get -w`", _PATIENCE_SECONDS, shown)
