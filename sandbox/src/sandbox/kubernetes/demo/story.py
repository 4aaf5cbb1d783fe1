"""The whole story: what there is, the six scenarios, the day the first cluster is gone, and its return."""

from __future__ import annotations

import contextlib

from sandbox.demo.comparing import claim
from sandbox.kubernetes.check import check
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.demo.disaster import Disaster
from sandbox.kubernetes.demo.scenarios import Scenarios
from sandbox.kubernetes.demo.stage import Stage
from sandbox.kubernetes.demo.teller import NS, OF_QUORUM, Teller
from sandbox.kubernetes.desk import NAMESPACE
from sandbox.kubernetes.workload import GROUPS

_ROUNDS_SECONDS = 40.0


class Story(Teller):
    """Acts in their order."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage, [])

    def play(self) -> None:
        """From the first act to the last; CommandFailed as soon as a command does not do what it should."""
        self.what_there_is()
        Scenarios(self.stage, self.outcomes).play()
        Disaster(self.stage, self.outcomes).play()
        self.independent_look()

    def what_there_is(self) -> None:
        self.screen.act(
            "Three clusters, and four VMs that somebody needs",
            """cluster1 and cluster2 run virtual machines with KubeVirt, a small third cluster, quorum, carries failovers out and has
            DRBD's third vote. A shop and a wiki run on cluster1, a database and a web server each, and keep writing: every
            write is numbered, and DRBD copies it to cluster2 at once.""",
        )
        self.stage.run(f"kubectl {OF_QUORUM} get deployment failover-controller {NS}")
        self.stage.run(f"kubectl get deployment protection-group-controller {NS}")
        self.stage.run("kubectl get crd | grep siterecovery.trilio.io")
        self.stage.run(f"kubectl get vm {NS}")
        self.stage.run(f"kubectl get protectiongroups {NS} -o wide")
        self.stage.run(f"pgctl status --namespace {NAMESPACE}")
        sample = self.stage.witness.look()
        self.screen.line()
        everything: set[str] = set().union(*GROUPS.values())
        claim(self.screen, "all four VMs run on cluster1", everything - sample.running["cluster1"])
        claim(self.screen, "nothing runs on cluster2", sample.present["cluster2"])
        unequal = {
            name
            for name, replicas in sample.disks.items()
            if len(replicas) < 2 or not all(replica.up_to_date and replica.guarded for replica in replicas.values())
        }
        claim(self.screen, "every disk has a whole copy on each cluster, guarded by quorum", unequal)

    def independent_look(self) -> None:
        self.screen.act(
            "An independent look",
            """A checker that shares no code with Site Recovery looks at all three API servers, at machines and disks, and at what they have
            written down since they exist, for what must never be: two running copies, two writers of one disk, lost writes, things
            left behind, records that do not tell the truth.""",
        )
        with contextlib.suppress(TimeoutError):  # then it is shown below what does not come true
            wait_until("what is told in rounds", _ROUNDS_SECONDS, lambda: check(self.stage.world).ok)
        code, _ = self.stage.attempt("sandbox kubernetes check")
        self.screen.line()
        self.screen.verdict(code == 0, "the checker looked everywhere and found nothing wrong")
