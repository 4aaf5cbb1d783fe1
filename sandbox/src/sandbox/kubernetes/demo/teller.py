"""What every part of the story needs: the stage, the moment a scene began, and how its moves came out."""

from __future__ import annotations

from sandbox.demo.comparing import Outcome
from sandbox.kubernetes.demo import verdicts
from sandbox.kubernetes.demo.movement import Movement
from sandbox.kubernetes.demo.stage import Stage
from sandbox.kubernetes.desk import NAMESPACE

NS = f"-n {NAMESPACE}"
OF_QUORUM = "--kubeconfig=quorum-cluster.kubeconfig"
STATE = "-o jsonpath='{.status.currentState}'"


class Teller:
    """Tells scenes on a stage; `outcomes` has one line per move for the summary, and is shared by all tellers of a story."""

    def __init__(self, stage: Stage, outcomes: list[Outcome]) -> None:
        self.stage = stage
        self.screen = stage.screen
        self.outcomes = outcomes
        self._mark = 0

    def begin(self) -> None:
        """From here on the witness's samples belong to this move."""
        self._mark = len(self.stage.witness.samples)
        self.stage.witness.look()

    def seen(self, group: str, source: str, target: str) -> Movement:
        """What the witness saw of a group since then."""
        return Movement(self.stage.witness.since(self._mark), group, source, target)

    def moved(self, title: str, group: str, source: str, target: str) -> None:
        """Judge a move and note it for the summary."""
        self.outcomes.append(verdicts.moved(self.screen, title, self.seen(group, source, target)))

    def go_home(self, *groups: str) -> None:
        """Visibly, where the next scenario needs them on cluster1."""
        self.screen.line()
        self.screen.prose(f"The next scenario begins with {' and '.join(groups)} on cluster1, so home again first:")
        for group in groups:
            self.begin()
            self.stage.run(f"pgctl failback {group} --wait --namespace {NAMESPACE}")
            self.moved(f"{group} home", group, "cluster2", "cluster1")
